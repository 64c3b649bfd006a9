"""The short reply that tells a member of what an edit shows: an edit notifies nobody."""

import logging

import discord

from bot.age import Age
from bot.delivery.answers import Answer, Refused
from bot.delivery.history import History, anchor, is_notice
from bot.delivery.line import Line
from bot.domain.job import Cause, Job
from bot.domain.messages import Message
from bot.ports import Clock
from bot.ui import sendable

log = logging.getLogger(__name__)


class Notices:
    def __init__(self, line: Line, history: History, clock: Clock) -> None:
        self._line, self._history, self._clock = line, history, clock

    async def tell(self, job: Job, words: Message, direct: Message) -> None:
        """As `in_channel`, else `direct` to the member; give up where all are closed. Raises DeliveryRevoked."""
        if job.cause is Cause.GUILD_LEFT and await self._told_directly(job):
            return
        if await self.in_channel(job, words):
            return
        try:
            await self._to_member(job, direct)
        except Refused as refused:
            log.warning("the member could not be told", extra={"job": job.id, "why": str(refused)})

    async def in_channel(self, job: Job, words: Message) -> bool:
        """Reply to the queue message, else write to its channel; False where neither is allowed.

        Looks first whether it was told already. Raises DeliveryRevoked.
        """
        channel = self._history.channel(job)
        try:
            await self._reply_or_write(channel, job, words)
        except Refused as refused:
            if refused.answer is not Answer.MESSAGE_GONE:
                log.info("not told in the channel", extra={"job": job.id, "why": str(refused)})
                return False
        return True

    async def _reply_or_write(self, channel: discord.PartialMessageable, job: Job, words: Message) -> None:
        if job.ack_message_id is not None:
            try:
                await self._send(channel, job, words, _reply(job, job.ack_message_id))
            except Refused as refused:
                # A reply needs to read the history; Discord says so in more than one way.
                if refused.answer not in (Answer.NO_REPLY, Answer.NO_PERMISSION, Answer.INVALID):
                    raise
            else:
                return
        await self._send(channel, job, words)

    async def _told_directly(self, job: Job) -> bool:
        """Whether it was told when its guild was closed, which has let us in again."""
        try:
            found, _ = await self._history.find(await self._history.direct(job), anchor(job), is_notice(job))
        except Refused:
            return False
        return found is not None

    async def _to_member(self, job: Job, words: Message) -> None:
        await self._send(await self._history.direct(job), job, words)

    async def _send(
        self,
        channel: discord.abc.Messageable,
        job: Job,
        words: Message,
        reference: discord.MessageReference | None = None,
    ) -> None:
        async def send() -> bool:
            arguments = sendable(words)
            if reference is None:
                await channel.send(nonce=f"{job.nonce}n", **arguments)
            else:
                await channel.send(nonce=f"{job.nonce}n", reference=reference, **arguments)
            return True

        async def sent(_: Age | None) -> tuple[bool | None, Age]:
            try:
                found, age = await self._history.find(channel, anchor(job), is_notice(job))
            except Refused:
                # Better told twice than never; within its memory Discord knows the nonce.
                return None, Age(self._clock)
            return found is not None or None, age

        found, age = await sent(None)
        if found is None:
            await self._line.post(send, sent, age)


def _reply(job: Job, message_id: int) -> discord.MessageReference:
    return discord.MessageReference(
        message_id=message_id,
        channel_id=job.to.channel_id,
        guild_id=job.to.guild_id,
        fail_if_not_exists=False,
    )
