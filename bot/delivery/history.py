"""Our own messages: where they are, and how they are found again (R7)."""

from collections.abc import Callable, Iterator

import discord

from bot.age import Age
from bot.delivery.answers import Answer, Refused
from bot.delivery.line import Line
from bot.domain.job import Job
from bot.domain.messages import Button, Verb
from bot.ports import Clock

Wanted = Callable[[discord.Message], bool]
_PAGE = 100
_UNKNOWN_MESSAGE = 10008


class History:
    def __init__(self, client: discord.Client, line: Line, clock: Clock) -> None:
        self._client, self._line, self._clock = client, line, clock

    def channel(self, job: Job) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(job.to.channel_id, guild_id=job.to.guild_id)

    async def direct(self, job: Job) -> discord.DMChannel:
        return await self._line.patiently(lambda: self._client.create_dm(discord.Object(job.to.member_id)))

    async def find(
        self, channel: discord.abc.Messageable, after: int, wanted: Wanted, before: int | None = None
    ) -> tuple[discord.Message | None, Age]:
        """Our oldest message of that kind from the id `after` on, and how old that knowledge is.

        Costs one request for every hundred messages since then. Raises Refused where we may not look.
        """
        return await self._line.patiently(lambda: self._scan(channel, after - 1, wanted, before))

    async def readable(self, channel: discord.abc.Messageable, message_id: int) -> bool:
        """Whether messages can be found again there. Costs one request. Raises Refused where there is no channel."""
        try:
            await self._line.patiently(lambda: self._prove_readable(channel, message_id))
        except Refused as refused:
            if refused.answer in (Answer.CHANNEL_GONE, Answer.GUILD_GONE):
                raise
            return False
        return True

    async def _scan(
        self, channel: discord.abc.Messageable, after: int, wanted: Wanted, before: int | None
    ) -> tuple[discord.Message | None, Age]:
        own = self._client.user
        if own is None:
            raise RuntimeError("the client has to be logged in before anything is delivered")
        end = discord.Object(before) if before is not None else None
        while True:
            # The newest page tells the least; from then on anything may have come.
            age = Age(self._clock)
            page = [each async for each in channel.history(limit=_PAGE, after=discord.Object(after), before=end)]
            if not page:
                await self._prove_readable(channel, after + 1)
            found = next((each for each in page if each.author.id == own.id and wanted(each)), None)
            if found is not None or len(page) < _PAGE:
                return found, age
            after = page[-1].id

    async def _prove_readable(self, channel: discord.abc.Messageable, message_id: int) -> None:
        """Where we may not read the history, Discord shows an empty one (resources/message#get-channel-messages)."""
        try:
            await channel.fetch_message(message_id)
        except discord.NotFound as error:
            if error.code != _UNKNOWN_MESSAGE:
                raise


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
        and _addressed(message, job)
        and _named(job) in message.content
    )


def is_acknowledgement(job: Job) -> Wanted:
    cancel = Button(Verb.CANCEL, job.id).custom_id
    return lambda message: (
        cancel in _custom_ids(message) or (_named(job) in message.content and not _addressed(message, job))
    )


def _addressed(message: discord.Message, job: Job) -> bool:
    return f"<@{job.to.member_id}>" in message.content


def _named(job: Job) -> str:
    """As our texts write it. A prompt that holds somebody's job id cannot pass for it: its backticks are replaced."""
    return f"`{job.id}`"


def _custom_ids(message: discord.Message) -> Iterator[str]:
    for row in message.components:
        if isinstance(row, discord.ActionRow):
            yield from (child.custom_id for child in row.children if child.custom_id)
