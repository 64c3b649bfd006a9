"""Which session hears of what, and in which words (events/gateway#gateway-intents)."""

from __future__ import annotations

from . import wire
from .gateway_session import Session
from .hub import Event
from .message import Json, Message
from .message_wire import MessageWire
from .world import Channel, User

GUILDS, GUILD_MEMBERS, GUILD_MESSAGES, GUILD_REACTIONS = 1 << 0, 1 << 1, 1 << 9, 1 << 10
DIRECT_MESSAGES, DIRECT_REACTIONS, MESSAGE_CONTENT = 1 << 12, 1 << 13, 1 << 15
_CONTENT = ("content", "embeds", "attachments", "components")

Told = tuple[str, Json]


def dispatch_of(event: Event, session: Session, messages: MessageWire, bot: User) -> Told | None:
    """None when this session's shard or intents leave it out, or the event is none of a bot's business."""
    guild = event.guild
    if not session.sees(guild.id if guild else None):
        return None
    if guild is not None and bot.id not in guild.members and event.name != "GUILD_DELETE":
        return None
    if event.name.startswith("MESSAGE_REACTION"):
        needed = GUILD_REACTIONS if guild else DIRECT_REACTIONS
        return (event.name, event.data) if session.intents & needed else None
    if event.message is not None:
        return _message(event, event.message, session, messages, bot)
    if event.channel is not None:
        return _channel(event, event.channel, session)
    return _guild(event, session, bot)


def _message(event: Event, message: Message, session: Session, messages: MessageWire, bot: User) -> Told | None:
    guild = event.guild
    if message.visible_to is not None:
        return None
    if not session.intents & (GUILD_MESSAGES if guild else DIRECT_MESSAGES):
        return None
    if event.name == "MESSAGE_DELETE":
        body: Json = {"id": str(message.id), "channel_id": str(message.channel.id)}
        return event.name, body | ({"guild_id": str(guild.id)} if guild else {})
    body = messages.message(message)
    if guild is not None:
        if member := guild.members.get(message.author.id):
            body["member"] = {k: v for k, v in wire.member(member).items() if k != "user"}
        readable = session.intents & MESSAGE_CONTENT or message.author is bot or bot in message.mentions
        if not readable:
            body |= {key: "" if key == "content" else [] for key in _CONTENT}
    return event.name, body


def _channel(event: Event, channel: Channel, session: Session) -> Told | None:
    if not session.intents & GUILDS:
        return None
    body = wire.channel(channel)
    if event.name == "THREAD_CREATE":
        body["newly_created"] = True
    return event.name, body


def _guild(event: Event, session: Session, bot: User) -> Told | None:
    guild = event.guild
    if guild is None:
        return None
    members = bool(session.intents & GUILD_MEMBERS)
    if event.name in ("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"):
        user_id = event.data["user_id"]
        if not members or user_id == bot.id:
            return None
        user = wire.user(guild.world.users[user_id])
        if event.name == "GUILD_MEMBER_REMOVE":
            return event.name, {"guild_id": str(guild.id), "user": user}
        return event.name, wire.member(guild.members[user_id]) | {"guild_id": str(guild.id)}
    if not session.intents & GUILDS:
        return None
    match event.name:
        case "GUILD_CREATE":
            return event.name, wire.guild_create(guild, with_members=members)
        case "GUILD_DELETE":
            return event.name, {"id": str(guild.id)}
        case "GUILD_ROLE_CREATE":
            role = guild.roles[event.data["role_id"]]
            return event.name, {"guild_id": str(guild.id), "role": wire.role(role)}
        case _:
            return None
