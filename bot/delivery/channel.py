"""Films and failures, told in their channel once and no more (R5 to R7)."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import discord

from bot import texts
from bot.age import Age
from bot.delivery.answers import CAUSES, Answer, Refused, read
from bot.delivery.board import Board
from bot.delivery.fitting import FileLimits, Fitting, below
from bot.delivery.history import History, anchor, holds_film, is_acknowledgement
from bot.delivery.line import Line
from bot.delivery.notices import Notices
from bot.domain.errors import DeliveryError, Undeliverable
from bot.domain.job import Artifact, Cause, Job, JobState, MediaKind, RemoteStatus
from bot.domain.messages import Message
from bot.invalid import Invalid
from bot.ports import Artifacts, Clock, Delivered, Give, Place
from bot.ui import sendable

log = logging.getLogger(__name__)

# An interaction's token lives 15 minutes; with it, its answer cannot come later.
_ACKNOWLEDGED_WITHIN_MS = 16 * 60 * 1000
_OUTAGE_PAUSE = 60.0
_EDIT_TRIES = 3


@dataclass(slots=True)
class _Doubt:
    """What is not known of earlier tries. `unseen`: one may be in a channel where we may not look any more."""

    doubtful: bool
    unseen: bool = False


_Way = Callable[[Job, Fitting, _Doubt], Awaitable[Delivered]]


class ChannelDelivery:
    """ports.Delivery over a client that is logged in.

    When Discord refuses the bot's token, `revoked` is called once, and from then on every call raises DeliveryRevoked
    without asking. `deliver` also raises OSError when the artifact cannot be read or no smaller one can be written.
    """

    def __init__(
        self,
        client: discord.Client,
        artifacts: Artifacts,
        clock: Clock,
        *,
        keep_days: float = 7,
        revoked: Callable[[], None] = lambda: None,
        invalid: Invalid | None = None,
    ) -> None:
        self._client, self._artifacts, self._clock, self._keep_days = client, artifacts, clock, keep_days
        self._line = Line(clock, invalid or Invalid(clock), revoked)
        self._limits = FileLimits(client, clock)
        self._history = History(client, self._line, clock)
        self._board = Board(client, self._line, clock)
        self._notices = Notices(self._line, self._history, clock)
        self._begun: set[str] = set()

    async def close(self) -> None:
        """Stop the live edits. A call under way is ended by cancelling its task; it may be repeated."""
        await self._board.close()

    async def findable(self, job: Job) -> bool:
        try:
            return await self._history.readable(self._history.channel(job), anchor(job))
        except Refused:
            return True

    async def deliver(self, job: Job, artifact: Artifact, *, recovering: bool = False) -> Delivered:
        doubtful = recovering or job.id in self._begun
        self._begun.add(job.id)
        try:
            with Fitting(self._artifacts, artifact) as fitting:
                delivered = await self._deliver(job, fitting, _Doubt(doubtful))
        except DeliveryError:
            self._begun.discard(job.id)
            raise
        self._begun.discard(job.id)
        return delivered

    async def _deliver(self, job: Job, fitting: Fitting, doubt: _Doubt) -> Delivered:
        try:
            return await self._to_channel(job, fitting, doubt)
        except Refused as refused:
            first = refused
        answer = Answer.GUILD_GONE if self._has_left(job) else first.answer
        if answer is Answer.MESSAGE_GONE:
            return Delivered(None, deleted=True)
        if answer is Answer.INVALID:
            log.error("Discord does not understand our message", extra={"job": job.id, "why": str(first)})
        for way in self._ways(answer):
            try:
                return await way(job, fitting, doubt)
            except Refused as refused:
                log.info("fall-back refused", extra={"job": job.id, "why": str(refused)})
        raise DeliveryError(CAUSES[answer], str(first)) from first

    def _ways(self, answer: Answer) -> tuple[_Way, ...]:
        match answer:
            case Answer.NO_PERMISSION | Answer.NO_REPLY:
                return self._to_acknowledgement, self._to_member
            case Answer.CHANNEL_GONE:
                return (self._to_member,)
            case _:
                return ()

    def _has_left(self, job: Job) -> bool:
        return self._client.is_ready() and self._client.get_guild(job.to.guild_id) is None

    async def _to_channel(self, job: Job, fitting: Fitting, doubt: _Doubt) -> Delivered:
        channel = self._history.channel(job)
        findable = None if doubt.doubtful else job.findable
        if await self._history.readable(channel, anchor(job)) if findable is None else findable:
            return await self._post(channel, job.to.guild_id, job, fitting, doubt)
        return await self._out_of_sight(channel, job, fitting, doubt)

    async def _out_of_sight(
        self, channel: discord.PartialMessageable, job: Job, fitting: Fitting, doubt: _Doubt
    ) -> Delivered:
        """Where nothing could be found again the film goes into the queue message, which may be edited twice.

        An earlier process may have been allowed to look, and have posted it. As long as Discord knows the nonce that is
        cleared up; later nobody can know, and who would have to look first is refused. Unless the queue message has the
        film: then nothing was posted.
        """
        age = Age(self._clock, job.made_at or 0.0) if doubt.doubtful else Age(self._clock)
        if doubt.doubtful:
            doubt.unseen = True
            if (given := await self._given_before(job)) is not None:
                return given
            if job.findable is not False and not await self._in_acknowledgement(job):
                return await self._send(channel, job.to.guild_id, job, fitting, doubt, age)
        try:
            return await self._into_acknowledgement(job, fitting)
        except Refused as refused:
            if refused.answer not in (Answer.MESSAGE_GONE, Answer.EDITED_ENOUGH):
                raise
            if doubt.doubtful and refused.answer is Answer.EDITED_ENOUGH:
                raise Refused(Answer.NO_PERMISSION) from refused
        return await self._send(channel, job.to.guild_id, job, fitting, doubt, age)

    async def _to_member(self, job: Job, fitting: Fitting, doubt: _Doubt) -> Delivered:
        direct = await self._history.direct(job)
        if not doubt.unseen:
            return await self._post(direct, None, job, fitting, doubt)
        if (given := await self._given(direct, job)) is None:
            # It may be in its channel, where its member sees it.
            raise Refused(Answer.NO_PERMISSION)
        return given

    async def _given_before(self, job: Job) -> Delivered | None:
        """The channel may have been closed when an earlier process posted the film, and be open now."""
        try:
            return await self._given(await self._history.direct(job), job)
        except Refused:
            return None

    async def _given(self, direct: discord.DMChannel, job: Job) -> Delivered | None:
        found, _ = await self._history.find(direct, anchor(job), holds_film(job))
        return None if found is None else Delivered(found.id, direct=True)

    async def _post(
        self, channel: discord.abc.Messageable, guild_id: int | None, job: Job, fitting: Fitting, doubt: _Doubt
    ) -> Delivered:
        """Post; when an earlier process may have done so, look first."""
        age = Age(self._clock)
        if doubt.doubtful:
            found, age = await self._look(channel, job, doubt, None)
            if found is not None:
                return Delivered(found, direct=guild_id is None)
            if guild_id is not None and (given := await self._given_before(job)) is not None:
                return given
        return await self._send(channel, guild_id, job, fitting, doubt, age)

    async def _send(
        self,
        channel: discord.abc.Messageable,
        guild_id: int | None,
        job: Job,
        fitting: Fitting,
        doubt: _Doubt,
        age: Age,
    ) -> Delivered:
        """Post with the job's nonce; whenever it is unknown what became of a try, look before the next."""

        async def attempt(film: Artifact) -> int:
            async def post() -> int:
                file, words = self._file(job, film), self._words(job, film, fitting)
                return (await channel.send(file=file, nonce=job.nonce, **sendable(words))).id

            return await self._line.post(post, look, age)

        look = partial(self._look, channel, job, doubt)
        limit = self._limits.of(guild_id)
        if guild_id is not None:
            limit = min(limit, job.to.file_limit)
        message_id = await fitting.deliver(limit, attempt, partial(self._limits.learn, guild_id))
        return Delivered(message_id, direct=guild_id is None)

    async def _look(
        self, channel: discord.abc.Messageable, job: Job, doubt: _Doubt, known: Age | None
    ) -> tuple[int | None, Age]:
        try:
            message, age = await self._history.find(channel, anchor(job), holds_film(job))
        except Refused as refused:
            doubt.unseen = refused.answer is not Answer.CHANNEL_GONE
            if known is None or known.over:
                raise
            # Where we may not look, the nonce has to do, for as long as Discord remembers it.
            return None, known
        doubt.unseen = False
        return message.id if message is not None else None, age

    async def _to_acknowledgement(self, job: Job, fitting: Fitting, doubt: _Doubt) -> Delivered:
        if doubt.unseen:
            # It may be in its channel, where its member sees it.
            raise Refused(Answer.NO_PERMISSION)
        return await self._into_acknowledgement(job, fitting)

    async def _into_acknowledgement(self, job: Job, fitting: Fitting) -> Delivered:
        """The film takes the place of the queue message: an edit needs no permission to write, and may be repeated."""
        message = await self._acknowledgement(job)

        async def attempt(film: Artifact) -> int:
            async def edit() -> int:
                file, words = self._file(job, film), self._words(job, film, fitting)
                return (await message.edit(attachments=[file], **sendable(words))).id

            return await self._line.patiently(edit)

        limit = min(job.to.file_limit, self._limits.of(job.to.guild_id))
        return Delivered(await fitting.deliver(limit, attempt, partial(self._limits.learn, job.to.guild_id)))

    async def _in_acknowledgement(self, job: Job) -> bool:
        """Whether the queue message holds the film: an edit of its words is answered with all of it."""
        words = sendable(texts.queue_message(job))
        try:
            message = await self._acknowledgement(job)
            return holds_film(job)(await self._line.patiently(lambda: message.edit(**words)))
        except Refused as refused:
            if refused.answer is Answer.MESSAGE_GONE:
                return False
            raise

    async def _acknowledgement(self, job: Job) -> discord.PartialMessage:
        """For edits of ours alone. Raises Refused where there is none."""
        if job.ack_message_id is None:
            raise Refused(Answer.MESSAGE_GONE)
        await self._board.leave(job)
        return self._history.channel(job).get_partial_message(job.ack_message_id)

    async def hand_over(self, job: Job, artifact: Artifact, limit: int, give: Give) -> int:
        async def attempt(film: Artifact) -> int:
            async def edit() -> int:
                try:
                    return await give(self._artifacts.path(film), _name(job, film), self._words(job, film, fitting))
                except discord.HTTPException as error:
                    # It is about the interaction's token, never about the bot's.
                    raise read(error, own_token=False) from error

            return await self._line.patiently(edit, tries=_EDIT_TRIES)

        with Fitting(self._artifacts, artifact) as fitting:
            try:
                return await fitting.deliver(limit, attempt, below)
            except Refused as refused:
                raise DeliveryError(CAUSES.get(refused.answer, Undeliverable.REFUSED), str(refused)) from refused

    def _words(self, job: Job, film: Artifact, fitting: Fitting) -> Message:
        compressed = film is not fitting.original
        return texts.result(job, film, compressed_from=fitting.original.size if compressed else None)

    def _file(self, job: Job, film: Artifact) -> discord.File:
        return discord.File(self._artifacts.path(film), filename=_name(job, film))

    async def find_acknowledgement(self, job: Job) -> int | None:
        asked = job.interaction_id
        latest = asked + (_ACKNOWLEDGED_WITHIN_MS << 22)
        try:
            message, _ = await self._history.find(self._history.channel(job), asked, is_acknowledgement(job), latest)
        except Refused:
            return None
        return message.id if message is not None else None

    async def tell(self, job: Job) -> None:
        if self._has_left(job):
            await self._board.leave(job)
            log.info("nobody to tell: the guild is gone", extra={"job": job.id})
            return
        if job.ack_message_id is None:
            # Ended before that message was known, which would say "queued" for ever.
            job = job._replace(ack_message_id=await self.find_acknowledgement(job))
        in_place = job.ack_message_id if job.ack_message_id == job.result_message_id else None
        noticed = job.state.failed or (job.state is JobState.CANCELLED and job.cause is not Cause.BY_MEMBER)
        only = not noticed and job.state is not JobState.DONE
        closed = in_place is None and not await self._end_queue_message(job, only=only)
        if noticed:
            direct = texts.notice(job, self._keep_days, direct=True)
            await self._notices.tell(job, texts.notice(job, self._keep_days), direct)
        elif in_place is not None:
            await self._notices.in_channel(job, texts.pointer(job, in_place))
        if noticed and closed:
            # In a thread that was archived nothing can be edited before something is posted.
            await self._end_queue_message(job, only=False)

    async def _end_queue_message(self, job: Job, *, only: bool) -> bool:
        """False where its channel is closed. `only`: nothing else says how it ended, so that an outage of Discord's is
        waited out."""
        while True:
            try:
                await self._board.end(job, texts.ending(job, self._keep_days))
            except Refused as refused:
                if not (only and refused.answer.passing):
                    log.info("the queue message keeps its old text", extra={"job": job.id, "why": str(refused)})
                    return refused.answer is not Answer.CHANNEL_GONE
            else:
                return True
            await self._clock.sleep(_OUTAGE_PAUSE)

    def show(self, job: Job, place: Place | None = None, progress: RemoteStatus | None = None) -> None:
        self._board.show(job, texts.queue_message(job, place, progress))


def _name(job: Job, film: Artifact) -> str:
    """By which it is found again. Discord hides what begins so until it is clicked."""
    hidden = "SPOILER_" if job.request.spoiler else ""
    return f"{hidden}{'v' if film.kind is MediaKind.FILM else 'i'}-{job.id}.{film.kind.value}"
