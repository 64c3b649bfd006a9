"""The root of every interaction: whatever was not answered below is answered here, privately."""

import logging

import discord
from discord import app_commands

from bot import texts
from bot.client import UnreadableInteraction
from bot.domain.errors import StorageUnavailable, UserError
from cogs._options import BadOption
from cogs._place import Interaction
from cogs._private import say

log = logging.getLogger(__name__)


async def answer_command_error(interaction: Interaction, error: app_commands.AppCommandError) -> None:
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error.__cause__ or error
    await answer_error(interaction, cause)


async def answer_error(interaction: Interaction, error: BaseException) -> None:
    words = _words(interaction, error)
    if interaction.type is not discord.InteractionType.autocomplete:
        await say(interaction, words)


def _words(interaction: Interaction, error: BaseException) -> str:
    match error:
        case UserError():
            return texts.refusal(error)
        case StorageUnavailable():
            return texts.storage(error.full)
        case BadOption():
            return error.words
        case (
            app_commands.CommandSignatureMismatch()
            | app_commands.CommandNotFound()
            | app_commands.TransformerError()
            | UnreadableInteraction()
        ):
            return texts.COMMAND_CHANGED
        case _:
            incident = f"{interaction.id:x}"[-8:]
            log.error("an interaction failed", exc_info=error, extra={"incident": incident})
            return texts.bug(incident)
