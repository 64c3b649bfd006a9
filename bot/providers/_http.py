"""The edge to a provider: every foreign failure becomes one of our errors here, with its evidence."""

import asyncio
import errno
import io
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.http import HttpProcessingError
from pydantic import ValidationError

from bot.age import check_age
from bot.domain.errors import Evidence, ProviderError, Unavailable
from bot.providers._decoders import Decoder, Malformed
from bot.providers._growing import GrowingFile
from bot.providers._kept import Answered, Kept
from bot.providers._replies import LONGEST_DETAIL, Answer, Step, failure, inert, retry_after, sentence

_FILM_CAP = 64 * 1024 * 1024
_REPLY_CAP = 64 * 1024
_ERROR_CAP = 4096
_ERROR_SECONDS = 5.0
_DECODE_STEP = 64 * 1024
_WRITE_STEP = 1024 * 1024
_JSON = {"Content-Type": "application/json"}
_PLAIN = {"Accept-Encoding": "identity", "User-Agent": "Matinee"}
_VISIBLE = re.compile(r"[!-~]+")

T = TypeVar("T")
M = TypeVar("M", bound=Answer)


@dataclass(frozen=True, slots=True)
class Wire:
    """How connections are made, and how long a phase may last, in seconds.

    `read` is the longest pause between two pieces of a body; the wait for an answer is bounded by the call's own total.
    `idle` is how long a connection kept for questions may have been unused.
    `disk` is how long a disk that takes nothing is waited for. `tls` is None for what this machine trusts.
    `session` is called with the keywords of aiohttp.ClientSession; `now` is epoch seconds.
    """

    session: Callable[..., aiohttp.ClientSession] = aiohttp.ClientSession
    resolver: AbstractResolver | None = None
    tls: ssl.SSLContext | None = None
    connect: float = 10.0
    idle: float = 15.0
    read: float = 120.0
    disk: float = 30.0
    now: Callable[[], float] = time.time


PRODUCTION = Wire()


def checked_url(text: str) -> str:
    """`text` without its last slash. Raises ValueError unless it is http or https and carries no secret or query."""
    parts = urlsplit(text)
    plain = not (parts.query or parts.fragment or parts.username or parts.password or parts.port == 0)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or not _VISIBLE.fullmatch(text):
        raise ValueError("a base URL is http(s)://host[:port][/path] in ASCII, without user, query or fragment")
    return text.rstrip("/")


class _Key:
    """A provider's token, shown nowhere."""

    def __init__(self, token: str) -> None:
        if not _VISIBLE.fullmatch(token):
            raise ValueError("a token is visible ASCII without spaces")
        self._token = token

    def __repr__(self) -> str:
        return "_Key(...)"

    def headers(self) -> dict[str, str]:
        return {**_PLAIN, "Authorization": f"Bearer {self._token}"}

    def quote(self, words: str, limit: int) -> str:
        """Inert, and without the key, which may come to light only when what is invisible is gone."""
        return inert(words, len(words)).replace(self._token, "[key]")[:limit]


def _probed(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    # A hold-open call is silent for minutes; without probes a vanished peer would look like a slow one.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


@dataclass(slots=True)
class _Exchange:
    """One call: `sent` counts how often its headers were handed to a connection, 0 proves that nothing left."""

    wire: Wire
    ends: float
    sent: int = 0

    def leaves(self) -> None:
        self.sent += 1

    async def wait(self, waited: Awaitable[T], pause: float | None = None) -> T:
        """Raises _Lost when the connection fails or the time is over: `pause` seconds, or those left of the call."""
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self.ends if pause is None else min(self.ends, now + pause)):
                return await waited
        except TimeoutError as error:
            raise _Lost(
                "connecting took too long" if isinstance(error, aiohttp.ClientError) else "it took too long"
            ) from None
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            number = getattr(error, "errno", None)
            raise _Lost(f"{type(error).__name__} {errno.errorcode.get(number or 0, '')}".strip()) from None


_Response = aiohttp.ClientResponse | Answered


class _Lost(Exception):
    """The connection failed; never leaves this module."""


async def _count(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    """Called before the first byte. Raises TooOld when its caller has slept since it claimed the job."""
    await check_age()
    context.trace_request_ctx.leaves()


class Http:
    """A provider's calls. Redirects, cookies, proxies and compression do not exist here."""

    def __init__(self, provider: str, token: str, wire: Wire) -> None:
        self._provider = provider
        self._key = _Key(token)
        self._wire = wire
        self._kept: dict[str, Kept] = {}

    def quote(self, words: str, limit: int = LONGEST_DETAIL) -> str:
        """A provider's words as they may be kept and shown: one line, nothing invisible, our key cut out."""
        return self._key.quote(words, limit)

    async def close(self) -> None:
        """Drop the connections kept for questions; the next question makes a new one."""
        for kept in self._kept.values():
            kept.close()

    @asynccontextmanager
    async def once(
        self, step: Step, method: str, url: str, total: float, body: bytes | None = None
    ) -> AsyncIterator["Reply"]:
        """A call on a connection of its own, `total` seconds long at most.

        Raises ProviderError, as does everything on the reply, unless the status is 2xx or another answer of the step.
        """
        session, exchange = self._session(), self._exchange(total)
        try:
            async with self._call(step, exchange, self._open(session, exchange, method, url, body, self._key)) as reply:
                yield reply
        finally:
            await session.close()

    def get(self, step: Step, url: str, total: float) -> AbstractAsyncContextManager["Reply"]:
        """A question that may be repeated, on a kept connection; else as `once`.

        `url` begins with what `checked_url` has returned, and has a path.
        """
        exchange, path_at = self._exchange(total), url.index("/", url.index("//") + 2)
        kept = self._kept.get(origin := url[:path_at])
        if kept is None:
            wire = self._wire
            kept = Kept(origin, self._key.headers(), wire.tls, connect=wire.connect, idle=wire.idle)
            self._kept[origin] = kept
        return self._call(step, exchange, kept.ask(url[path_at:], exchange.leaves))

    async def reach(self, url: str, total: float) -> int:
        """The status of a GET that does not carry our key, whatever it is. Raises Unavailable."""
        session, exchange = self._session(), self._exchange(total)
        try:
            response = await exchange.wait(self._open(session, exchange, "GET", url))
            response.close()
        except _Lost as lost:
            where = urlsplit(url).hostname
            raise Unavailable(self._provider, f"{where}: {lost}", evidence=Evidence.NOT_SENT) from None
        finally:
            await session.close()
        return response.status

    @asynccontextmanager
    async def _call(self, step: Step, exchange: _Exchange, opening: Awaitable[_Response]) -> AsyncIterator["Reply"]:
        try:
            response = await exchange.wait(opening)
        except _Lost as lost:
            if not exchange.sent:
                raise Unavailable(self._provider, str(lost), evidence=Evidence.NOT_SENT) from None
            raise failure(step.unanswered, self._provider, str(lost)) from None
        try:
            reply = Reply(self._provider, self._key, step, exchange, response)
            await reply.check()
            yield reply
        finally:
            # A body that was read to its end has given its connection back already.
            response.close()

    def _open(
        self,
        session: aiohttp.ClientSession,
        exchange: _Exchange,
        method: str,
        url: str,
        body: bytes | None = None,
        key: _Key | None = None,
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        # The header with the key is in no frame that an error of ours passes: some loggers print local variables.
        return session.request(
            method,
            url,
            headers=(_PLAIN if key is None else key.headers()) | ({} if body is None else _JSON),
            data=None if body is None else io.BytesIO(body),
            allow_redirects=False,
            trace_request_ctx=exchange,
        )

    def _exchange(self, total: float) -> _Exchange:
        return _Exchange(self._wire, asyncio.get_running_loop().time() + total)

    def _session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_count)
        return self._wire.session(
            connector=aiohttp.TCPConnector(
                limit=0,
                force_close=True,
                ssl=self._wire.tls or True,
                resolver=self._wire.resolver,
                socket_factory=_probed,
            ),
            trace_configs=[trace],
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._wire.connect),
        )


class Reply:
    """A provider's answer. Its body is read once, by `parse` or by `save`."""

    def __init__(self, provider: str, key: _Key, step: Step, exchange: _Exchange, response: _Response) -> None:
        self._provider, self._key, self._step = provider, key, step
        self._exchange, self._response = exchange, response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def asked_twice(self) -> bool:
        """aiohttp repeats an idempotent request on its own when a connection drops."""
        return self._exchange.sent > 1

    async def check(self) -> None:
        """Raises what any other status means, or `broken` for an encoding that we did not ask for."""
        encoded = self._response.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", "")
        if 200 <= self.status < 300 or self.status in self._step.answers:
            if encoded:
                raise self.broken("the answer is compressed")
            return
        said = "" if encoded else self._key.quote(sentence(await self._error_body()), LONGEST_DETAIL)
        kind = self._step.kind(self.status)
        wait = retry_after(self._response.headers.get("Retry-After"), self._exchange.wire.now())
        detail = f"HTTP {self.status}"
        raise failure(kind, self._provider, detail, status=self.status, retry_after=wait, said=said)

    def broken(self, why: str) -> ProviderError:
        return failure(self._step.broken, self._provider, why, status=self.status)

    async def parse(self, model: type[M]) -> M:
        body = b""
        while chunk := await self._read():
            body += chunk
            if len(body) > _REPLY_CAP:
                raise self.broken("the reply is too long")
        try:
            return model.model_validate_json(body)
        except ValidationError:
            raise self.broken("the reply is not as documented") from None

    async def save(self, into: Path, decoder: Decoder) -> None:
        """Write the decoded body to `into`, replacing it. Raises OSError when the disk refuses."""
        file = GrowingFile(into, self._exchange.wire.disk)
        await file.write()
        while chunk := await self._read():
            for piece in self._decoded(decoder, chunk):
                file.add(piece)
                if file.size > _FILM_CAP:
                    raise self.broken(f"the film is larger than {_FILM_CAP} bytes")
            await file.write(least=_WRITE_STEP)
        await file.write()
        self._finish(decoder)

    def _decoded(self, decoder: Decoder, chunk: bytes) -> Iterator[bytes]:
        try:
            for start in range(0, len(chunk), _DECODE_STEP):
                yield decoder.feed(chunk[start : start + _DECODE_STEP])
        except Malformed as error:
            raise self.broken(str(error)) from None

    def _finish(self, decoder: Decoder) -> None:
        try:
            decoder.finish()
        except Malformed as error:
            raise self.broken(str(error)) from None

    async def _read(self) -> bytes:
        content = self._response.content
        if content.is_eof() and content.exception() is None:
            # All of it is here: a short answer comes in one piece with its head.
            return content.read_nowait()
        try:
            return await self._exchange.wait(content.readany(), self._exchange.wire.read)
        except _Lost as lost:
            raise failure(self._step.cut, self._provider, f"the answer was cut: {lost}", status=self.status) from None

    async def _error_body(self) -> bytes:
        try:
            return await self._exchange.wait(self._first_bytes(), _ERROR_SECONDS)
        except _Lost:
            return b""

    async def _first_bytes(self) -> bytes:
        body = b""
        while len(body) < _ERROR_CAP and (chunk := await self._response.content.readany()):
            body += chunk
        return body[:_ERROR_CAP]
