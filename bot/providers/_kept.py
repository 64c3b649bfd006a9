"""Connections that are kept for questions: aiohttp's protocol and parser, without its session.

A session prepares each request for redirects, cookies, proxies and traces, which do not exist here; that was three
quarters of what a question costs, and a process that starts has one for every request that waits.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler

_NEXT_ADDRESS_SECONDS = 0.25
# Answers come together, and so would the next questions; who else needs the event loop waits for so many at most.
_IN_ONE_TURN = 12


@dataclass(frozen=True, slots=True)
class Answered:
    """A status line and headers; `content` is the body as it comes. `close` when nobody reads on."""

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    close: Callable[[], None]


class Kept:
    """Connections to one origin, as many as there are questions at the same time.

    `headers` go along with every question. In seconds: `connect` bounds the making of a connection, and one that
    nobody has used for `idle` may be dead without a word.
    """

    def __init__(
        self, origin: str, headers: Mapping[str, str], tls: ssl.SSLContext | None, *, connect: float, idle: float
    ) -> None:
        parts = urlsplit(origin)
        if parts.hostname is None:
            raise ValueError("an origin names a host")
        secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if secure else 80)
        self._tls = (tls or ssl.create_default_context()) if secure else None
        self._connect_seconds, self._idle_seconds = connect, idle
        lines = {"Host": parts.netloc, "Accept": "*/*", **headers}
        self._lines = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._idle: deque[tuple[ResponseHandler, float]] = deque()
        self._places = asyncio.Semaphore(_IN_ONE_TURN)

    async def ask(self, path: str, leaves: Callable[[], None]) -> Answered:
        """`leaves` is called before the first byte is written, each time.

        A connection that its other end has dropped is replaced, once. Raises what aiohttp raises, and OSError.
        """
        await self._places.acquire()
        asyncio.get_running_loop().call_soon(self._places.release)
        connection = self._take()
        if connection is not None:
            try:
                return await self._answer(connection, path, leaves)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                pass
        return await self._answer(await self._connect(), path, leaves)

    def close(self) -> None:
        """Drop what nobody uses."""
        while self._idle:
            self._idle.pop()[0].close()

    def _take(self) -> ResponseHandler | None:
        fresh = asyncio.get_running_loop().time() - self._idle_seconds
        while self._idle and self._idle[0][1] <= fresh:
            self._idle.popleft()[0].close()
        while self._idle:
            connection, _ = self._idle.pop()
            # One that spoke without being asked cannot be trusted with the next question.
            if connection.is_connected() and not connection.should_close:
                return connection
            connection.close()
        return None

    async def _connect(self) -> ResponseHandler:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await loop.create_connection(
                    lambda: ResponseHandler(loop), self._host, self._port, ssl=self._tls,
                    happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
                )  # fmt: skip
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        return connection

    async def _answer(self, connection: ResponseHandler, path: str, leaves: Callable[[], None]) -> Answered:
        if (transport := connection.transport) is None:
            raise aiohttp.ServerDisconnectedError
        try:
            connection.set_response_params(read_until_eof=True, auto_decompress=False)
            leaves()
            transport.write(f"GET {path} HTTP/1.1\r\n{self._lines}\r\n".encode("ascii"))
            message, content = await connection.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, content = await connection.read()
        except BaseException:
            connection.close()
            raise
        return Answered(message.code, message.headers, content, lambda: self._back(connection))

    def _back(self, connection: ResponseHandler) -> None:
        if connection.should_close:
            connection.close()
        else:
            self._idle.append((connection, asyncio.get_running_loop().time()))
