"""The one public message that says "queued": sent once the job is committed, and only believed when seen (R1, R2)."""

import asyncio
import logging

import discord

from bot import texts
from bot.age import Age, TooOld
from bot.client import NETWORK_TROUBLE
from bot.domain.errors import StorageUnavailable
from bot.domain.job import Job
from bot.domain.messages import Message
from bot.jobs.service import Jobs
from bot.ports import Clock, Place
from bot.ui import sendable
from cogs._original import TRY_SECONDS, original, settled
from cogs._place import Interaction
from cogs._private import is_deferred, say

log = logging.getLogger(__name__)

_NONCE_LENGTH = 25
_POSTS_AFTER_SECONDS = (0.0, 2.0, 6.0)


async def acknowledge(interaction: Interaction, jobs: Jobs, job: Job, clock: Clock) -> None:
    try:
        await _acknowledge(interaction, jobs, job, clock)
    except Exception:
        jobs.doubt(job)
        raise


async def _acknowledge(interaction: Interaction, jobs: Jobs, job: Job, clock: Clock) -> None:
    place = await _place(jobs, job)
    message = texts.queue_message(job, place)
    if is_deferred(interaction):
        message_id = await _post(interaction, job, message, clock)
    else:
        message_id = await _respond(interaction, job, message, clock)
    if message_id is None:
        log.info("acknowledgement not confirmed", extra={"job": job.id})
        await jobs.abandon(job)
    else:
        await jobs.acknowledged(job, message_id, place)
    if is_deferred(interaction):
        await say(interaction, texts.NOT_POSTED if message_id is None else texts.accepted(job, message_id))


async def _place(jobs: Jobs, job: Job) -> Place | None:
    try:
        return await jobs.place(job)
    except StorageUnavailable:
        return None


async def _respond(interaction: Interaction, job: Job, message: Message, clock: Clock) -> int | None:
    """The message's id; None when the member saw, or may have seen, the command fail."""
    try:
        async with asyncio.timeout(TRY_SECONDS):
            answer = await interaction.response.send_message(**sendable(message))
        if answer.message_id is not None:
            return answer.message_id
    except discord.HTTPException as error:
        if settled(error):
            return None
    except NETWORK_TROUBLE:
        pass
    shown = await original(interaction, clock)
    # Another process may have answered the same interaction, for a job of its own.
    return shown.id if shown is not None and f"`{job.id}`" in shown.content else None


async def _post(interaction: Interaction, job: Job, message: Message, clock: Clock) -> int | None:
    """The same as an ordinary message, because the first answer was a private deferral."""
    channel = interaction.client.get_partial_messageable(job.to.channel_id, guild_id=job.to.guild_id)
    nonce, age = f"{job.nonce}q"[-_NONCE_LENGTH:], Age(clock)
    for pause in _POSTS_AFTER_SECONDS:
        await clock.sleep(pause)
        try:
            with age.limits():
                # Without a timeout of ours: a limit on everything that the library waits out here it would never lift.
                return (await channel.send(nonce=nonce, **sendable(message))).id
        except discord.HTTPException as error:
            if settled(error):
                return None
        except (discord.RateLimited, TooOld, *NETWORK_TROUBLE) as error:
            log.info("the queue message is tried again", extra={"job": job.id, "why": type(error).__name__})
    return None
