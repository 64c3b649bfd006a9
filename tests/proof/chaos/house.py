"""One stage: a local Discord, local providers, and the process of the bot, as often as it takes."""

import asyncio
import contextlib
import os
import resource
import secrets
import signal
import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import psutil

from bot.demo.stage import Stage
from bot.sandbox.discord import SandboxDiscord
from bot.sandbox.providers import SandboxProviderOptions, SandboxProviders
from bot.sandbox.providers.films import FilmOrder
from tests.proof.chaos.plan import Jump
from tests.support.media import small_film

ROOT = Path(__file__).parents[3]
DRAIN = 1.5
CONCURRENCY = {"chutes": 3, "cogvideox": 1, "pipelet": 3}
LIMITS = {"jobs_per_hour": 7200, "burst": 6, "active_per_guild": 4, "active_per_member": 2,
          "queued_per_member": 20, "queued_per_guild": 60}  # fmt: skip
_SPEED = 300
# How long a job waits for a provider that is closed.
_WAIT_SECONDS = 12.0
_FULL_BYTES = 512
_OFTEN, _SELDOM = 0.02, 0.25
_ONLINE_SECONDS = 30.0
_CHILDREN_SECONDS = 10.0


def canary() -> str:
    return f"canary-{secrets.token_urlsafe(24)}"


def marked(film: bytes, order: FilmOrder) -> bytes:
    """The film with the prompt that it was ordered with, behind the last frame, where no player looks."""
    words, at = order.prompt.encode(), film.rindex(b"mdat") - 4
    (size,) = struct.unpack_from(">I", film, at)
    assert at + size == len(film), "the frames come last"
    return film[:at] + struct.pack(">I", size + len(words)) + film[at + 4 :] + words


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


class House(Stage):
    """`tokens` are canaries. `log` holds what every life of the bot has written."""

    def __init__(self, folder: Path) -> None:
        self.log_file = folder / "bot.log"
        self._stream = self.log_file.open("ab")
        super().__init__(folder, limits=LIMITS, log=self._stream)
        tokens = {"chutes": canary(), "cogvideox": canary(), "pipelet": canary()}
        self.discord = SandboxDiscord(bot_token=canary())
        self.providers = SandboxProviders(
            SandboxProviderOptions(speed=_SPEED, film_bytes=partial(marked, small_film(size=(160, 96))), tokens=tokens)
        )
        self.secrets = [self.discord.bot_token, *tokens.values()]
        self.left_running = 0
        self._children: set[psutil.Process] = set()

    def close(self) -> None:
        self._stream.close()

    async def begin(self, jump: Jump | None = None, crash_at: str | None = None) -> asyncio.subprocess.Process:
        """Start the shipped command in a process group of its own; it is not online yet."""
        file = self.folder / "matinee.toml"
        file.write_text(self.configuration(), "utf-8")
        file.chmod(0o600)
        command: Sequence[str] = ("-m", "bot")
        if jump is not None:
            command = ("-m", "tests.proof.chaos.shifted", str(jump.after), str(jump.seconds))
        self.bot = await asyncio.create_subprocess_exec(
            sys.executable, *command, "run", "--config", str(file), cwd=ROOT, stderr=self._stream,
            env=self._environment(crash_at), start_new_session=True,
        )  # fmt: skip
        self._children.clear()
        return self.bot

    def _environment(self, crash_at: str | None) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATINEE_")}
        ours = {f"MATINEE_PROVIDERS__{name.upper()}__CONCURRENCY": str(most) for name, most in CONCURRENCY.items()}
        ours["MATINEE_JOBS__DRAIN_SECONDS"] = str(DRAIN)
        ours["MATINEE_JOBS__WAIT_MINUTES"] = str(_WAIT_SECONDS / 60)
        # More starts than Discord would bear; that they are counted is tested elsewhere.
        ours["MATINEE_DISCORD__IDENTIFIES_PER_HOUR"] = "100000"
        return inherited | ours | ({"MATINEE_CRASH_AT": crash_at} if crash_at else {})

    async def online_or_ended(self) -> bool:
        """False when the process ended first, or did neither in time."""
        assert self.bot is not None
        ended = asyncio.create_task(self.bot.wait())
        online = asyncio.create_task(self.discord.until(self.online, timeout=_ONLINE_SECONDS))
        done, waiting = await asyncio.wait([ended, online], return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return online in done and online.exception() is None

    async def ended(self, seconds: float) -> bool:
        assert self.bot is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.bot.wait()
        return self.bot.returncode is not None

    def send(self, number: signal.Signals) -> None:
        if self.bot is not None and self.bot.returncode is None:
            self.bot.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """The bot and its media children."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    async def watch(self, *, hang_media: bool = False) -> None:
        """Until it is cancelled, learn who the bot's children are: they may outlive a kill by a moment, not by more.

        With `hang_media` each of them stands still from its start.
        """
        while True:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in self._bot_process().children(recursive=True):
                    self._children.add(child)
                    if hang_media:
                        child.suspend()
            await asyncio.sleep(_OFTEN if hang_media else _SELDOM)

    def _bot_process(self) -> psutil.Process:
        assert self.bot is not None
        return psutil.Process(self.bot.pid)

    def _family(self) -> list[psutil.Process]:
        """The bot and its media children, those that live."""
        with contextlib.suppress(psutil.NoSuchProcess):
            bot = self._bot_process()
            self._children |= {*bot.children(recursive=True)}
            return [each for each in (bot, *self._children) if _lives(each)]
        return [each for each in self._children if _lives(each)]

    async def buried(self) -> None:
        """Wait until nothing of a dead bot is left; what does not end by itself is counted, and ended."""
        deadline = time.monotonic() + _CHILDREN_SECONDS
        while (left := [each for each in self._children if _lives(each)]) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.left_running += len(left)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(TimeoutError):
            await self.discord.until(lambda: not self.discord.gateway.online, timeout=_CHILDREN_SECONDS)

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """No file of the bot or its children grows beyond half a kilobyte: works without privileges, unlike a mount."""
        family = self._family()
        for process in family:
            _bound(process.pid, _FULL_BYTES)
        try:
            yield
        finally:
            for process in family:
                _bound(process.pid, None)


def _bound(pid: int, size: int | None) -> None:
    """The largest file that a process may write; None: what it may write at most, for a media child bounds itself."""
    # Refused for a child that changes its own bound at this very moment.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))
