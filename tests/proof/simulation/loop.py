"""An event loop whose time passes only when nobody has anything left to do, and passes in the same way each time."""

import asyncio
import contextvars
import itertools
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.clock import EPOCH

_JITTER = 0.002


class NobodyMoves(Exception):
    """Everybody waits for something that never comes: a deadlock."""


class _Instant(selectors.SelectSelector):
    """Waiting for sockets takes no time; there are none."""

    def __init__(self, passes: Callable[[float], None]) -> None:
        super().__init__()
        self._passes = passes

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NobodyMoves
        self._passes(timeout)
        return []


class _Task(asyncio.Task):  # type: ignore[type-arg]
    """Sets of tasks are walked in the order of their hashes, which must not come from addresses."""

    _numbers = itertools.count()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*arguments, **named)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    """Timers are late by up to two seeded milliseconds, as real ones are: who was due together comes in any order."""

    def __init__(self, seed: int) -> None:
        self._now = 0.0
        self._chance = random.Random(f"timers {seed}")
        super().__init__(_Instant(self._pass))
        self.set_task_factory(_numbered)

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, *arguments: Any, **named: Any) -> asyncio.TimerHandle:
        return super().call_at(when + self._chance.random() * _JITTER, *arguments, **named)


def _numbered(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **named: Any
) -> "asyncio.Task[Any]":
    task = _Task(coroutine, loop=loop, **named)
    if (mine := _process.get()) is not None:
        mine[task] = None
        task.add_done_callback(lambda done: mine.pop(done, None))
    return task


_process: contextvars.ContextVar[dict["asyncio.Task[Any]", None] | None] = contextvars.ContextVar(
    "process", default=None
)


class Tasks:
    """The tasks of one process, and of nobody else: whatever they start is theirs too."""

    def __init__(self) -> None:
        self._alive: dict[asyncio.Task[Any], None] = {}
        self._context = contextvars.copy_context()
        self._context.run(_process.set, self._alive)

    def call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run a callback there, as an event that the process has received."""
        return self._context.run(work, *arguments)

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return self._context.run(asyncio.get_running_loop().create_task, work)

    async def end(self) -> None:
        """All of them, at once. What they do about it reaches nobody, so they are cut until they are gone."""
        while self._alive:
            for task in list(self._alive):
                task.cancel()
            await asyncio.sleep(0.001)


def outside(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task that belongs to the world, whoever starts it: it goes on when a process dies."""
    context = contextvars.copy_context()
    context.run(_process.set, None)
    return context.run(asyncio.get_running_loop().create_task, work)


class SimClock:
    """ports.Clock. While the machine is suspended its timers stand still; every clock goes on."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._slept = self._skew = self._booted = 0.0
        self.busy: list[Callable[[], bool]] = []

    def now(self) -> float:
        return EPOCH + self.world() + self._skew

    def world(self) -> float:
        """Seconds since the beginning, for everybody but the machine."""
        return self._loop.time() + self._slept

    def monotonic(self) -> float:
        return self.world() - self._booted

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def settle(self) -> None:
        await asyncio.sleep(0.01)

    def leap(self, seconds: float) -> None:
        """The machine is suspended for so long."""
        self._slept += seconds

    def set_wall_clock(self, by: float) -> None:
        self._skew += by

    def boot(self) -> None:
        """The power came back: the monotonic clock begins again."""
        self._booted = self.world()
