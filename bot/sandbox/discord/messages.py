"""Making, changing and removing messages, whoever asks for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.sandbox.clock import Clock

from .cdn import Cdn
from .components import completed
from .errors import Problems, refuse
from .hub import Event, Hub
from .message import Attachment, Flag, Json, Message, MessageType, Upload
from .message_rules import MessageRules, Shape, check_sizes, has_something, texts
from .permissions import Permission, in_channel
from .snowflake import Snowflakes
from .world import Channel, Role, User, World

_USER = re.compile(r"<@!?(\d{15,21})>")
_ROLE = re.compile(r"<@&(\d{15,21})>")
_EVERYONE = re.compile(r"@(?:everyone|here)\b")
_EVERYTHING: Json = {"parse": ["users", "roles", "everyone"]}
_USERS: Json = {"parse": ["users"]}


@dataclass(frozen=True)
class Mentions:
    users: list[User]
    roles: list[Role]
    everyone: bool


class Messages:
    def __init__(self, world: World, cdn: Cdn, hub: Hub, ids: Snowflakes, clock: Clock) -> None:
        self._world = world
        self._cdn = cdn
        self._hub = hub
        self._ids = ids
        self._clock = clock

    async def create(
        self,
        blank: Message,
        body: Json,
        files: dict[int, Upload],
        *,
        shape: Shape,
        problems: Problems,
        file_limit: int,
    ) -> Message:
        """Fills and posts a blank message, or refuses the body."""
        check_sizes(files, file_limit)
        MessageRules(problems, shape, body, files).check()
        if blank.channel.id not in self._world.channels:
            raise refuse(10003)
        blank.flags |= Flag(body.get("flags") or 0)
        blank.attachments = await self._stored(blank, body, files)
        self._write(blank, body)
        blank.tts = bool(body.get("tts"))
        blank.nonce = body.get("nonce")
        blank.poll = body.get("poll")
        self._mention(blank, body, created=True)
        self.post(blank)
        return blank

    def blank(self, channel: Channel, author: User) -> Message:
        return Message(self._ids.next(), channel, author, self._clock.now())

    def say(self, message: Message, content: str, replied: Message | None) -> None:
        """A member's own message; a client cannot say more than text and files."""
        message.content = content
        if replied is not None:
            reply_to(
                message, replied, {"type": 0, "channel_id": str(replied.channel.id), "message_id": str(replied.id)}
            )
        self._mention(message, {"content": content}, created=True)
        self.post(message)

    def post(self, message: Message) -> None:
        message.channel.messages[message.id] = message
        self._hub.publish(Event("MESSAGE_CREATE", message.channel.guild, message.channel, message))

    async def edit(
        self,
        message: Message,
        body: Json,
        files: dict[int, Upload],
        *,
        shape: Shape,
        problems: Problems,
        file_limit: int,
    ) -> Message:
        """The first edit of a loading message counts as its creation: it pings and is not "edited"."""
        check_sizes(files, file_limit)
        names = {str(each.id): each.filename for each in message.attachments}
        v2 = Flag.IS_COMPONENTS_V2 in message.flags
        MessageRules(problems, shape, body, files).check(kept=names, v2=v2)
        self._check_not_emptied(message, body, files)
        attachments = self._kept(message, body)
        attachments += await self._stored(message, body, files)
        if message.deleted:
            raise refuse(10008)
        message.attachments = attachments
        self._set_flags(message, body)
        self._write(message, body)
        self._mention(message, body, created=message.loading)
        if message.loading:
            message.flags &= ~Flag.LOADING
        else:
            message.edited_at = self._clock.now()
        self.changed(message)
        return message

    def changed(self, message: Message) -> None:
        self._hub.publish(Event("MESSAGE_UPDATE", message.channel.guild, message.channel, message))

    def delete(self, message: Message) -> None:
        message.deleted = True
        message.channel.messages.pop(message.id, None)
        for attachment in message.attachments:
            self._cdn.forget(attachment)
        self._hub.publish(Event("MESSAGE_DELETE", message.channel.guild, message.channel, message))

    def _check_not_emptied(self, message: Message, body: Json, files: dict[int, Upload]) -> None:
        after = {
            "content": message.content,
            "embeds": message.embeds,
            "components": message.components,
            "poll": message.poll,
        } | {key: value for key, value in body.items() if key in ("content", "embeds", "components")}
        keeps = body["attachments"] if body.get("attachments") is not None else message.attachments
        if not has_something(after, files) and not keeps:
            raise refuse(50006)

    def _write(self, message: Message, body: Json) -> None:
        if "content" in body:
            message.content = (body["content"] or "").strip()
        if "embeds" in body:
            message.embeds = body["embeds"] or []
        if "components" in body:
            message.components = completed(body["components"] or [])

    def _set_flags(self, message: Message, body: Json) -> None:
        if body.get("flags") is None:
            return
        wanted = Flag(body["flags"])
        if Flag.IS_COMPONENTS_V2 in wanted:
            message.flags |= Flag.IS_COMPONENTS_V2
        message.flags = message.flags & ~Flag.SUPPRESS_EMBEDS | wanted & Flag.SUPPRESS_EMBEDS

    async def _stored(self, message: Message, body: Json, files: dict[int, Upload]) -> list[Attachment]:
        told = {str(each["id"]): each for each in body.get("attachments") or []}
        stored = []
        for number, upload in files.items():
            about = told.get(str(number), {})
            named = Upload(about.get("filename") or upload.filename, upload.data)
            attachment = await self._cdn.store(named, str(message.channel.id), ephemeral=message.ephemeral)
            attachment.description = about.get("description")
            attachment.title = about.get("title")
            attachment.spoiler = bool(about.get("is_spoiler")) or named.filename.startswith("SPOILER_")
            stored.append(attachment)
        return stored

    def _kept(self, message: Message, body: Json) -> list[Attachment]:
        if body.get("attachments") is None:
            return message.attachments if "attachments" not in body else []
        own = {str(each.id): each for each in message.attachments}
        kept = []
        for each in body["attachments"]:
            if found := own.get(str(each["id"])):
                found.description = each.get("description", found.description)
                kept.append(found)
        return kept

    def _mention(self, message: Message, body: Json, *, created: bool) -> None:
        if not created and not {"content", "components"} & set(body):
            return
        default = _USERS if message.interaction is not None else _EVERYTHING
        found = self._resolve(message, texts(body), body.get("allowed_mentions") or default)
        message.mentions, message.mention_roles = found.users, found.roles
        message.mention_everyone = found.everyone
        replied = message.referenced.author if message.referenced else None
        ping_reply = (body.get("allowed_mentions") or {"replied_user": True}).get("replied_user", False)
        if replied is not None and ping_reply and replied not in message.mentions:
            message.mentions.append(replied)
        if created:
            message.notified = [each for each in self._pinged(message) if each is not message.author]

    def _resolve(self, message: Message, text: str, allowed: Json) -> Mentions:
        parse = allowed.get("parse") or []
        users = _named(_USER, text, allowed.get("users"), everything="users" in parse)
        roles = _named(_ROLE, text, allowed.get("roles"), everything="roles" in parse)
        guild = message.channel.guild
        author = guild.members.get(message.author.id) if guild else None
        may = in_channel(author, message.channel) if author else Permission(0)
        anyone = Permission.MENTION_EVERYONE in may
        known = [guild.roles[each] for each in roles if guild and each in guild.roles]
        return Mentions(
            [self._world.users[each] for each in users if each in self._world.users],
            [each for each in known if each.mentionable or anyone],
            everyone="everyone" in parse and anyone and bool(_EVERYONE.search(text)),
        )

    def _pinged(self, message: Message) -> list[User]:
        guild = message.channel.guild
        if message.ephemeral:
            return [each for each in message.mentions if each is message.visible_to]
        if guild is None:
            return list(message.channel.recipients)
        members = [
            each for each in guild.members.values() if Permission.VIEW_CHANNEL in in_channel(each, message.channel)
        ]
        return [
            each.user
            for each in members
            if message.mention_everyone
            or each.user in message.mentions
            or any(role in message.mention_roles for role in each.roles)
        ]


def reply_to(message: Message, referenced: Message, reference: Json) -> None:
    message.type = MessageType.REPLY
    message.referenced = referenced
    message.reference = reference


def _named(pattern: re.Pattern[str], text: str, listed: list[str | int] | None, *, everything: bool) -> list[int]:
    """Ids in the text, each once, that are allowed to ping."""
    found = list(dict.fromkeys(int(each) for each in pattern.findall(text)))
    allowed = {int(each) for each in listed or []}
    return [each for each in found if everything or each in allowed]
