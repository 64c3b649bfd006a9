"""The discord.py client. Every touch of that library's private names is in this file, and is checked at the start."""

import hashlib
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.age import check_age
from bot.discord_time import DiscordTime
from bot.domain.errors import NotAllowed, Rule
from bot.identifies import Identifies
from bot.invalid import Invalid
from bot.ports import Clock

log = logging.getLogger(__name__)

# What discord.py lets through when Discord cannot be reached or answers nonsense.
NETWORK_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError, json.JSONDecodeError)
REFUSALS = (discord.HTTPException, discord.RateLimited, *NETWORK_TROUBLE)
# What it falls over when something else than Discord answers.
_NONSENSE = (ValueError, LookupError, TypeError, AttributeError, zlib.error)
_TOKEN_REFUSED, _INTENTS_REFUSED = 4004, 4014
_LONGEST_RATELIMIT_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 60.0
# At DEBUG these write interaction tokens.
_TALKATIVE = ("discord.client", "discord.gateway", "discord.http", "discord.state", "discord.webhook.async_")
# Without these two there is no session to go on with; what follows them may be skipped when it makes no sense.
_VITAL_EVENTS = frozenset({"READY", "RESUMED"})
_PRIVATE_NAMES: tuple[tuple[object, str], ...] = (
    (Route, "BASE"),
    (DiscordWebSocket, "DEFAULT_GATEWAY"),
    (app_commands.CommandTree, "_call"),
    (discord.AutoShardedClient, "launch_shards"),
    (discord.http.HTTPClient, "get_bot_gateway"),
)


class CannotConnect(Exception):
    """Discord refuses us for good; the message is one line for the operator, `exit_code` the process's."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UnreadableInteraction(app_commands.AppCommandError):
    """A value of a kind that the command does not declare; a payload of Discord's own has none."""


class Tree(app_commands.CommandTree["MatineeClient"]):
    async def interaction_check(self, interaction: discord.Interaction["MatineeClient"], /) -> bool:
        if interaction.guild_id is None or _installed_by_user_only(interaction):
            raise NotAllowed(Rule.GUILD_ONLY)
        return True

    async def _call(self, interaction: discord.Interaction["MatineeClient"]) -> None:
        """As the library's, but a payload that it cannot read reaches `on_error` too, so that somebody is told."""
        try:
            await super()._call(interaction)
        except app_commands.AppCommandError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            # What a command raises is wrapped by then: only the library's own reading of the payload is left.
            log.warning("an interaction could not be read", extra={"why": type(error).__name__})
            raise UnreadableInteraction(type(error).__name__) from None
        except Exception as error:
            raise app_commands.AppCommandError("the interaction was not answered") from error


def _installed_by_user_only(interaction: discord.Interaction["MatineeClient"]) -> bool:
    return interaction.is_user_integration() and not interaction.is_guild_integration()


class MatineeClient(commands.AutoShardedBot):
    """`api_url` replaces Discord's REST base for the whole process; the gateway's address comes from there.

    Without `identifies` a connection is begun as often as it takes: for tools that connect once.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_url: str | None = None,
        sync_guild_ids: Sequence[int] = (),
        guild_removed: Callable[[int], Awaitable[None]] | None = None,
        guild_joined: Callable[[int], Awaitable[None]] | None = None,
        shard_count: int | None = None,
        identifies: Identifies | None = None,
        invalid: Invalid | None = None,
        guilds_known: Callable[[Collection[int]], Awaitable[None]] | None = None,
    ) -> None:
        _prepare_library(api_url)
        self._clock, self._time, self._sync_guild_ids = clock, DiscordTime(clock), tuple(sync_guild_ids)
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents(guilds=True),
            tree_cls=Tree,
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            max_ratelimit_timeout=_LONGEST_RATELIMIT_SECONDS,
            shard_count=shard_count,
            http_trace=wire_trace(invalid or Invalid(clock), self._time),
        )
        self._guild_removed, self._guild_joined, self._guilds_known = guild_removed, guild_joined, guilds_known
        self._fixed_shards, self._identifies = shard_count is not None, identifies
        self._shield_events()

    def _shield_events(self) -> None:
        """One event that the library cannot read is logged; as it comes, it would end the whole connection."""
        parsers: dict[str, Callable[[Any], None]] = self._connection.parsers
        for name, parse in parsers.items():
            if name not in _VITAL_EVENTS:
                parsers[name] = _shielded(name, parse)

    def has_waited(self, interaction: discord.Interaction[Any]) -> float:
        """Seconds for which Discord has waited for an answer, as far as its clock is known."""
        return self._time.since(interaction.created_at.timestamp())

    @property
    def connected(self) -> bool:
        """Whether all shards hear from Discord now; the library stays "ready" for ever once it was."""
        return self.is_ready() and not any(shard.is_closed() for shard in self.shards.values())

    async def on_message(self, message: discord.Message, /) -> None:
        """The library would look for text commands here; there are none."""

    async def on_ready(self) -> None:
        """Nobody told us of guilds that we were thrown out of while we were away."""
        if self._guilds_known is not None:
            await self._guilds_known({guild.id for guild in self.guilds})

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        if self._guild_removed is not None:
            await self._guild_removed(guild.id)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        if self._guild_joined is not None:
            await self._guild_joined(guild.id)

    # The library knows by a field that may be missing whether a guild is new or was out of reach.
    on_guild_available = on_guild_join

    async def launch_shards(self) -> None:
        """As the library's; a shard that identifies anew dials the same gateway, not the one built in."""
        if not self._fixed_shards and not self.is_closed():
            self.shard_count, url, limit = await self.http.get_bot_gateway()
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
            if self._identifies is not None:
                self._identifies.heard(limit["remaining"], limit["reset_after"] / 1000)
        if self._identifies is not None:
            # A connection that does not identify soon is closed, so the wait comes before it.
            await self._identifies.room(self.shard_count or 1)
        await super().launch_shards()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if self._identifies is not None:
            await self._identifies.spend(self.shard_count or 1)
        await super().before_identify_hook(shard_id, initial=initial)

    async def log_in(self, token: str) -> None:
        """Try until Discord answers. Raises CannotConnect when it refuses the token."""
        await self._patiently(lambda: self.login(token), afterwards=self._drop_session)

    async def stay_connected(self) -> None:
        """Once logged in, until `close`. Raises CannotConnect when Discord refuses us for good."""
        await self._patiently(self.connect)

    async def _patiently(
        self, step: Callable[[], Awaitable[None]], afterwards: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        pause = 1.0
        while True:
            try:
                return await step()
            except discord.LoginFailure:
                raise CannotConnect("Discord refuses the bot's token: set a valid [discord] token", 78) from None
            except (discord.PrivilegedIntentsRequired, discord.ConnectionClosed) as error:
                raise _refusal(error) from None
            except (discord.GatewayNotFound, *REFUSALS, *_NONSENSE) as error:
                if self.is_closed():
                    # The library has given up, and cannot begin again; a new process can.
                    raise CannotConnect(f"the connection to Discord broke ({type(error).__name__})", 1) from None
                log.warning("Discord cannot be reached", extra={"why": type(error).__name__, "again_in": pause})
            if afterwards is not None:
                await afterwards()
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _drop_session(self) -> None:
        # Every login opens a session, and closing one closes its connector.
        await self.http.close()
        self.http.connector = discord.utils.MISSING

    async def sync_commands(self, remembered: str | None) -> str | None:
        """Tell Discord about the commands when they are not those behind `remembered`; the new mark, None if unchanged.

        Wants a client that is logged in. Raises REFUSALS.
        """
        mark = self._command_mark()
        if mark == remembered:
            return None
        if not self._sync_guild_ids:
            await self.tree.sync()
        for guild_id in self._sync_guild_ids:
            guild = discord.Object(guild_id)
            self.tree.copy_global_to(guild=guild)
            await self.tree.sync(guild=guild)
        return mark

    def _command_mark(self) -> str:
        definitions = sorted(
            (command.to_dict(self.tree) for command in self.tree.get_commands()), key=lambda command: command["name"]
        )
        known = json.dumps([self.application_id, sorted(self._sync_guild_ids), definitions], sort_keys=True)
        return hashlib.sha256(known.encode()).hexdigest()


def wire_trace(*listeners: Invalid | DiscordTime) -> aiohttp.TraceConfig:
    """For `discord.Client(http_trace=...)`: nothing is posted on knowledge that is too old; answers are listened to."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(check_age)
    for listener in listeners:
        trace.on_request_end.append(listener.heard)
    return trace


def check_library() -> None:
    """Raises RuntimeError when discord.py no longer has what this file relies on."""
    for owner, name in _PRIVATE_NAMES:
        if not hasattr(owner, name):
            raise RuntimeError(f"discord.py {discord.__version__} has no {name}: Matinee was written for 2.7")


def _prepare_library(api_url: str | None) -> None:
    check_library()
    _hush_library()
    if api_url is not None:
        Route.BASE = api_url.rstrip("/")


def _hush_library() -> None:
    # Two warnings at every start about packages for voice, which Matinee has no use for.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


def _shielded(name: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    def parse_or_log(data: Any) -> None:  # noqa: ANN401  # the library's own payload
        try:
            parse(data)
        except Exception:
            log.exception("an event from Discord could not be read", extra={"kind": name})

    return parse_or_log


def _refusal(error: discord.PrivilegedIntentsRequired | discord.ConnectionClosed) -> CannotConnect:
    code = error.code if isinstance(error, discord.ConnectionClosed) else _INTENTS_REFUSED
    if code == _TOKEN_REFUSED:
        return CannotConnect("Discord refuses the bot's token: set a valid [discord] token", 78)
    if code == _INTENTS_REFUSED:
        return CannotConnect("Discord refuses the intents that Matinee asks for: check the bot's settings there", 78)
    return CannotConnect(f"Discord closed the connection for good (code {code})", 1)
