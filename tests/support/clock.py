"""Clocks: time passes only when a test says so, or by being slept through."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable

EPOCH = 1_800_000_000.0
_QUIET_TURNS = 15


class VirtualClock:
    """ports.Clock. `busy` are questions whether somebody works outside the event loop, such as the database's thread:
    time stands still until they have finished."""

    def __init__(self) -> None:
        self.busy: list[Callable[[], bool]] = []
        self._passed = 0.0
        self._skew = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return EPOCH + self._passed + self._skew

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waker = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), waker))
        await waker

    async def settle(self) -> None:
        """Until everybody waits for time, or for something that never comes by itself."""
        quiet = 0
        while quiet < _QUIET_TURNS:
            if any(busy() for busy in self.busy):
                quiet = 0
                await asyncio.sleep(0.0005)
            else:
                quiet += 1
                await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        await self.until(lambda: False, seconds)

    async def until(self, done: Callable[[], bool], within: float) -> bool:
        """Let time pass until `done`, at most `within` seconds. Returns whether it was."""
        target = self._passed + within
        await self.settle()
        while not done():
            self._drop_cancelled()
            if not self._sleepers or self._sleepers[0][0] > target:
                self._passed = target
                return done()
            due, _, waker = heapq.heappop(self._sleepers)
            self._passed = max(self._passed, due)
            waker.set_result(None)
            await self.settle()
        return True

    async def leap(self, seconds: float) -> None:
        """The machine slept: everybody wakes late, and at once."""
        self._passed += seconds
        await self.advance(0)

    def set_wall_clock(self, by: float) -> None:
        """Somebody sets the wall clock; deadlines do not notice."""
        self._skew += by

    def _drop_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)


class LeapingClock:
    """Time passes only by sleeping, and then at once."""

    def __init__(self) -> None:
        self.naps: list[float] = []
        self.passed = 0.0

    def now(self) -> float:
        return EPOCH + self.passed

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)


class HandClock:
    """Stands still until `advance`. `external` wraps a sleep, for who counts what is waited for."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.external: Callable[[Awaitable[None]], Awaitable[None]] | None = None
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return EPOCH + self.passed

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        waker = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.passed + seconds, waker))
        await (self.external(waker) if self.external else waker)

    @property
    def waited_for(self) -> bool:
        return any(not waker.done() for _, waker in self._sleepers)

    def advance(self, seconds: float) -> None:
        self.passed += seconds
        for due, waker in self._sleepers:
            if due <= self.passed and not waker.done():
                waker.set_result(None)
