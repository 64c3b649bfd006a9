"""Messages of a channel, as the bot writes and reads them."""

from __future__ import annotations

from .access import own_or_managed, readable, writable
from .errors import ApiError, Problems, refuse
from .message import Json, Message
from .message_rules import CREATE, EDIT
from .messages import reply_to
from .permissions import Permission
from .routes import Call, Reply, Route
from .world import Channel

_HOUR = 3600.0
_REFERENCE = frozenset({"type", "message_id", "channel_id", "guild_id", "fail_if_not_exists"})


def _limit(call: Call, channel: Channel) -> int:
    return call.core.options.limit_for(channel.guild.premium_tier if channel.guild else 0)


def _message(call: Call, channel: Channel) -> Message:
    """Ephemeral messages are nobody's but the token's."""
    message = channel.messages.get(call.id("message"))
    if message is None or message.visible_to is not None:
        raise refuse(10008)
    return message


async def create(call: Call) -> Reply:
    channel = call.channel()
    body = call.json
    may = writable(call.core, channel)
    nonces = call.core.nonces
    if body.get("enforce_nonce") and body.get("nonce") is not None:
        earlier = await nonces.earlier(channel, body["nonce"])
        if earlier is not None:
            return _repeated(call, earlier)
    _check_rights(body, call, may)
    blank = call.core.messages.blank(channel, call.core.world.bot)
    problems = call.problems()
    _refer(blank, body.get("message_reference"), may, problems)
    # Remembered before the bytes are looked at: a repeat may arrive meanwhile.
    remembered = nonces.remember(channel, body.get("nonce"), blank)
    try:
        await call.core.messages.create(
            blank, body, call.files, shape=CREATE, problems=problems, file_limit=_limit(call, channel)
        )
    except ApiError:
        remembered.forget()
        raise
    channel.archived = False
    return Reply(200, call.core.wire.message(blank))


def _repeated(call: Call, earlier: Message) -> Reply:
    if earlier.deleted:
        raise refuse(10008)
    return Reply(200, call.core.wire.message(earlier))


def _check_rights(body: Json, call: Call, may: Permission) -> None:
    if call.body.parts and Permission.ATTACH_FILES not in may:
        raise refuse(50013)
    if body.get("embeds") and Permission.EMBED_LINKS not in may:
        raise refuse(50013)
    if body.get("tts") and Permission.SEND_TTS_MESSAGES not in may:
        raise refuse(50013)


def _refer(blank: Message, reference: Json | None, may: Permission, problems: Problems) -> None:
    if reference is None or not problems.fields(reference, _REFERENCE, ("message_reference",)):
        return
    if reference.get("type", 0) != 0:
        problems.add(("message_reference", "type"), "SANDBOX_NOT_HERE", "Only replies are known here")
        return
    if Permission.READ_MESSAGE_HISTORY not in may:
        raise refuse(160002)
    wanted = str(reference.get("message_id", ""))
    found = blank.channel.messages.get(int(wanted)) if wanted.isdigit() else None
    if found is not None and found.visible_to is None:
        shown = {"type": 0, "channel_id": str(blank.channel.id), "message_id": wanted}
        if blank.channel.guild is not None:
            shown["guild_id"] = str(blank.channel.guild.id)
        reply_to(blank, found, shown)
    elif reference.get("fail_if_not_exists", True):
        problems.add(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")


async def history(call: Call) -> Reply:
    channel = call.channel()
    may = readable(call.core, channel)
    limit = call.number("limit", 50, 1, 100)
    if Permission.READ_MESSAGE_HISTORY not in may:
        return Reply(200, [])
    visible = sorted((each for each in channel.messages.values() if each.visible_to is None), key=lambda m: m.id)
    chosen = _window(visible, call, limit)
    return Reply(200, [call.core.wire.message(each) for each in reversed(chosen)])


def _window(messages: list[Message], call: Call, limit: int) -> list[Message]:
    """Oldest first; `after` counts from its message upwards, all else from the newest down."""
    given = {key: int(call.query[key]) for key in ("before", "after", "around") if key in call.query}
    if len(given) > 1:
        raise ApiError(400, 50035, "before, after and around exclude each other")
    if "after" in given:
        return [each for each in messages if each.id > given["after"]][:limit]
    if "around" in given:
        half = limit // 2
        older = [each for each in messages if each.id < given["around"]][-half:] if half else []
        newer = [each for each in messages if each.id >= given["around"]]
        return older + newer[: limit - len(older)]
    if "before" in given:
        return [each for each in messages if each.id < given["before"]][-limit:]
    return messages[-limit:]


async def one(call: Call) -> Reply:
    channel = call.channel()
    if Permission.READ_MESSAGE_HISTORY not in readable(call.core, channel):
        raise refuse(50013)
    return Reply(200, call.core.wire.message(_message(call, channel)))


async def edit(call: Call) -> Reply:
    channel = call.channel()
    may = readable(call.core, channel)
    message = _message(call, channel)
    if message.author is not call.core.world.bot:
        raise refuse(50005)
    if call.body.parts and Permission.ATTACH_FILES not in may:
        raise refuse(50013)
    if channel.locked:
        raise refuse(50083)
    _check_age(call, message)
    await call.core.messages.edit(
        message, call.json, call.files, shape=EDIT, problems=call.problems(), file_limit=_limit(call, channel)
    )
    return Reply(200, call.core.wire.message(message))


def _check_age(call: Call, message: Message) -> None:
    """Edits of messages older than an hour have a limit of their own, which is no 429."""
    core = call.core
    if not core.options.rate_limits or core.clock.now() - message.at <= _HOUR:
        return
    limit = core.options.limits["old-message-edit"]
    if core.buckets.take("old-message-edit", str(message.channel.id), limit).retry_after is not None:
        raise refuse(30046)


async def delete(call: Call) -> Reply:
    channel = call.channel()
    may = readable(call.core, channel)
    message = _message(call, channel)
    own_or_managed(message, call.core.world.bot, may)
    call.core.messages.delete(message)
    return Reply()


_MESSAGES = "/channels/{channel}/messages"
ROUTES = [
    Route("POST", _MESSAGES, create, "message-create", form=True),
    Route("GET", _MESSAGES, history, query=frozenset({"before", "after", "around", "limit"})),
    Route("GET", _MESSAGES + "/{message}", one),
    Route("PATCH", _MESSAGES + "/{message}", edit, "message-edit", form=True),
    Route("DELETE", _MESSAGES + "/{message}", delete, "message-delete"),
]
