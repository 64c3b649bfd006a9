"""The world's objects as Discord writes them."""

from __future__ import annotations

import copy
import zlib

from .cdn import Cdn
from .interaction import Interaction
from .message import Attachment, Json, Message, MessageType, walk
from .permissions import Permission, in_channel
from .snowflake import iso
from .world import Channel, Guild, Member, Role, User

ATTACHMENT_SCHEME = "attachment://"


def user(value: User) -> Json:
    return {
        "id": str(value.id),
        "username": value.username,
        "discriminator": "0001" if value.bot else "0",
        "global_name": value.global_name,
        "avatar": None,
        "banner": None,
        "accent_color": None,
        "avatar_decoration_data": None,
        "collectibles": None,
        "primary_guild": None,
        "clan": None,
        "public_flags": 0,
        "flags": 0,
        "bot": value.bot,
        "system": False,
    }


def member(value: Member, *, partial: bool = False, permissions: Permission | None = None) -> Json:
    """A partial one, as in resolved data, has no user, deaf or mute."""
    body: Json = {
        "roles": [str(each.id) for each in value.roles],
        "joined_at": iso(value.joined_at),
        "nick": value.nick,
        "avatar": None,
        "banner": None,
        "premium_since": None,
        "communication_disabled_until": None,
        "pending": False,
        "flags": 0,
    }
    if permissions is not None:
        body["permissions"] = str(int(permissions))
    if not partial:
        body |= {"user": user(value.user), "deaf": False, "mute": False}
    return body


def role(value: Role) -> Json:
    return {
        "id": str(value.id),
        "name": value.name,
        "description": None,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": value.position,
        "permissions": str(int(value.permissions)),
        "managed": value.managed,
        "mentionable": value.mentionable,
        "flags": 0,
    }


def channel(value: Channel) -> Json:
    last = max(value.messages, default=None)
    body: Json = {
        "id": str(value.id),
        "type": value.type,
        "last_message_id": None if last is None else str(last),
        "flags": 0,
    }
    if value.guild is None:
        return body | {"recipients": [user(each) for each in value.recipients]}
    body |= {
        "guild_id": str(value.guild.id),
        "name": value.name,
        "parent_id": str(value.parent.id) if value.parent else None,
        "rate_limit_per_user": 0,
    }
    if value.is_thread:
        return body | _thread(value)
    return body | {
        "position": value.position,
        "topic": value.topic,
        "nsfw": value.nsfw,
        "permission_overwrites": [
            {
                "id": str(target),
                "type": 0 if target in value.guild.roles else 1,
                "allow": str(int(each.allow)),
                "deny": str(int(each.deny)),
            }
            for target, each in value.overwrites.items()
        ],
    }


def _thread(value: Channel) -> Json:
    owner = value.owner or value.world.operator
    return {
        "owner_id": str(owner.id),
        "message_count": len(value.messages),
        "member_count": 1,
        "total_message_sent": len(value.messages),
        "thread_metadata": {
            "archived": value.archived,
            "locked": value.locked,
            "auto_archive_duration": 1440,
            "archive_timestamp": iso(value.world.clock.now()),
            "create_timestamp": iso(value.world.clock.now()),
        },
    }


_GUILD_CONSTANTS: Json = {
    "icon": None,
    "description": None,
    "home_header": None,
    "splash": None,
    "discovery_splash": None,
    "banner": None,
    "application_id": None,
    "region": "us-east",
    "afk_channel_id": None,
    "afk_timeout": 300,
    "system_channel_id": None,
    "system_channel_flags": 0,
    "widget_enabled": False,
    "widget_channel_id": None,
    "verification_level": 0,
    "default_message_notifications": 1,
    "mfa_level": 0,
    "explicit_content_filter": 0,
    "max_presences": None,
    "max_members": 500_000,
    "max_stage_video_channel_users": 50,
    "max_video_channel_users": 25,
    "vanity_url_code": None,
    "premium_subscription_count": 0,
    "preferred_locale": "en-US",
    "rules_channel_id": None,
    "safety_alerts_channel_id": None,
    "public_updates_channel_id": None,
    "premium_progress_bar_enabled": False,
    "premium_progress_bar_enabled_user_updated_at": None,
    "nsfw": False,
    "nsfw_level": 0,
    "hub_type": None,
    "incidents_data": None,
    "owner_configured_content_level": None,
    "latest_onboarding_question_id": None,
}


def guild(value: Guild) -> Json:
    lists: Json = {"features": [], "emojis": [], "stickers": []}
    return {
        "id": str(value.id),
        "name": value.name,
        "owner_id": str(value.owner.id),
        "premium_tier": value.premium_tier,
        "roles": [role(each) for each in value.roles.values()],
        **_GUILD_CONSTANTS,
        **lists,
    }


def guild_create(value: Guild, *, with_members: bool) -> Json:
    """Without the members intent the only member told of is the bot."""
    members = list(value.members.values()) if with_members else [m for m in (value.bot,) if m]
    joined_at = value.bot.joined_at if value.bot else 0.0
    return guild(value) | {
        "joined_at": iso(joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(value.members),
        "voice_states": [],
        "members": [member(each) for each in members],
        "channels": [channel(each) for each in value.channels if not each.is_thread],
        "threads": [channel(each) for each in value.channels if each.is_thread],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def app_permissions(value: Channel, member_: Member | None) -> Permission:
    return in_channel(member_, value) if member_ is not None else Permission(0)


class MessageWire:
    """Messages carry links, so that they need the CDN; links are signed anew each time."""

    def __init__(self, cdn: Cdn) -> None:
        self._cdn = cdn

    def attachment(self, value: Attachment) -> Json:
        body: Json = {
            "id": str(value.id),
            "filename": value.filename,
            "size": value.size,
            "url": self._cdn.url(value),
            "proxy_url": self._cdn.url(value, proxy=True),
        }
        if value.content_type:
            body["content_type"] = value.content_type
        if value.width is not None:
            body |= {"width": value.width, "height": value.height}
        if value.ephemeral:
            body["ephemeral"] = True
        optional = {"description": value.description, "title": value.title}
        body |= {key: text for key, text in optional.items() if text is not None}
        if value.spoiler:
            body |= {"is_spoiler": True, "flags": 1 << 3}
        return body

    def message(self, value: Message, *, nested: bool = False) -> Json:
        """A nested one, inside a reply, does not show what it answered itself."""
        in_embeds = {each.filename for each in value.attachments if self._shown_by_embed(value, each)}
        body: Json = {
            "id": str(value.id),
            "channel_id": str(value.channel.id),
            "author": user(value.author),
            "type": int(value.type),
            "content": value.content,
            "timestamp": iso(value.at),
            "edited_timestamp": None if value.edited_at is None else iso(value.edited_at),
            "tts": value.tts,
            "flags": int(value.flags),
            "pinned": value.pinned,
            "mention_everyone": value.mention_everyone,
            "mentions": [user(each) for each in value.mentions],
            "mention_roles": [str(each.id) for each in value.mention_roles],
            "embeds": [self._embed(value, each) for each in value.embeds],
            "attachments": [self.attachment(each) for each in value.attachments if each.filename not in in_embeds],
            "components": self._components(value),
        }
        body |= _optional(value)
        if value.reference is not None and not nested:
            body["message_reference"] = value.reference
            gone = value.referenced is None or value.referenced.deleted
            body["referenced_message"] = None if gone else self.message(value.referenced, nested=True)  # type: ignore[arg-type]
        return body

    def _shown_by_embed(self, value: Message, attachment: Attachment) -> bool:
        name = ATTACHMENT_SCHEME + attachment.filename
        return any(
            isinstance(each.get(key), dict) and each[key].get("url") == name
            for each in value.embeds
            for key in ("image", "thumbnail")
        )

    def _embed(self, value: Message, embed: Json) -> Json:
        shown = copy.deepcopy(embed)
        shown.setdefault("type", "rich")
        for key, name in (("image", "url"), ("thumbnail", "url"), ("author", "icon_url"), ("footer", "icon_url")):
            part = shown.get(key)
            if isinstance(part, dict) and (found := self._named(value, part.get(name))):
                part[name] = self._cdn.url(found)
                part["proxy_url" if name == "url" else "proxy_icon_url"] = self._cdn.url(found, proxy=True)
                if name == "url":
                    part |= {"width": found.width, "height": found.height}
        return shown

    def _components(self, value: Message) -> list[Json]:
        shown = copy.deepcopy(value.components)
        for each in walk(shown):
            media = [item["media"] for item in each.get("items", ())]
            media += [each[key] for key in ("media", "file") if isinstance(each.get(key), dict)]
            for item in media:
                self._fill_media(value, item)
            if each["type"] == 13 and (found := self._named(value, each["file"]["url"])):
                each |= {"name": found.filename, "size": found.size}
        return shown

    def _fill_media(self, value: Message, item: Json) -> None:
        found = self._named(value, item["url"])
        if found is None:
            item |= {"id": str(zlib.crc32(item["url"].encode())), "proxy_url": item["url"]}
            return
        item |= {
            "id": str(found.id),
            "url": self._cdn.url(found),
            "proxy_url": self._cdn.url(found, proxy=True),
            "width": found.width,
            "height": found.height,
            "content_type": found.content_type,
            "attachment_id": str(found.id),
        }

    def _named(self, value: Message, url: object) -> Attachment | None:
        if not isinstance(url, str):
            return None
        if not url.startswith(ATTACHMENT_SCHEME):
            return self._cdn.by_url(url)
        name = url.removeprefix(ATTACHMENT_SCHEME)
        return next((each for each in value.attachments if each.filename == name), None)


def _optional(value: Message) -> Json:
    body: Json = {}
    if value.channel.guild is not None:
        body["guild_id"] = str(value.channel.guild.id)
    if value.nonce is not None:
        body["nonce"] = value.nonce
    if value.poll is not None:
        body["poll"] = value.poll
    if value.reactions:
        body["reactions"] = [_reaction(name, users) for name, users in value.reactions.items()]
    if value.interaction is not None:
        body |= _of_interaction(value, value.interaction)
    return body


def _of_interaction(value: Message, interaction: Interaction) -> Json:
    application_id = str(value.channel.world.bot.id)
    body: Json = {"application_id": application_id, "webhook_id": application_id}
    body["interaction_metadata"] = _metadata(value, interaction)
    if value.type in (MessageType.CHAT_INPUT_COMMAND, MessageType.CONTEXT_MENU_COMMAND):
        body["interaction"] = {
            "id": str(interaction.id),
            "type": int(interaction.kind),
            "name": interaction.command,
            "user": user(interaction.user),
        }
    return body


def _metadata(value: Message, interaction: Interaction) -> Json:
    body: Json = {
        "id": str(interaction.id),
        "type": int(interaction.kind),
        "user": user(interaction.user),
        "authorizing_integration_owners": interaction.owners,
    }
    if interaction.original is not None and interaction.original is not value:
        body["original_response_message_id"] = str(interaction.original.id)
    if interaction.source is not None:
        body["interacted_message_id"] = str(interaction.source.id)
    if interaction.command:
        body |= {"name": interaction.command, "command_type": 1}
    return body


def _reaction(name: str, users: list[User]) -> Json:
    text, _, number = name.partition(":")
    return {
        "emoji": {"id": number or None, "name": text},
        "count": len(users),
        "count_details": {"normal": len(users), "burst": 0},
        "me": any(each.bot for each in users),
        "me_burst": False,
        "burst_colors": [],
    }
