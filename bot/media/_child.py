"""Child processes that do one order each: limits, a deadline, one line of JSON each way, and nobody left behind."""

import asyncio
import errno
import json
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.media import _worker

log = logging.getLogger(__name__)

AtWork = Callable[[], AbstractContextManager[None]]

# -I and -S: no environment, no user or site start-up files; the parent's own import path is handed over instead,
# so that the child finds the package wherever the parent did (installed, editable, or run from its folder).
_BOOT = "import sys; sys.path[:] = sys.argv[4:]; from bot.media._worker import main; main(*sys.argv[1:4])"
# LD_LIBRARY_PATH: some Python builds do not start without it. One arena: threads would each reserve address space.
_PASSED_ON = ("LD_LIBRARY_PATH",)
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
_LINE_BYTES = 65536
# To import what it needs, on a machine that is busy with everything else.
_START_SECONDS = 60.0
_COSTLY_SIGNALS = (-signal.SIGKILL, -signal.SIGXCPU)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of address space, CPU seconds (over all threads), wall seconds, bytes per written file, open files."""

    memory: int
    cpu: int
    wall: float
    written: int
    files: int = 64
    nice: int = 0


class ChildFailed(Exception):
    """The child gave no answer. `costly`: it ran out of time or memory, rather than falling over its input."""

    def __init__(self, how: str, *, costly: bool) -> None:
        super().__init__(how)
        self.costly = costly


class TooSlow(ChildFailed):
    """It was ended at its deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it took more than {seconds:g} s", costly=True)


def _import_path() -> list[str]:
    return [str(Path(entry).absolute()) for entry in sys.path]


class Closing(OSError):
    """The order was cut short because the bot is closing: nothing is known about its input."""

    def __init__(self) -> None:
        super().__init__(errno.ECANCELED, "closing")


class _Child:
    def __init__(
        self, process: asyncio.subprocess.Process, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader
    ) -> None:
        self._process, self._stdin, self._stdout = process, stdin, stdout
        self._ready = False

    @classmethod
    async def spawn(cls, module: str, limits: Limits) -> "_Child":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _BOOT),
            *(module, json.dumps(asdict(limits)), str(os.getpid()), *_import_path()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env=_ENVIRONMENT | {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            limit=_LINE_BYTES,
            # Ctrl-C at a terminal is for the bot to answer, not for its children.
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        return cls(process, process.stdin, process.stdout)

    @property
    def alive(self) -> bool:
        # The event loop hears of an end a moment later than the system.
        try:
            os.kill(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return self._process.returncode is None

    async def ready(self) -> None:
        if not self._ready and await self._line() + b"\n" != _worker.READY:
            raise ChildFailed("it did not start", costly=False)
        self._ready = True

    async def answer(self, order: bytes) -> dict[str, object]:
        self._stdin.write(order)
        try:
            answer = json.loads(await self._line())
        except (ValueError, RecursionError) as error:
            raise ChildFailed("its answer is not JSON", costly=False) from error
        if not isinstance(answer, dict):
            raise ChildFailed("its answer is no object", costly=False)
        if answer == json.loads(_worker.OUT_OF_MEMORY):
            raise ChildFailed("it ran out of memory", costly=True)
        return answer

    async def _line(self) -> bytes:
        try:
            line = await self._stdout.readline()
        except ValueError as error:
            raise ChildFailed("its answer is too long", costly=False) from error
        if not line.endswith(b"\n"):
            code = await self._process.wait()
            raise ChildFailed(f"it ended with {code}", costly=code in _COSTLY_SIGNALS)
        return line[:-1]

    def kill(self) -> None:
        if self.alive:
            self._process.kill()

    async def gone(self) -> None:
        await self._process.wait()

    async def end(self) -> None:
        self.kill()
        await self._process.communicate()


class Children:
    """At most `at_once` children at work; `spares` more wait with `module` imported, and are replaced when used.

    `module` has `work(order) -> answer`, both JSON objects. An order costs a process; with a spare, no start-up time.
    """

    def __init__(self, module: str, limits: Limits, *, at_once: int, spares: int = 0) -> None:
        self._module, self._limits, self._wanted = module, limits, spares
        self._turns = asyncio.Semaphore(at_once)
        self._spares: deque[_Child] = deque()
        self._busy: set[_Child] = set()
        self._refills: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    async def start(self) -> None:
        """Raises ChildFailed when a child cannot import what it needs, OSError when none can be started."""
        first = await self._take()
        self._busy.discard(first)
        self._spares.append(first)
        await asyncio.gather(*(self._add_spare() for _ in range(self._wanted - 1)))

    async def close(self) -> None:
        """End every child; orders under way raise Closing."""
        self._closed.set()
        for refill in self._refills:
            refill.cancel()
        await asyncio.gather(*self._refills, return_exceptions=True)
        for child in self._busy:
            child.kill()
        await asyncio.gather(*(child.gone() for child in self._busy), *(child.end() for child in self._spares))
        self._spares.clear()

    async def ask(self, order: Mapping[str, object], at_work: AtWork = nullcontext) -> dict[str, object]:
        """Waits for its turn; `at_work` is held while a child has the order.

        Raises ChildFailed, Closing, or OSError when no process can be started.
        """
        line = json.dumps(order).encode() + b"\n"
        async with self._turns:
            child = await self._take()
            try:
                async with asyncio.timeout(self._limits.wall):
                    with at_work():
                        answer = await child.answer(line)
                    # It ends by itself; killing it now would race with its exit for who reaps it.
                    await child.gone()
                    return answer
            except ChildFailed as error:
                if self._closed.is_set():
                    raise Closing from error
                raise
            except TimeoutError as error:
                raise TooSlow(self._limits.wall) from error
            finally:
                await child.end()
                self._busy.discard(child)
                self._refill()

    async def _take(self) -> _Child:
        """One that is ready, and counts as busy. A spare may have died since."""
        while self._spares:
            if await self._starts(child := self._spares.popleft()):
                return child
        if await self._starts(child := await _Child.spawn(self._module, self._limits)):
            return child
        raise ChildFailed("it does not get ready", costly=False)

    async def _starts(self, child: _Child) -> bool:
        self._busy.add(child)
        started = False
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child.ready()
            started = child.alive and not self._closed.is_set()
        except (ChildFailed, TimeoutError):
            pass
        finally:
            if not started:
                self._busy.discard(child)
                await child.end()
        if self._closed.is_set():
            raise Closing
        return started

    def _refill(self) -> None:
        missing = 0 if self._closed.is_set() else self._wanted - len(self._spares) - len(self._refills)
        for _ in range(missing):
            refill = asyncio.create_task(self._add_spare())
            self._refills.add(refill)
            refill.add_done_callback(self._refills.discard)

    async def _add_spare(self) -> None:
        try:
            self._spares.append(await _Child.spawn(self._module, self._limits))
        except OSError as error:
            log.warning("no spare media child", extra={"error": error.strerror})
