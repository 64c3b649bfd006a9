"""A local Discord with a guild, local providers, and `matinee run` pointed at both."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bot.sandbox.discord import PERMS_MEMBER, PERMS_MODERATOR, Guild, SandboxDiscord
from bot.sandbox.providers import SandboxProviderOptions, SandboxProviders

PAGE = Path(__file__).parents[1] / "sandbox" / "page"
_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
COMMANDS = ("video", "animate", "image", "queue", "cancel", "models", "admin")


def open_log(folder: str) -> IO[bytes]:
    return (Path(folder) / "bot.log").open("wb")


def tail(log: IO[bytes]) -> str:
    """The last lines that the bot has written."""
    return Path(log.name).read_text("utf-8", errors="replace")[-3000:]


def when_told_to_end(end: Callable[[], object]) -> None:
    """The bot is a process of its own, and would outlive us. What nohup has had ignored stays so."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, end)


class BotNotReady(Exception):
    """The bot ended, or did not come online in time."""


class Stage:
    """Everything that `matinee demo` starts. `folder` keeps the bot's configuration, database and media."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        speed: float = 20,
        limits: Mapping[str, float] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        self.folder, self._port, self._limits, self._log = folder, port, dict(limits or {}), log
        self.discord = SandboxDiscord(bot_token=secrets.token_urlsafe(24), page_directory=PAGE)
        self.providers = SandboxProviders(SandboxProviderOptions(speed=speed))
        self.bot: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.discord.start(port=self._port)
        await self.providers.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_bot()
        await self.providers.stop()
        await self.discord.stop()

    def add_guild(self, name: str) -> Guild:
        guild = self.discord.world.add_guild(name)
        for channel in ("general", "films", "pictures"):
            guild.add_channel(channel)
        for username, shown in (("alice", "Alice"), ("ben", "Ben"), ("chen", "Chen")):
            guild.add_member(self.discord.world.add_user(username, shown), permissions=PERMS_MEMBER)
        guild.add_member(self.discord.world.add_user("mara", "Mara"), permissions=PERMS_MODERATOR)
        return guild

    def configuration(self) -> str:
        """The bot's TOML file: every provider, on loopback."""
        tokens = self.providers.tokens
        limits = "\n".join(f"{name} = {value}" for name, value in self._limits.items())
        bases = "\n".join(f'"{model}" = "{url}"' for model, url in self.providers.chutes_base_urls.items())
        return f"""
[discord]
token = "{self.discord.bot_token}"
api_url = "{self.discord.api_url}"
[storage]
url = "sqlite:///{self.folder / "matinee.db"}"
[media]
directory = "{self.folder / "media"}"
[limits]
{limits}
[providers.chutes]
token = "{tokens["chutes"]}"
[providers.chutes.base_urls]
{bases}
[providers.cogvideox]
token = "{tokens["cogvideox"]}"
base_url = "{self.providers.cogvideox_base_url}"
[providers.pipelet]
token = "{tokens["pipelet"]}"
base_url = "{self.providers.pipelet_base_url}"
"""

    async def start_bot(self, extra: Mapping[str, str] | None = None) -> None:
        """Start the shipped command as its own process and wait until it is online. Raises BotNotReady."""
        file = self.folder / "matinee.toml"
        file.write_text(self.configuration(), "utf-8")
        file.chmod(0o600)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATINEE_")}
        self.bot = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", "--config", str(file),
            cwd=Path(__file__).parents[2], env={**inherited, **(extra or {})}, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        ended = asyncio.create_task(self.bot.wait())
        online = asyncio.create_task(self.discord.until(self.online, timeout=_READY_SECONDS))
        await asyncio.wait([ended, online], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            online.cancel()
            raise BotNotReady(f"the bot ended with exit code {ended.result()}")
        ended.cancel()
        await online

    def online(self) -> bool:
        """Connected, and every command known to Discord."""
        known = {command["name"] for command in self.discord.commands.all(None)}
        return self.discord.gateway.online and known >= set(COMMANDS)

    async def stop_bot(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """The exit code; None when no bot was running."""
        bot, self.bot = self.bot, None
        if bot is None or bot.returncode is not None:
            return bot.returncode if bot else None
        bot.send_signal(number)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                return await bot.wait()
        except TimeoutError:
            bot.kill()
            return await bot.wait()
