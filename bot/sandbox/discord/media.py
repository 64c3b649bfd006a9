"""What kind of file some bytes are; nobody's word is taken for it."""

from __future__ import annotations

import asyncio
import hashlib
import io
from dataclasses import dataclass

import av
from PIL import Image

_IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
_SMALL = 64 * 1024


@dataclass(frozen=True)
class Facts:
    sha256: str
    content_type: str | None
    width: int | None = None
    height: int | None = None


async def inspect(data: bytes, filename: str) -> Facts:
    if len(data) < _SMALL:
        return _inspect(data, filename)
    return await asyncio.to_thread(_inspect, data, filename)


def _inspect(data: bytes, filename: str) -> Facts:
    sha256 = hashlib.sha256(data).hexdigest()
    if data[4:8] == b"ftyp" or data[:4] == b"\x1a\x45\xdf\xa3":
        return _film(data, sha256)
    try:
        with Image.open(io.BytesIO(data), formats=list(_IMAGES)) as image:
            return Facts(sha256, _IMAGES[str(image.format)], image.width, image.height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Facts(sha256, _by_name(filename))


def _film(data: bytes, sha256: str) -> Facts:
    kind = "video/mp4" if data[4:8] == b"ftyp" else "video/webm"
    if data[8:12] == b"qt  ":
        kind = "video/quicktime"
    if data[8:12] in (b"heic", b"heix", b"mif1"):
        return Facts(sha256, "image/heic")
    if data[8:12] in (b"avif", b"avis"):
        return Facts(sha256, "image/avif")
    try:
        with av.open(io.BytesIO(data)) as container:
            if not container.streams.video:
                return Facts(sha256, kind)
            stream = container.streams.video[0]
            return Facts(sha256, kind, stream.width, stream.height)
    except (av.FFmpegError, ValueError):
        return Facts(sha256, kind)


def _by_name(filename: str) -> str | None:
    endings = {".txt": "text/plain; charset=utf-8", ".json": "application/json; charset=utf-8"}
    endings |= {".wav": "audio/x-wav", ".mp3": "audio/mpeg", ".csv": "text/csv; charset=utf-8"}
    for ending, kind in endings.items():
        if filename.lower().endswith(ending):
            return kind
    return None
