"""One gateway session, which outlives its connections, and one connection."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, web

_REPLAYED = 5000


class Connection:
    """Frames leave in the order of `send`, which does not wait."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, *, compressed: bool) -> None:
        self._socket = socket
        self._transport = transport
        self._deflate = zlib.compressobj() if compressed else None
        self._queue: asyncio.Queue[tuple[str | None, int]] = asyncio.Queue()
        self.closing = False

    def send(self, op: int, data: object = None, *, seq: int | None = None, event: str | None = None) -> None:
        if not self.closing:
            self._queue.put_nowait((json.dumps({"op": op, "d": data, "s": seq, "t": event}), 0))

    def garble(self) -> None:
        self._queue.put_nowait(("<html>", 0))

    def close(self, code: int) -> None:
        if not self.closing:
            self.closing = True
            self._queue.put_nowait((None, code))

    def abort(self) -> None:
        """Drops the TCP connection without a word."""
        self.closing = True
        self._queue.put_nowait((None, 0))

    async def write(self) -> None:
        """Runs as the connection's writing task until it is closed."""
        while True:
            frame, code = await self._queue.get()
            if frame is None:
                await self._end(code)
                return
            try:
                await self._send(frame)
            except ConnectionError:
                self.closing = True
                return

    async def _send(self, frame: str) -> None:
        if self._deflate is None:
            await self._socket.send_str(frame)
            return
        packed = self._deflate.compress(frame.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        await self._socket.send_bytes(packed)

    async def _end(self, code: int) -> None:
        if code == 0 and self._transport is not None:
            self._transport.abort()
            return
        await self._socket.close(code=code or WSCloseCode.GOING_AWAY)


@dataclass(eq=False)
class Session:
    id: str
    intents: int
    shard: tuple[int, int]
    sharded: bool
    connection: Connection | None
    seq: int = 0
    lost_at: float | None = None
    valid: bool = True
    sent: deque[tuple[int, str, Any]] = field(default_factory=lambda: deque(maxlen=_REPLAYED))

    def dispatch(self, event: str, data: object) -> None:
        """Kept for a resume, and sent when somebody is there."""
        self.seq += 1
        self.sent.append((self.seq, event, data))
        if self.connection is not None:
            self.connection.send(0, data, seq=self.seq, event=event)

    def can_replay(self, seq: int) -> bool:
        oldest = self.sent[0][0] if self.sent else self.seq + 1
        return oldest - 1 <= seq <= self.seq

    def replay(self, seq: int) -> None:
        if self.connection is None:
            return
        for number, event, data in self.sent:
            if number > seq:
                self.connection.send(0, data, seq=number, event=event)

    def sees(self, guild_id: int | None) -> bool:
        """Direct messages belong to shard 0."""
        number, count = self.shard
        return (0 if guild_id is None else (guild_id >> 22) % count) == number
