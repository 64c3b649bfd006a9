"""`python -m bench.asked`: a Pipelet that only answers how requests stand, and tells which were asked after.

As little as possible, so that the asking is what gets measured. Prints its port; ends when its standard input does.
"""

import asyncio
import json
import sys
import time

# The provider's own key never comes here, and nobody else is asked for one.
REPORT = "/report"
_WAITING = b'{"status":"IN_QUEUE","queue_position":7,"statusMessages":{}}'


class Asked:
    """Which requests were asked after, and when for the first time (this machine's monotonic seconds)."""

    def __init__(self) -> None:
        self.first: dict[bytes, float] = {}
        self.questions = 0

    def answer(self, path: bytes) -> bytes:
        if path == REPORT.encode():
            times = sorted(self.first.values())
            report = {"asked": len(times), "questions": self.questions, "last": times[-1] if times else 0.0}
            return json.dumps(report).encode()
        self.questions += 1
        self.first.setdefault(path.split(b"/")[-2], time.monotonic())
        return _WAITING


class Connection(asyncio.Protocol):
    def __init__(self, asked: Asked) -> None:
        self._asked, self._waiting = asked, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # it comes from create_server
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *questions, self._waiting = (self._waiting + data).split(b"\r\n\r\n")
        for question in questions:
            body = self._asked.answer(question.split(b" ", 2)[1])
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            if self._transport is not None:
                self._transport.write(head + body)


async def main() -> None:
    asked = Asked()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(asked), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(main())
