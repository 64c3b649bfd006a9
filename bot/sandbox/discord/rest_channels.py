"""Channels, threads, typing, reactions, guilds and their members."""

from __future__ import annotations

from . import wire
from .access import readable, writable
from .errors import ApiError, refuse
from .hub import Event
from .message import Flag, Json
from .permissions import Permission
from .routes import Call, Reply, Route
from .world import CHANNEL_KINDS, Channel, Guild, User

_THREAD_FIELDS = frozenset({"name", "auto_archive_duration", "type", "invitable", "rate_limit_per_user"})
_EDITABLE = frozenset({"name", "topic", "archived", "locked", "nsfw", "auto_archive_duration"})


async def channel(call: Call) -> Reply:
    found = call.channel()
    readable(call.core, found)
    return Reply(200, wire.channel(found))


async def edit_channel(call: Call) -> Reply:
    found = call.channel()
    may = readable(call.core, found)
    needed = Permission.MANAGE_THREADS if found.is_thread else Permission.MANAGE_CHANNELS
    if needed not in may and found.owner is not call.core.world.bot:
        raise refuse(50013)
    problems = call.problems()
    problems.fields(call.json, _EDITABLE)
    problems.check()
    for name in ("name", "topic", "archived", "locked", "nsfw"):
        if name in call.json:
            setattr(found, name, call.json[name])
    call.core.hub.publish(Event("THREAD_UPDATE" if found.is_thread else "CHANNEL_UPDATE", found.guild, found))
    return Reply(200, wire.channel(found))


async def delete_channel(call: Call) -> Reply:
    found = call.channel()
    may = readable(call.core, found)
    needed = Permission.MANAGE_THREADS if found.is_thread else Permission.MANAGE_CHANNELS
    if found.guild is not None and needed not in may:
        raise refuse(50013)
    body = wire.channel(found)
    if found.guild is not None:
        found.delete()
    return Reply(200, body)


async def typing(call: Call) -> Reply:
    writable(call.core, call.channel())
    return Reply()


async def start_thread(call: Call) -> Reply:
    parent = call.channel()
    may = readable(call.core, parent)
    if Permission.CREATE_PUBLIC_THREADS not in may:
        raise refuse(50013)
    if parent.guild is None or parent.is_thread:
        raise refuse(50008)
    thread = _thread(call, parent, parent.guild)
    return Reply(201, wire.channel(thread))


def _thread(call: Call, parent: Channel, guild: Guild) -> Channel:
    problems = call.problems()
    problems.fields(call.json, _THREAD_FIELDS)
    problems.text(call.json.get("name"), ("name",), 1, 100)
    problems.check()
    message = None
    if "message" in call.params:
        message = parent.messages.get(call.id("message"))
        if message is None:
            raise refuse(10008)
        if Flag.HAS_THREAD in message.flags:
            raise refuse(160004)
    kind = "private_thread" if call.json.get("type") == CHANNEL_KINDS["private_thread"] else "thread"
    thread_id = message.id if message is not None else None
    thread = guild.add_channel(call.json["name"], kind, parent=parent, channel_id=thread_id)
    thread.owner = call.core.world.bot
    if message is not None:
        message.flags |= Flag.HAS_THREAD
        call.core.messages.changed(message)
    return thread


async def join_thread(call: Call) -> Reply:
    found = call.channel()
    readable(call.core, found)
    if not found.is_thread:
        raise refuse(10003)
    return Reply()


async def react(call: Call) -> Reply:
    found = call.channel()
    may = readable(call.core, found)
    message = found.messages.get(call.id("message"))
    if message is None or message.visible_to is not None:
        raise refuse(10008)
    emoji = call.params["emoji"]
    users = message.reactions.get(emoji, [])
    if Permission.READ_MESSAGE_HISTORY not in may or (not users and Permission.ADD_REACTIONS not in may):
        raise refuse(50013)
    if call.core.world.bot not in users:
        message.reactions[emoji] = [*users, call.core.world.bot]
        call.core.hub.publish(_reaction(call, found, "MESSAGE_REACTION_ADD"))
    return Reply()


async def unreact(call: Call) -> Reply:
    found = call.channel()
    readable(call.core, found)
    message = found.messages.get(call.id("message"))
    if message is None:
        raise refuse(10008)
    left = [each for each in message.reactions.pop(call.params["emoji"], []) if not each.bot]
    if left:
        message.reactions[call.params["emoji"]] = left
    call.core.hub.publish(_reaction(call, found, "MESSAGE_REACTION_REMOVE"))
    return Reply()


async def reactors(call: Call) -> Reply:
    found = call.channel()
    readable(call.core, found)
    message = found.messages.get(call.id("message"))
    if message is None:
        raise refuse(10008)
    users: list[User] = message.reactions.get(call.params["emoji"], [])
    return Reply(200, [wire.user(each) for each in users][: call.number("limit", 25, 1, 100)])


def _reaction(call: Call, found: Channel, name: str) -> Event:
    text, _, number = call.params["emoji"].partition(":")
    data: Json = {
        "user_id": str(call.core.world.bot.id),
        "channel_id": str(found.id),
        "message_id": call.params["message"],
        "emoji": {"id": number or None, "name": text},
        "burst": False,
        "type": 0,
    }
    if found.guild is not None:
        data["guild_id"] = str(found.guild.id)
    return Event(name, found.guild, found, data=data)


async def guild_(call: Call) -> Reply:
    found = call.guild()
    body = wire.guild(found)
    if call.flag("with_counts"):
        body |= {"approximate_member_count": len(found.members), "approximate_presence_count": 0}
    return Reply(200, body)


async def channels(call: Call) -> Reply:
    return Reply(200, [wire.channel(each) for each in call.guild().channels if not each.is_thread])


async def roles(call: Call) -> Reply:
    return Reply(200, [wire.role(each) for each in call.guild().roles.values()])


async def members(call: Call) -> Reply:
    if not call.core.options.privileged_intents & (1 << 1):
        raise ApiError(403, 50001, "Missing Access")
    after = int(call.query.get("after", "0"))
    found = sorted((each for each in call.guild().members.values() if each.user.id > after), key=lambda m: m.user.id)
    return Reply(200, [wire.member(each) for each in found[: call.number("limit", 1, 1, 1000)]])


async def member(call: Call) -> Reply:
    found = call.guild().members.get(call.id("user"))
    if found is None:
        raise refuse(10007)
    return Reply(200, wire.member(found))


_CHANNEL = "/channels/{channel}"
_REACTION = _CHANNEL + "/messages/{message}/reactions/{emoji:text}"
ROUTES = [
    Route("GET", _CHANNEL, channel),
    Route("PATCH", _CHANNEL, edit_channel),
    Route("DELETE", _CHANNEL, delete_channel),
    Route("POST", _CHANNEL + "/typing", typing, "typing"),
    Route("POST", _CHANNEL + "/threads", start_thread),
    Route("POST", _CHANNEL + "/messages/{message}/threads", start_thread),
    Route("PUT", _CHANNEL + "/thread-members/@me", join_thread),
    Route("DELETE", _CHANNEL + "/thread-members/@me", join_thread),
    Route("PUT", _REACTION + "/@me", react, "reaction"),
    Route("DELETE", _REACTION + "/@me", unreact, "reaction"),
    Route("GET", _REACTION, reactors, query=frozenset({"limit", "after", "type"})),
    Route("GET", "/guilds/{guild}", guild_, query=frozenset({"with_counts"})),
    Route("GET", "/guilds/{guild}/channels", channels),
    Route("GET", "/guilds/{guild}/roles", roles),
    Route("GET", "/guilds/{guild}/members", members, query=frozenset({"limit", "after"})),
    Route("GET", "/guilds/{guild}/members/{user}", member),
]
