"""One private answer to one interaction: at once, or after a deferral when the work takes longer than Discord waits."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

import discord

from bot.client import NETWORK_TROUBLE
from bot.domain.messages import Message
from bot.ports import Clock
from bot.ui import sendable
from cogs._original import TRY_SECONDS, original, settled
from cogs._place import Interaction

log = logging.getLogger(__name__)

T = TypeVar("T")

# Discord waits 3 s from its own clock on; a commit and a round trip still have to fit in.
_PATIENCE_SECONDS = 1.8
# An answer on its way now comes too late: the gateway was away, or this process was.
_LATE_SECONDS = 2.5
_DEFERRED, _DEAD, _UNTIL = "deferred", "dead", "until"


async def in_time(interaction: Interaction, clock: Clock) -> bool:
    """False when the member has seen it fail already, so that nothing may be begun for it.

    What seems late is asked of Discord, by a deferral: its clock, as we know it, may have gone wrong since.
    """
    if interaction.client.has_waited(interaction) > _LATE_SECONDS:
        await defer(interaction, clock)
    return not is_dead(interaction)


async def during(interaction: Interaction, clock: Clock, work: Awaitable[T]) -> T:
    """The work's result; the interaction `is_deferred` by then when it took long, or `is_dead` when that failed."""
    until = interaction.extras.setdefault(_UNTIL, clock.monotonic() + _PATIENCE_SECONDS)
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(max(0.0, until - clock.monotonic())))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await defer(interaction, clock)
        return await task
    finally:
        timer.cancel()
        task.cancel()


def is_deferred(interaction: Interaction) -> bool:
    return _DEFERRED in interaction.extras


def is_dead(interaction: Interaction) -> bool:
    """The member has seen the interaction fail: nothing may be begun for it any more."""
    return _DEAD in interaction.extras


async def defer(interaction: Interaction, clock: Clock, *, private: bool = True) -> None:
    """What is said next is edited in; the interaction is then `is_deferred`, or `is_dead` when that failed. Once is
    enough."""
    if is_deferred(interaction):
        return
    try:
        async with asyncio.timeout(TRY_SECONDS):
            await interaction.response.defer(ephemeral=private, thinking=True)
        shown = True
    except discord.HTTPException as error:
        shown = not settled(error) and await _is_waiting(interaction, clock)
    except NETWORK_TROUBLE:
        shown = await _is_waiting(interaction, clock)
    interaction.extras[_DEFERRED if shown else _DEAD] = True


async def _is_waiting(interaction: Interaction, clock: Clock) -> bool:
    message = await original(interaction, clock)
    return message is not None and message.flags.loading


async def say(interaction: Interaction, answer: Message | str, *more: str) -> None:
    """Tell the member, and only them. That it cannot be told is logged, and changes nothing else."""
    try:
        await _say(interaction, answer if isinstance(answer, Message) else Message(answer))
        for page in more:
            await interaction.followup.send(ephemeral=True, **sendable(Message(page)))
    except (discord.HTTPException, *NETWORK_TROUBLE) as error:
        log.info("a private answer was lost", extra={"interaction": interaction.id, "why": type(error).__name__})


async def _say(interaction: Interaction, message: Message) -> None:
    if interaction.extras.pop(_DEFERRED, False):
        await interaction.edit_original_response(**sendable(message))
    elif interaction.response.is_done():
        await interaction.followup.send(ephemeral=True, **sendable(message))
    else:
        await interaction.response.send_message(ephemeral=True, **sendable(message))
