"""Our own messages, found again (R7)."""

from collections.abc import Callable, Iterator

import discord

from bot.delivery.answers import Refused
from bot.delivery.line import Line
from bot.domain.job import Job
from bot.domain.messages import Button, Verb

Wanted = Callable[[discord.Message], bool]


class History:
    def __init__(self, client: discord.Client, line: Line) -> None:
        self._client, self._line = client, line

    async def find(
        self, channel: discord.abc.Messageable, after: int, wanted: Wanted, before: int | None = None
    ) -> discord.Message | None:
        """Our oldest message of that kind from the id `after` on. None also where we may not look.

        Costs one request for every hundred messages since then.
        """
        try:
            return await self._line.patiently(lambda: self._scan(channel, after, wanted, before))
        except Refused:
            return None

    async def _scan(
        self, channel: discord.abc.Messageable, after: int, wanted: Wanted, before: int | None
    ) -> discord.Message | None:
        own = self._client.user
        if own is None:
            raise RuntimeError("the client has to be logged in before anything is delivered")
        end = discord.Object(before) if before is not None else None
        async for message in channel.history(limit=None, after=discord.Object(after - 1), before=end):
            if message.author.id == own.id and wanted(message):
                return message
        return None


def anchor(job: Job) -> int:
    """An id that no message about this job is older than; both are Discord's own, so no clock of ours is involved."""
    return job.ack_message_id or job.interaction_id


def holds_film(job: Job) -> Wanted:
    """Only a film that we posted has such a name; buttons with the job's id are on other messages too."""
    return lambda message: any(f"-{job.id}." in attachment.filename for attachment in message.attachments)


def is_notice(job: Job) -> Wanted:
    """It mentions the requester, which the queue message does not."""
    return lambda message: (
        message.id != job.ack_message_id
        and not message.attachments
        and f"<@{job.to.member_id}>" in message.content
        and _named(job) in message.content
    )


def is_acknowledgement(job: Job) -> Wanted:
    cancel = Button(Verb.CANCEL, job.id).custom_id
    return lambda message: cancel in _custom_ids(message) or _named(job) in message.content


def _named(job: Job) -> str:
    """As our texts write it. A prompt that holds somebody's job id cannot pass for it: its backticks are replaced."""
    return f"`{job.id}`"


def _custom_ids(message: discord.Message) -> Iterator[str]:
    for row in message.components:
        if isinstance(row, discord.ActionRow):
            yield from (child.custom_id for child in row.children if child.custom_id)
