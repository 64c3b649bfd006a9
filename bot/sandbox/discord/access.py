"""What the bot may do in a channel, and what it is told when it may not."""

from __future__ import annotations

from .core import Core
from .errors import refuse
from .message import Message
from .permissions import ALL, Permission, in_channel
from .world import Channel, User


def readable(core: Core, channel: Channel) -> Permission:
    """Raises 50001 where the bot is no member or sees nothing."""
    if channel.guild is None:
        return ALL
    bot = channel.guild.bot
    may = in_channel(bot, channel) if bot else Permission(0)
    if Permission.VIEW_CHANNEL not in may:
        raise refuse(50001)
    return may


def writable(core: Core, channel: Channel) -> Permission:
    """Raises 50001, 50013, 50007 (closed direct messages), 50008 or 50083 (locked thread)."""
    may = readable(core, channel)
    if not channel.takes_messages:
        raise refuse(50008)
    if channel.guild is None:
        if not all(each.direct_messages and _acquainted(core, each) for each in channel.recipients):
            raise refuse(50007)
        return may
    needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    if needed not in may:
        raise refuse(50013)
    if channel.locked and Permission.MANAGE_THREADS not in may:
        raise refuse(50083)
    return may


def _acquainted(core: Core, user: User) -> bool:
    """Somebody who shares no guild with the bot cannot be written to."""
    return user.installed or any(user.id in guild.members for guild in core.world.guilds_of_bot())


def own_or_managed(message: Message, user: User, may: Permission) -> None:
    in_guild = message.channel.guild is not None
    if message.author is not user and not (in_guild and Permission.MANAGE_MESSAGES in may):
        raise refuse(50013)
