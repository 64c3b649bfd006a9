"""The two bots under measurement, each a process of its own; the sandbox runs in this one."""

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.bare_bot import API, TOKEN
from bench.figures import CannotMeasure
from bot.demo.stage import BotNotReady, Stage
from bot.sandbox.discord import SandboxDiscord, SandboxOptions
from bot.sandbox.providers import SandboxProviderOptions, SandboxProviders

ROOT = Path(__file__).parents[1]
_READY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_PROBE_EVERY = 0.02
_LAG_EVERY = 0.005
_LOG_CHARACTERS = 2000


class Measured(Stage):
    """The demo's stage without Discord's rate limits, its providers as `options` say."""

    def __init__(self, folder: Path, options: SandboxProviderOptions, limits: Mapping[str, float], log: Path) -> None:
        self.log = log
        super().__init__(folder, limits=limits, log=log.open("wb"))
        self.discord.options.rate_limits = False
        self.providers = SandboxProviders(options)

    @property
    def pid(self) -> int:
        if self.bot is None:
            raise CannotMeasure("no bot is running")
        return self.bot.pid

    def close_log(self) -> None:
        if self._log is not None:
            self._log.close()


@asynccontextmanager
async def measured(
    options: SandboxProviderOptions, limits: Mapping[str, float] | None = None
) -> AsyncIterator[Measured]:
    """Discord and providers up, the bot not yet. Raises CannotMeasure with the bot's log."""
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as folder:
        stage = Measured(Path(folder), options, limits or {}, Path(folder) / "bot.log")
        try:
            async with stage:
                yield stage
        except (BotNotReady, TimeoutError, CannotMeasure) as error:
            said = stage.log.read_text("utf-8", "replace")[-_LOG_CHARACTERS:]
            raise CannotMeasure(f"{str(error)[:_LOG_CHARACTERS]}\nthe bot's log ends with:\n{said}") from error
        finally:
            stage.close_log()


@asynccontextmanager
async def bare(prepare: Callable[[SandboxDiscord], None]) -> AsyncIterator[SandboxDiscord]:
    """The bare bot, online in a Discord of the same kind; `prepare` fills it before."""
    token = "bench-bare-token"  # noqa: S105  # of a local Discord
    async with SandboxDiscord(token, SandboxOptions(rate_limits=False)) as discord:
        prepare(discord)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.bare_bot", cwd=ROOT, start_new_session=True,
            env={**os.environ, API: discord.api_url, TOKEN: token},
        )  # fmt: skip
        try:
            await discord.until(lambda: discord.gateway.online and discord.commands.all(None), timeout=_READY_SECONDS)
            yield discord
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)


class Probe:
    """Asks the bot's health page all the time: its round trip shows how long the bot's event loop stood still."""

    def __init__(self, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.seconds: list[float] = []

    @property
    def environment(self) -> dict[str, str]:
        return {"MATINEE_WEB__PORT": str(self.port)}

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            task = asyncio.create_task(self._ask(session))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        while True:
            begun = time.perf_counter()
            async with session.get(f"http://127.0.0.1:{self.port}/healthz") as answer:
                await answer.read()
            self.seconds.append(time.perf_counter() - begun)
            await asyncio.sleep(_PROBE_EVERY)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory(pid: int, name: str = "VmRSS") -> float:
    """MiB of a process's resident memory: now (VmRSS), or at its highest since `forget_peak` (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise CannotMeasure(f"/proc tells no {name} of the bot")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


class LagProbe:
    """How late this process's own event loop wakes who sleeps, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_LAG_EVERY)
            self.seconds.append(max(0.0, time.perf_counter() - begun - _LAG_EVERY))


async def run_module(patience: float, name: str, *arguments: str) -> bytes:
    """What `python -m NAME ARGUMENTS` prints; it ends with its caller. Raises CannotMeasure with its complaint."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", name, *arguments, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(patience):
            printed, complained = await process.communicate()
    except TimeoutError:
        raise CannotMeasure(f"{name} {' '.join(arguments)} did not end") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise CannotMeasure(complained.decode("utf-8", "replace")[-_LOG_CHARACTERS:])
    return printed


async def timed(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun
