"""Request bodies: JSON, or a form with `payload_json` and `files[n]` in any order (reference#uploading-files)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from .errors import ApiError, refuse
from .message import Upload

_FILE = re.compile(r"files\[(\d+)\]")
_JSON_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Body:
    """`parts` are form files by field name; `json` is None when nothing was sent."""

    json: Any = None
    parts: dict[str, Upload] = field(default_factory=dict)

    @property
    def files(self) -> dict[int, Upload]:
        found = {}
        for name, upload in self.parts.items():
            match = _FILE.fullmatch(name)
            if match is not None:
                found[int(match[1])] = upload
        return found

    @property
    def strays(self) -> list[str]:
        """Form files of a name that means nothing."""
        return [name for name in self.parts if _FILE.fullmatch(name) is None]


async def read_body(request: web.Request, limit: int, payload: str = "payload_json") -> Body:
    """Raises 413 above the limit in bytes, after having read the rest: a client that is still
    writing would otherwise see a broken connection and not the answer."""
    if not request.body_exists:
        return Body()
    if request.content_type == "multipart/form-data":
        return await _form(request, limit, payload)
    raw = await _bounded(request, min(limit, _JSON_LIMIT))
    if not raw:
        return Body()
    if request.content_type != "application/json":
        raise ApiError(400, 50035, f"Unsupported Content-Type {request.content_type[:50]}")
    return Body(_json(raw))


async def _form(request: web.Request, limit: int, payload: str) -> Body:
    content: Any = None
    parts: dict[str, Upload] = {}
    left = limit
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise ApiError(400, 50035, "A form part has no name")
        data = await _part(part, left)
        left -= len(data) if data is not None else left + 1
        if data is None or left < 0:
            continue
        if part.name == payload:
            content = _json(data)
        elif part.filename is None:
            raise ApiError(400, 50035, f"Unexpected form field {part.name[:50]}")
        else:
            parts[part.name] = Upload(part.filename, data)
    if left < 0:
        raise refuse(40005)
    return Body(content if content is not None else {}, parts)


async def _part(part: BodyPartReader, left: int) -> bytes | None:
    """None when it is larger than what is left; it is read to its end all the same."""
    kept = bytearray()
    size = 0
    while chunk := await part.read_chunk(64 * 1024):
        size += len(chunk)
        if size <= left:
            kept += chunk
    return bytes(kept) if size <= left else None


async def _bounded(request: web.Request, limit: int) -> bytes:
    kept = bytearray()
    size = 0
    async for chunk in request.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size <= limit:
            kept += chunk
    if size > limit:
        raise refuse(40005)
    return bytes(kept)


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        raise refuse(50109) from None
