import asyncio
import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from aiohttp import web

from bot.sandbox.providers.faults import ProviderFault
from bot.sandbox.providers.records import Generation

_SLICE = 96 * 1024  # a multiple of three, so that base64 slices join without padding
_ZEROS = bytes(_SLICE)


class Content(Protocol):
    @property
    def length(self) -> int: ...

    def slices(self) -> Iterator[bytes | memoryview]: ...


@dataclass(frozen=True, slots=True)
class Plain:
    data: bytes = field(repr=False)

    @property
    def length(self) -> int:
        return len(self.data)

    def slices(self) -> Iterator[bytes | memoryview]:
        view = memoryview(self.data)
        return (view[start : start + _SLICE] for start in range(0, len(view), _SLICE))


@dataclass(frozen=True, slots=True)
class FilmInJson:
    """`{"video": {"data_uri": "..."}}`, encoded while it is being sent."""

    film: bytes = field(repr=False)
    prefix: str = ""

    _TAIL = b'"}}'

    @property
    def _head(self) -> bytes:
        return f'{{"video": {{"data_uri": "{self.prefix}'.encode()

    @property
    def length(self) -> int:
        return len(self._head) + -(-len(self.film) // 3) * 4 + len(self._TAIL)

    def slices(self) -> Iterator[bytes | memoryview]:
        yield self._head
        view = memoryview(self.film)
        for start in range(0, len(view), _SLICE):
            yield base64.b64encode(view[start : start + _SLICE])
        yield self._TAIL


@dataclass(frozen=True, slots=True)
class Reply:
    """`generation` is the one whose film the content is."""

    content: Content
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    generation: Generation | None = None


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(Plain(json.dumps(value).encode()), status=status, headers=headers or {})


async def send(request: web.Request, reply: Reply, fault: ProviderFault | None) -> tuple[web.StreamResponse, bool]:
    """The response, begun and ended, and whether the whole body was written. A client that went away is no error."""
    if fault is not None and fault.gzip:
        reply = await _compressed(reply)
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = response.headers.get("Content-Type", reply.content_type)
    keep = _declare_length(response, reply.content.length, fault)
    try:
        await response.prepare(request)
        for piece in _up_to(reply.content, keep):
            await response.write(piece)
        while fault is not None and fault.endless:
            await response.write(_ZEROS)
        if fault is not None and fault.drop == "mid_body":
            close(request)
        else:
            await response.write_eof()
    except ConnectionError:
        return response, False
    return response, keep == reply.content.length


def close(request: web.Request, *, at_once: bool = False) -> None:
    """Ends the connection, after what has been written or, `at_once`, throwing that away."""
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        (transport.abort if at_once else transport.close)()


def _declare_length(response: web.StreamResponse, length: int, fault: ProviderFault | None) -> int:
    """How many bytes to write."""
    if response.status == web.HTTPNoContent.status_code:
        return 0
    if fault is not None and fault.endless:
        response.enable_chunked_encoding()
        return length
    if fault is not None and fault.truncate_at is not None:
        length = int(length * fault.truncate_at)
    response.content_length = length
    return length // 2 if fault is not None and fault.drop == "mid_body" else length


def _up_to(content: Content, keep: int) -> Iterator[bytes | memoryview]:
    for piece in content.slices():
        if keep <= 0:
            return
        yield piece[:keep]
        keep -= len(piece)


async def _compressed(reply: Reply) -> Reply:
    data = await asyncio.to_thread(lambda: gzip.compress(b"".join(reply.content.slices()), 6))
    return replace(reply, content=Plain(data), headers={**reply.headers, "Content-Encoding": "gzip"})
