"""Small servers that break HTTP in one way each, and remember what they were sent."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body)


class Connection:
    def __init__(self, server: "Server", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer

    async def request(self) -> Received:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers.get("Content-Length", 0)))
        received = Received(method, target, headers, body)
        self.server.received.append(received)
        return received

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        named = {"Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
        if status in (204, 304):
            body = b""
            del named["Content-Length"]
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        await self.send(f"HTTP/1.1 {status} Something\r\n{lines}\r\n".encode() + body)

    def reset(self) -> None:
        """RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_gone(self) -> None:
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Connection], Awaitable[None]]


@dataclass
class Server:
    """`connections` counts every one that was accepted, `received` holds every request that was read in full."""

    script: Script
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    origin: str = ""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def tls_origin(self) -> str:
        """Speaks no TLS, so a handshake there fails."""
        return self.origin.replace("http://", "https://")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.script(Connection(self, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    server.origin = f"http://{host}:{port}"
    try:
        yield server
    finally:
        listener.close()
        await server.end()
        await asyncio.sleep(0)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> object:
    """The origin of a port whose accept queue is full: a connection to it neither succeeds nor fails."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


# Scripts: what happens before a status line.


async def speaks_no_tls(connection: Connection) -> None:
    await connection.reader.read(1)
    await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def drops_unread(connection: Connection) -> None:
    connection.writer.close()


async def resets_unread(connection: Connection) -> None:
    connection.reset()


async def drops_after_reading(connection: Connection) -> None:
    await connection.request()


async def resets_after_reading(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def says_nothing(connection: Connection) -> None:
    await connection.request()
    await connection.until_gone()


async def says_half_a_status_line(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 20")


async def says_garbage(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def sends_a_huge_header(connection: Connection) -> None:
    await connection.request()
    await connection.answer(200, b"{}", X_Long="x" * 20_000)


async def sends_endless_headers(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.send(b"X-More: of the same\r\n" * 100)


async def answers_400_that_is_none(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")


NO_STATUS = {
    "drops unread": drops_unread,
    "resets unread": resets_unread,
    "drops after reading": drops_after_reading,
    "resets after reading": resets_after_reading,
    "says nothing": says_nothing,
    "half a status line": says_half_a_status_line,
    "garbage": says_garbage,
    "huge header": sends_a_huge_header,
    "endless headers": sends_endless_headers,
    "conflicting lengths": answers_400_that_is_none,
}

# Scripts: a good status line, then a body that cannot be had.


async def cuts_a_counted_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b'{"video"' + b"x" * 500)


async def cuts_a_chunked_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + b"{" * 30)


async def resets_in_the_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await asyncio.sleep(0.01)
    connection.reset()


async def stalls_in_the_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await connection.until_gone()


async def drips_the_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
    while True:
        await asyncio.sleep(0.02)
        await connection.send(b" ")


async def lies_about_chunks(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await asyncio.sleep(0.02)
    await connection.send(b"zz\r\nnot a chunk\r\n")


# Only the limit of the whole call ends these.
WITHOUT_END = {"says nothing", "drip"}

CUT_BODIES = {
    "counted": cuts_a_counted_body,
    "chunked": cuts_a_chunked_body,
    "reset": resets_in_the_body,
    "stall": stalls_in_the_body,
    "drip": drips_the_body,
    "bad chunks": lies_about_chunks,
}


def answering(status: int, body: bytes = b"", **headers: str) -> Script:
    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.answer(status, body, **headers)

    return script


def sending(data: bytes, *, then: bytes = b"") -> Script:
    """`data` after each request, then `then` for ever."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        while then:
            await connection.send(then)

    return script
