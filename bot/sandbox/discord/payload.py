"""INTERACTION_CREATE, with every key that either library needs."""

from __future__ import annotations

from typing import Any

from bot.sandbox.clock import Clock

from . import wire
from .interaction import Interaction
from .interactions import Interactions
from .message import Attachment, Json, Message
from .message_wire import MessageWire
from .permissions import PERMS_DIRECT, in_channel
from .world import Channel, Member, Role, User, World


class Payloads:
    def __init__(self, world: World, messages: MessageWire, interactions: Interactions, clock: Clock) -> None:
        self._world = world
        self._messages = messages
        self._interactions = interactions
        self._clock = clock

    def interaction(self, value: Interaction) -> Json:
        guild = value.guild
        body: Json = {
            "id": str(value.id),
            "application_id": str(self._world.bot.id),
            "type": int(value.kind),
            "token": value.token,
            "version": 1,
            "channel_id": str(value.channel.id),
            "channel": self._channel(value),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": value.owners,
            "context": 1 if guild is None else 0,
            "attachment_size_limit": self._interactions.file_limit(value),
            "data": value.data,
        }
        if value.source is not None:
            body["message"] = self._messages.message(value.source)
        if guild is None:
            return body | {"user": wire.user(value.user), "app_permissions": str(int(PERMS_DIRECT))}
        member = guild.members[value.user.id]
        return body | {
            "guild_id": str(guild.id),
            "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "member": wire.member(member, permissions=in_channel(member, value.channel)),
            "app_permissions": str(int(wire.app_permissions(value.channel, guild.bot))),
        }

    def _channel(self, value: Interaction) -> Json:
        body = wire.channel(value.channel)
        body.pop("permission_overwrites", None)
        if value.guild is not None:
            member = value.guild.members[value.user.id]
            body["permissions"] = str(int(in_channel(member, value.channel)))
        return body


class Resolved:
    """Gathers what the ids in a payload stand for."""

    def __init__(self, messages: MessageWire, member: Member | None) -> None:
        self._messages = messages
        self._member = member
        self.body: dict[str, dict[str, Any]] = {}

    def _put(self, kind: str, key: int, value: Json) -> str:
        self.body.setdefault(kind, {})[str(key)] = value
        return str(key)

    def attachment(self, value: Attachment) -> str:
        return self._put("attachments", value.id, self._messages.attachment(value))

    def user(self, value: User, channel: Channel) -> str:
        guild = channel.guild
        if guild is not None and (member := guild.members.get(value.id)):
            permissions = in_channel(member, channel)
            self._put("members", value.id, wire.member(member, partial=True, permissions=permissions))
        return self._put("users", value.id, wire.user(value))

    def role(self, value: Role) -> str:
        return self._put("roles", value.id, wire.role(value))

    def channel(self, value: Channel) -> str:
        body = wire.channel(value)
        body.pop("permission_overwrites", None)
        if self._member is not None:
            body["permissions"] = str(int(in_channel(self._member, value)))
            body["app_permissions"] = str(int(wire.app_permissions(value, self._member.guild.bot)))
        return self._put("channels", value.id, body)

    def message(self, value: Message) -> str:
        return self._put("messages", value.id, self._messages.message(value))
