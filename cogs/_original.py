"""What became of our first answer to an interaction, when Discord's own answer to it leaves that open."""

import asyncio
import logging

import discord

from bot.client import NETWORK_TROUBLE
from bot.ports import Clock
from cogs._place import Interaction

log = logging.getLogger(__name__)

TRY_SECONDS = 5.0
_ALREADY_ANSWERED = 40060
# Three looks within ten seconds: the message may show up late (RELIABILITY, R2).
_LOOKS_AFTER_SECONDS = (0.0, 3.0, 6.0)


def settled(error: discord.HTTPException) -> bool:
    """True when the request certainly had no effect, now or at an earlier try of discord.py's own."""
    return error.status < 500 and error.status != 408 and error.code != _ALREADY_ANSWERED


async def original(interaction: Interaction, clock: Clock) -> discord.InteractionMessage | None:
    """The first answer as Discord shows it, None when three looks did not find any."""
    for pause in _LOOKS_AFTER_SECONDS:
        await clock.sleep(pause)
        try:
            async with asyncio.timeout(TRY_SECONDS):
                return await interaction.original_response()
        except (discord.HTTPException, *NETWORK_TROUBLE) as error:
            log.info("no first answer seen yet", extra={"interaction": interaction.id, "why": type(error).__name__})
    return None
