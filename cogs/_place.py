"""Who acts and where, from the payload of this very interaction; the cache knows only whether the bot is there too."""

from dataclasses import dataclass

import discord

from bot.client import MatineeClient
from bot.domain.errors import NotAllowed, Rule
from bot.domain.job import Destination
from bot.jobs.service import By

Interaction = discord.Interaction[MatineeClient]

_NEEDED = {"view_channel": "View Channel", "send_messages": "Send Messages", "attach_files": "Attach Files"}
_NEEDED_IN_THREADS = {
    "view_channel": "View Channel",
    "send_messages_in_threads": "Send Messages in Threads",
    "attach_files": "Attach Files",
}


@dataclass(frozen=True, slots=True)
class Here:
    """`parent_id` is the channel that a thread belongs to."""

    to: Destination
    parent_id: int | None


def here(interaction: Interaction) -> Here:
    """Where a film would go. Raises NotAllowed when it could not be posted there."""
    channel = interaction.channel
    if interaction.guild_id is None or channel is None or isinstance(channel, discord.abc.PrivateChannel):
        raise NotAllowed(Rule.GUILD_ONLY)
    # A guild may have installed the commands alone: then the token answers for 15 minutes, and nothing can be posted.
    if interaction.client.get_guild(interaction.guild_id) is None:
        raise NotAllowed(Rule.GUILD_ONLY)
    in_thread = isinstance(channel, discord.Thread)
    allowed = interaction.app_permissions
    for permission, name in (_NEEDED_IN_THREADS if in_thread else _NEEDED).items():
        if not (allowed.administrator or getattr(allowed, permission)):
            raise NotAllowed(Rule.BOT_PERMISSION, name)
    to = Destination(interaction.guild_id, channel.id, interaction.user.id, interaction.filesize_limit)
    return Here(to, channel.parent_id if isinstance(channel, discord.Thread) else None)


def by(interaction: Interaction) -> By:
    """Raises NotAllowed outside guilds."""
    if interaction.guild_id is None:
        raise NotAllowed(Rule.GUILD_ONLY)
    allowed = interaction.permissions
    moderator = allowed.manage_messages or allowed.manage_guild or allowed.administrator
    return By(interaction.guild_id, interaction.user.id, moderator)
