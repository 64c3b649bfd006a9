"""Our messages as discord.py's arguments; the one place that decides who may be notified."""

from typing import TypedDict

import discord

from bot.domain.messages import Button, Message, Verb

_STYLES = {
    Verb.CANCEL: discord.ButtonStyle.secondary,
    Verb.RETRY: discord.ButtonStyle.primary,
    Verb.DISCARD: discord.ButtonStyle.danger,
}


class Sendable(TypedDict):
    content: str
    view: discord.ui.View
    allowed_mentions: discord.AllowedMentions


def sendable(message: Message) -> Sendable:
    """Keyword arguments for any discord.py call that sends or edits. Needs a running event loop."""
    return {
        "content": message.content,
        "view": view(message.buttons),
        "allowed_mentions": mentions(message.mention),
    }


def mentions(member_id: int | None) -> discord.AllowedMentions:
    users = [discord.Object(member_id)] if member_id is not None else False
    return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=users)


def view(buttons: tuple[Button, ...]) -> discord.ui.View:
    built = discord.ui.View(timeout=None)
    for button in buttons:
        built.add_item(discord.ui.Button(label=button.label, custom_id=button.custom_id, style=_STYLES[button.verb]))
    # Presses are answered from the database by custom_id, so the library need not remember a view for each job.
    built.stop()
    return built
