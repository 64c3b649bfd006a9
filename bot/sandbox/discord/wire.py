"""The world's objects as Discord writes them."""

from __future__ import annotations

from .message import Json
from .permissions import Permission, in_channel
from .snowflake import iso
from .world import CHANNEL_KINDS, Channel, Guild, Member, Role, User


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
    if value.type in (CHANNEL_KINDS["voice"], CHANNEL_KINDS["stage"]):
        body |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
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
