"""What members and moderators can do with jobs. Validate, commit, and only then say so."""

import contextlib
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from bot.domain.errors import (
    BadPicture,
    Evidence,
    InvalidRequest,
    NotAllowed,
    PictureProblem,
    PromptLength,
    RateLimited,
    Rule,
    Scope,
    Stale,
    StorageUnavailable,
)
from bot.domain.generation import Asked, Frame, GenerationRequest, ModelSpec, candidates, plan
from bot.domain.job import Act, Cause, Destination, Job, JobState
from bot.jobs.catalog import Catalog
from bot.jobs.inputs import fitted, forget
from bot.jobs.live import LiveJobs
from bot.jobs.places import Places
from bot.jobs.policy import Policies
from bot.ports import Clock, JobStore, Offer, Picture, Pictures, Place

# A time that is named has to lie ahead when it is read.
_SOONEST = 5.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that Discord holds for us: from the interaction's resolved attachments only."""

    option: str
    url: str
    size: int


class Uploads(Protocol):
    async def fetch(self, upload: Upload) -> Path:
        """The bytes in a file that the caller removes. Raises BadPicture."""
        ...


class Identity(Protocol):
    """Fresh names; the only source of randomness."""

    def job_id(self) -> str: ...
    def nonce(self) -> str: ...
    def seed(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Draft:
    """A request that would be accepted: checked against model, policy and pictures, not yet stored."""

    request: GenerationRequest
    provider: str
    to: Destination


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, with the permissions that Discord reported with this very interaction."""

    guild_id: int
    member_id: int
    moderator: bool


class Jobs:
    def __init__(
        self,
        *,
        catalog: Catalog,
        store: JobStore,
        policies: Policies,
        places: Places,
        live: LiveJobs,
        pictures: Pictures,
        uploads: Uploads,
        identity: Identity,
        clock: Clock,
        cancel_running: Callable[[Job, Cause, Act | None], Awaitable[Job]],
        resume: Callable[[Job], None],
        wake: Callable[[], None],
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        """`room`: whether the disk has room for more than what is under way already."""
        self._catalog, self._store, self._policies, self._places = catalog, store, policies, places
        self._live, self._pictures, self._uploads = live, pictures, uploads
        self._identity, self._clock = identity, clock
        self._cancel_running, self._resume, self._wake, self._room = cancel_running, resume, wake, room
        self._closing = False

    def close(self) -> None:
        """From now on nothing starts in this process; who asks is told that it starts after the restart."""
        self._closing = True

    async def draft(
        self, asked: Asked, to: Destination, uploads: Sequence[Upload] = (), parent_id: int | None = None
    ) -> Draft:
        """Check everything and make the pictures safe; nothing is stored or spent. Raises UserError, and
        StorageUnavailable when what is under way needs the rest of the disk."""
        self._check_open()
        policy = await self._policies.check_member(to.guild_id, to.channel_id, parent_id, to.member_id)
        spec = (
            self._catalog.find(asked.capability, asked.model)
            if asked.model
            else self._catalog.default(asked.capability, policy.defaults.get(asked.capability.value), policy.denied)
        )
        if spec.id in policy.denied:
            raise NotAllowed(Rule.MODEL_DENIED, spec.id)
        seed = self._identity.seed()
        try:
            request = plan(spec, asked, seed)
        except InvalidRequest as error:
            # The length of a text is the same for every model.
            if not isinstance(error, PromptLength):
                error.able = self._catalog.able(asked, policy.denied, spec.id)
            raise
        if uploads:
            sizes = candidates(spec, asked)
            pictures = await self._prepare(spec, sizes, uploads)
            chosen = sizes[pictures[0].frame] if sizes else None
            request = plan(spec, asked, seed, chosen, tuple(picture.name for picture in pictures))
        return Draft(request, spec.provider, to)

    def _check_open(self) -> None:
        if not self._room():
            raise StorageUnavailable(full=True)

    async def _prepare(self, spec: ModelSpec, sizes: Sequence[int], uploads: Sequence[Upload]) -> list[Picture]:
        async def prepared(upload: Upload, frames: Sequence[Frame]) -> Picture:
            return await self._pictures.prepare(await self._uploads.fetch(upload), frames, upload.option)

        frames = [spec.sizes[index].frame for index in sizes]
        return await fitted(self._pictures, frames, [partial(prepared, upload) for upload in uploads])

    def discard(self, draft: Draft) -> None:
        """Remove what a draft left on disk when it does not become a job."""
        forget(self._pictures, draft.request.images)

    async def accept(self, draft: Draft, interaction_id: int, retry_of: str | None = None) -> Job | None:
        """Commit the job before anyone is told of it (R1). None for an interaction that was seen before.

        Raises RateLimited when a queue is full, NotAllowed, StorageUnavailable; the draft's files are gone then.
        """
        job = Job(
            id=self._identity.job_id(),
            interaction_id=interaction_id,
            to=draft.to,
            request=draft.request,
            provider=draft.provider,
            nonce=self._identity.nonce(),
            created_at=self._clock.now(),
            retry_of=retry_of,
        )
        added: Job | None = None
        try:
            added = await self._store.add(job, await self._policies.limits(draft.to.guild_id))
        except RateLimited as full:
            raise await self._dated(full, draft.to) from None
        finally:
            if added is None and retry_of is None:
                self.discard(draft)
        return added

    async def _dated(self, full: RateLimited, to: Destination) -> RateLimited:
        """With the time at which the next one leaves the queue, as far as that can be told."""
        start = math.inf
        with contextlib.suppress(StorageUnavailable):
            start = await self._places.next_start(to.guild_id, to.member_id if full.scope is Scope.MEMBER else None)
        soon = self._clock.now() + _SOONEST
        return RateLimited(full.scope, full.limit, max(start, soon)) if start < math.inf else full

    async def acknowledged(self, job: Job, message_id: int, place: Place | None = None) -> None:
        """The member has seen that the job is queued, and at which `place`; from here on it may start (R2)."""
        with contextlib.suppress(Stale):
            queued = await self._store.move(
                job, JobState.QUEUED, ack_message_id=message_id, queued_at=self._clock.now()
            )
            # Cancelled meanwhile: now its queue message can say so.
            self._resume(queued)
            if place is not None:
                self._live.put_up(queued, place)

    def doubt(self, job: Job) -> None:
        """A mistake of ours came between the job and its acknowledgement: look for that, as a start does (R2)."""
        self._resume(job)

    async def abandon(self, job: Job) -> None:
        """The member saw the command fail, so nothing will be spent on it."""
        with contextlib.suppress(Stale):
            await self._store.move(job, JobState.ABANDONED, cause=Cause.NOT_CONFIRMED, ended_at=self._clock.now())
        self._wake()

    async def place(self, job: Job) -> Place:
        return replace(await self._places.of(job), restarting=self._closing)

    async def offers(self, specs: Sequence[ModelSpec]) -> list[Offer]:
        return await self._places.offers(specs)

    async def find(self, job_id: str, by: By) -> Job:
        """The job, for its requester or a moderator of its guild. Raises NotAllowed."""
        job = await self._store.get(job_id)
        if job is None or job.to.guild_id != by.guild_id:
            raise NotAllowed(Rule.NO_SUCH_JOB)
        if not by.moderator and job.to.member_id != by.member_id:
            raise NotAllowed(Rule.NOT_YOURS)
        return job

    async def cancel(self, job_id: str, by: By) -> Job:
        """Cancel what has not started; of what has, ask the provider, where it can be asked. Returns the job as it is.

        The caller sees from the state what happened: CANCELLED, or RECEIVED, which will be; or still running: then
        `throw_away` is what is left.
        Raises NotAllowed.
        """
        job = await self.find(job_id, by)
        for _ in range(3):
            try:
                return await self._cancel(job, by)
            except Stale:
                job = await self.find(job_id, by)
        return job

    async def _cancel(self, job: Job, by: By) -> Job:
        cause, act = _cause(job, by), _act(job, by, "cancelled")
        if job.state is JobState.RECEIVED:
            # It ends when its queue message, which may be on its way, has been found: nobody else would correct that.
            return await self._store.note(job, discard=cause, act=act)
        if job.state is JobState.QUEUED:
            now = self._clock.now()
            cancelled = await self._store.move(job, JobState.CANCELLED, cause=cause, ended_at=now, act=act)
            self._wake()
            return cancelled
        if job.state.active:
            return await self._cancel_running(job, cause, act)
        raise NotAllowed(Rule.HELD if job.state is JobState.HELD else Rule.TOO_LATE, job.id)

    async def throw_away(self, job_id: str, by: By) -> Job:
        """The running job may be paid for whatever happens; its result will not be posted. Raises NotAllowed.

        One that its provider has sent back to the queue meanwhile is CANCELLED instead."""
        for _ in range(3):
            with contextlib.suppress(Stale):
                return await self._throw_away(await self.find(job_id, by), by)
        raise NotAllowed(Rule.TOO_LATE, job_id)

    async def _throw_away(self, job: Job, by: By) -> Job:
        if job.state is JobState.QUEUED:
            return await self._cancel(job, by)
        if not job.state.active:
            raise NotAllowed(Rule.TOO_LATE, job.id)
        return await self._store.note(job, discard=_cause(job, by), act=_act(job, by, "result thrown away"))

    async def draft_retry(self, job_id: str, by: By, file_limit: int, parent_id: int | None = None) -> Draft:
        """The same request again, seed and pictures included. Raises UserError."""
        job = await self.find(job_id, by)
        if by.member_id != job.to.member_id:
            raise NotAllowed(Rule.NOT_YOURS)
        if job.state not in _RETRIABLE:
            raise NotAllowed(Rule.TOO_LATE, job.id)
        self._check_open()
        policy = await self._policies.check_member(by.guild_id, job.to.channel_id, parent_id, by.member_id)
        if job.request.model in policy.denied:
            raise NotAllowed(Rule.MODEL_DENIED, job.request.model)
        self._catalog.find(job.request.capability, job.request.model)
        if not all(self._pictures.path(name).exists() for name in job.request.images):
            raise BadPicture(PictureProblem.UNREACHABLE)
        return Draft(job.request, job.provider, replace(job.to, file_limit=file_limit))

    async def held(self, by: By) -> Sequence[Job]:
        """The guild's jobs that wait for a moderator since a restore, at most 25 (R14)."""
        return await self._store.held(by.guild_id)

    async def release(self, by: By, job_id: str | None = None, *, drop: bool = False) -> list[Job]:
        """Let held jobs go on from where they were, or end them; all that `held` names, or one. Raises NotAllowed."""
        if not by.moderator:
            raise NotAllowed(Rule.MODERATOR)
        jobs = [await self.find(job_id, by)] if job_id is not None else await self.held(by)
        released: list[Job] = []
        for job in jobs:
            if job.state is not JobState.HELD or job.held_from is None:
                raise NotAllowed(Rule.TOO_LATE, job.id)
            with contextlib.suppress(Stale):
                released.append(await (self._drop(job, by) if drop else self._let_go_on(job, job.held_from, by)))
        return released

    async def _drop(self, job: Job, by: By) -> Job:
        return await self.drop(job, Cause.RESTORED, Act(by.member_id, "held drop", "cancelled"))

    async def drop(self, job: Job, cause: Cause, act: Act | None = None) -> Job:
        """What it may have cost since the backup nobody knows."""
        return await self._store.settle(
            job, Evidence.AMBIGUOUS, JobState.CANCELLED, cause=cause, told=False, ended_at=self._clock.now(), act=act
        )

    async def _let_go_on(self, job: Job, where: JobState, by: By) -> Job:
        act = Act(by.member_id, "held release", where.value)
        released = await self._store.move(job, where, held_from=None, cause=None, told=False, act=act)
        self._resume(released)
        return released

    def completions(self, by: By, typed: str, *, whole_guild: bool = False) -> list[Job]:
        """Jobs that can still be cancelled and match what was typed, from memory, newest first, at most 25."""
        jobs = self._live.of_guild(by.guild_id) if whole_guild else self._live.of_member(by.guild_id, by.member_id)
        wanted = typed.strip().lower()
        open_jobs = [job for job in jobs if job.state in (JobState.RECEIVED, JobState.QUEUED) or job.state.active]
        matching = [job for job in open_jobs if wanted in job.id or wanted in job.request.prompt.lower()]
        return sorted(matching, key=lambda job: -job.created_at)[:25]

    async def overview(self, by: By) -> tuple[list[Job], list[Job]]:
        """The guild's unfinished jobs in the order in which they start, and the member's own latest ten."""
        waiting = await self._places.in_order(by.guild_id)
        ids, live = {job.id for job in waiting}, self._live.of_guild(by.guild_id)
        ordered = [job for job in live if job.id not in ids and job.state is not JobState.RECEIVED] + waiting
        mine = await self._store.of_member(by.guild_id, by.member_id, limit=10)
        return ordered, list(mine)

    async def recent(self, by: By, member_id: int | None, state: JobState | None) -> Sequence[Job]:
        return await self._store.recent(by.guild_id, member_id=member_id, state=state)


_RETRIABLE = frozenset(
    {JobState.AMBIGUOUS, JobState.LOST_RESULT, JobState.POISON, JobState.REFUSED, JobState.ABANDONED}
)


def _cause(job: Job, by: By) -> Cause:
    return Cause.BY_MEMBER if by.member_id == job.to.member_id else Cause.BY_MODERATOR


def _act(job: Job, by: By, after: str) -> Act | None:
    """What one does to one's own job is nobody else's business."""
    return Act(by.member_id, "cancel", after) if by.member_id != job.to.member_id else None
