"""What a member's client offers and refuses before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import command_rules as kinds
from .cdn import Cdn
from .commands import Commands
from .message import Json, Upload
from .options import SandboxOptions
from .payload import Resolved
from .permissions import Permission, in_channel
from .world import Channel, Role, User, World

_FAMILIES = {"image": ("png", "jpg", "jpeg", "webp", "gif", "heic", "avif"), "video": ("mp4", "mov", "webm", "mkv")}
_FAMILIES["audio"] = ("mp3", "wav", "ogg", "m4a", "flac")
_MOST = 2**53


class Refused(Exception):
    """The member's client, or Discord before it tells the bot, would not let this through."""


@dataclass(frozen=True)
class Focus:
    """The option being typed when choices are asked for."""

    name: str


class Picker:
    def __init__(self, world: World, commands: Commands, cdn: Cdn, options: SandboxOptions) -> None:
        self._world = world
        self._commands = commands
        self._cdn = cdn
        self._options = options

    def visible(self, user: User, channel: Channel) -> list[Json]:
        """The commands offered there, the guild's own first."""
        guild = channel.guild
        if guild is not None and not self._may_command(user, channel):
            return []
        own = self._commands.all(guild.id) if guild and guild.bot else []
        return [each for each in [*own, *self._commands.all(None)] if self._offered(each, user, channel)]

    def find(self, user: User, channel: Channel, name: str, kind: int = kinds.CHAT_INPUT) -> Json:
        for each in self.visible(user, channel):
            if each["name"] == name and each["type"] == kind:
                return each
        raise Refused(f"{user.username} is not offered a command named {name!r} here")

    def _may_command(self, user: User, channel: Channel) -> bool:
        member = channel.guild.members.get(user.id) if channel.guild else None
        if member is None:
            return False
        may = in_channel(member, channel)
        needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        return Permission.USE_APPLICATION_COMMANDS in may and needed in may

    def _offered(self, command: Json, user: User, channel: Channel) -> bool:
        guild = channel.guild
        context = 1 if guild is None else 0
        contexts = command.get("contexts")
        if contexts is None:
            contexts = [0, 1] if command.get("dm_permission", True) else [0]
        if context not in contexts and "guild_id" not in command:
            return False
        types = command.get("integration_types") or [0]
        by_guild = 0 in types and (guild is None or guild.bot is not None)
        if not by_guild and not (1 in types and user.installed):
            return False
        if command["nsfw"] and not (user.adult and (channel.nsfw or guild is None)):
            return False
        return self._permitted(command, user, channel)

    def _permitted(self, command: Json, user: User, channel: Channel) -> bool:
        needed = command["default_member_permissions"]
        member = channel.guild.members.get(user.id) if channel.guild else None
        if member is None:
            return True
        may = in_channel(member, channel)
        if needed is None or Permission.ADMINISTRATOR in may:
            return True
        return needed != "0" and Permission(int(needed)) in may

    async def fill(
        self,
        command: Json,
        path: list[str],
        given: Mapping[str, Any],
        channel: Channel,
        resolved: Resolved,
        focus: Focus | None = None,
    ) -> list[Json]:
        """The payload's options; `path` are the sub-command's names. Raises `Refused`."""
        options = command.get("options", [])
        if path:
            branch = next((each for each in options if each["name"] == path[0] and each["type"] <= kinds.GROUP), None)
            if branch is None:
                raise Refused(f"there is no sub-command {path[0]!r}")
            inner = await self.fill(branch, path[1:], given, channel, resolved, focus)
            return [{"name": path[0], "type": branch["type"], "options": inner}]
        if any(each["type"] <= kinds.GROUP for each in options):
            raise Refused("this command is called by one of its sub-commands")
        return await self._leaves(options, given, channel, resolved, focus)

    async def _leaves(
        self, options: list[Json], given: Mapping[str, Any], channel: Channel, resolved: Resolved, focus: Focus | None
    ) -> list[Json]:
        names = {each["name"] for each in options}
        if stray := sorted(set(given) - names):
            raise Refused(f"there is no option {stray[0]!r}")
        if focus and focus.name not in {each["name"] for each in options if each.get("autocomplete")}:
            raise Refused(f"option {focus.name!r} suggests nothing")
        filled = []
        for option in options:
            name = option["name"]
            if focus and focus.name == name:
                typed = str(given.get(name, ""))
                filled.append({"name": name, "type": option["type"], "value": typed, "focused": True})
            elif given.get(name) is not None:
                if focus and option["type"] == kinds.ATTACHMENT:
                    continue
                value = await self._value(option, given[name], channel, resolved)
                filled.append({"name": name, "type": option["type"], "value": value})
            elif option.get("required") and not focus:
                raise Refused(f"option {name!r} is required")
        return filled

    async def _value(self, option: Json, value: object, channel: Channel, resolved: Resolved) -> object:
        match option["type"]:
            case kinds.STRING:
                return _string(option, value)
            case kinds.INTEGER | kinds.NUMBER:
                return _number(option, value)
            case kinds.BOOLEAN:
                if not isinstance(value, bool):
                    raise Refused(f"option {option['name']!r} is true or false")
                return value
            case kinds.ATTACHMENT:
                return await self._attachment(option, value, channel, resolved)
            case _:
                return self.mentioned(option, value, channel, resolved)

    async def _attachment(self, option: Json, value: object, channel: Channel, resolved: Resolved) -> str:
        if not isinstance(value, Upload):
            raise Refused(f"option {option['name']!r} is a file")
        limit = self._options.limit_for(channel.guild.premium_tier if channel.guild else 0)
        if len(value.data) > limit:
            raise Refused("Your files are too powerful")
        if allowed := option.get("file_types"):
            _check_ending(value.filename, allowed)
        stored = await self._cdn.store(value, str(self._world.bot.id), ephemeral=True)
        return resolved.attachment(stored)

    def mentioned(self, option: Json, value: object, channel: Channel, resolved: Resolved) -> str:
        kind = option["type"]
        found = self._look_up(value, channel)
        if isinstance(found, User) and kind in (kinds.USER, kinds.MENTIONABLE):
            return resolved.user(found, channel)
        if isinstance(found, Role) and kind in (kinds.ROLE, kinds.MENTIONABLE):
            return resolved.role(found)
        if isinstance(found, Channel) and kind == kinds.CHANNEL:
            if option.get("channel_types") and found.type not in option["channel_types"]:
                raise Refused(f"option {option['name']!r} takes another kind of channel")
            return resolved.channel(found)
        raise Refused(f"option {option['name']!r} does not take that")

    def _look_up(self, value: object, channel: Channel) -> User | Role | Channel | None:
        if isinstance(value, (User, Role, Channel)):
            return value
        if not str(value).isdigit():
            return None
        number = int(str(value))
        roles = channel.guild.roles if channel.guild else {}
        return self._world.users.get(number) or roles.get(number) or self._world.channels.get(number)


def _string(option: Json, value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"option {option['name']!r} is text")
    if choices := option.get("choices"):
        return str(_chosen(option, choices, value))
    if not max(option.get("min_length", 0), 1) <= len(value) <= option.get("max_length", 6000):
        raise Refused(f"option {option['name']!r} is too short or too long")
    return value


def _number(option: Json, value: object) -> int | float:
    whole = option["type"] == kinds.INTEGER
    if choices := option.get("choices"):
        chosen = _chosen(option, choices, value)
        return int(chosen) if whole else float(chosen)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise Refused(f"option {option['name']!r} is a number")
    low, high = option.get("min_value", -_MOST), option.get("max_value", _MOST)
    if not low <= value <= high:
        raise Refused(f"option {option['name']!r} must be from {low} to {high}")
    return int(value) if whole else float(value)


def _chosen(option: Json, choices: list[Json], value: object) -> str | int | float:
    for each in choices:
        if value in (each["value"], each["name"]):
            picked: str | int | float = each["value"]
            return picked
    raise Refused(f"option {option['name']!r} has no choice {value!r}")


def _check_ending(filename: str, allowed: list[str]) -> None:
    ending = filename.rsplit(".", 1)[-1].lower()
    endings = {e for each in allowed for e in _FAMILIES.get(each, (each.removeprefix("."),))}
    if ending not in endings:
        raise Refused(f"a file of type .{ending} cannot be chosen")
