"""Brings every job to its end: one dispatcher for each provider, one task for each job that moves."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterable

from bot.domain.errors import DeliveryError, DeliveryRevoked, Stale, StorageUnavailable, Undeliverable
from bot.domain.job import Act, Cause, Job, JobState
from bot.jobs.announcer import Announcer
from bot.jobs.bell import Bell
from bot.jobs.catalog import Catalog
from bot.jobs.following import Following
from bot.jobs.live import LiveJobs
from bot.jobs.recovery import Recovery
from bot.jobs.submission import Submission
from bot.ports import Clock, Delivery, JobStore, Provider

log = logging.getLogger(__name__)

_STORAGE_PAUSE = 1.0
# After a mistake of our own a step is tried again, for five minutes in all.
_MISTAKE_PAUSE, _MOST_MISTAKES = 30.0, 10
# However far away the next start seems: the wall clock that dates it may be set.
_LONGEST_REST = 60.0
# Of ten thousand jobs that a start takes up, so many before anything else has its turn.
_SLICE = 100
# They share one turn of the disk, and who else writes waits for that long.
_MOST_TOGETHER = 32
# A stop ends within two seconds after the drain, whatever hangs.
_CUT_SECONDS, _CANCEL_SECONDS = 0.7, 0.3
_CAUSES = {
    Undeliverable.NO_PERMISSION: Cause.NO_PERMISSION,
    Undeliverable.CHANNEL_GONE: Cause.CHANNEL_GONE,
    Undeliverable.GUILD_GONE: Cause.GUILD_LEFT,
    Undeliverable.TOO_LARGE: Cause.TOO_LARGE,
    Undeliverable.FILTERED: Cause.FILTERED,
    Undeliverable.REFUSED: Cause.DISCORD_REFUSED,
}


class Runner:
    def __init__(
        self,
        *,
        catalog: Catalog,
        store: JobStore,
        delivery: Delivery,
        submission: Submission,
        following: Following,
        recovery: Recovery,
        announcer: Announcer,
        live: LiveJobs,
        clock: Clock,
    ) -> None:
        self._catalog, self._store, self._delivery = catalog, store, delivery
        self._submission, self._following, self._recovery = submission, following, recovery
        self._announcer, self._live, self._clock = announcer, live, clock
        self._bells = {provider.name: Bell(clock) for provider in catalog.providers}
        following.call_back(self._move)
        self._dispatchers: list[asyncio.Task[None]] = []
        self._moving: dict[str, asyncio.Task[None]] = {}
        self._closing = False
        self._hurried = asyncio.Event()
        self._started = False

    async def start(self) -> None:
        """Take up everything that the rows say is unfinished, then let new jobs start."""
        unfinished = await self._store.unfinished()
        for number, job in enumerate(unfinished):
            self._live.update(job)
            queue = self._catalog.queue(job.provider)
            if job.state is JobState.SUBMITTED and job.remote is not None and queue is not None:
                self._following.watch(job, job.remote, queue, at_once=True)
            elif self._rests(job):
                self._announcer.changed(job)
            else:
                self._move(job, recovering=True)
            if number % _SLICE == 0:
                await self._clock.sleep(0)
        self._warn_of_unserved(unfinished)
        self._started = True
        # A guild's start is kept for a job at another provider only once that one is known to have places.
        with contextlib.suppress(StorageUnavailable):
            for provider in self._catalog.providers:
                await self._store.claim(provider.name, provider.concurrency, 0)
        for provider in self._catalog.providers:
            self._dispatchers.append(asyncio.create_task(self._dispatch(provider), name=f"dispatch {provider.name}"))

    def _warn_of_unserved(self, jobs: Iterable[Job]) -> None:
        asked_after = [job.provider for job in jobs if job.state is JobState.SUBMITTED]
        for name, count in Counter(asked_after).items():
            if self._catalog.provider(name) is None:
                log.warning("%s is not configured: %s jobs wait for a start with [providers.%s]", name, count, name)

    async def stop(self, drain_seconds: float) -> None:
        """No new starts; polls end at once; calls that are held open get `drain_seconds`, then end as uncertain."""
        self._closing = True
        self.wake()
        await asyncio.gather(*self._dispatchers, self._following.close(), return_exceptions=True)
        for job_id, task in self._moving.items():
            job = self._live.get(job_id)
            if job is not None and job.state is JobState.SUBMITTED:
                task.cancel()
        await self._settled(drain_seconds, unless=self._hurried)
        self._submission.cut()
        await self._settled(_CUT_SECONDS)
        for task in self._moving.values():
            task.cancel()
        await self._settled(_CANCEL_SECONDS)

    def hurry(self) -> None:
        """End a drain now: what is held open becomes uncertain, and there is a moment left to say so."""
        self._hurried.set()

    async def _settled(self, seconds: float, unless: asyncio.Event | None = None) -> None:
        if not self._moving:
            return
        settled = asyncio.ensure_future(asyncio.wait(list(self._moving.values())))
        ends = [settled] if unless is None else [settled, asyncio.create_task(unless.wait())]
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    def wake(self) -> None:
        for bell in self._bells.values():
            bell.ring()

    def observe(self, job: Job) -> None:
        """Hears of every committed job: memory, queue messages and dispatchers follow the rows."""
        self._live.update(job)
        self._announcer.changed(job)
        self._ring(job)
        if job.state is not JobState.SUBMITTED:
            self._following.forget(job)
        moving = self._moving.get(job.id)
        if self._started and job.state.rests and not job.told and (moving is None or moving.done()):
            self._move(job)

    def _ring(self, job: Job) -> None:
        if job.state is JobState.QUEUED and job.attempt_id is None:
            if (bell := self._bells.get(job.provider)) is not None:
                bell.ring()
        elif not job.state.active and job.state is not JobState.RECEIVED:
            # Its place in the guild may be free, for a job at any provider.
            self.wake()

    def resume(self, job: Job) -> None:
        """Take up a job that was held, as a start does."""
        if not self._rests(job):
            self._move(job, recovering=True)

    async def cancel(self, job: Job, cause: Cause, act: Act | None = None) -> Job:
        """Ask the provider to drop a job that it has not started. Returns the job as it is then."""
        provider = self._catalog.queue(job.provider)
        if job.state is not JobState.SUBMITTED or provider is None:
            return job
        return await self._following.cancel(job, provider, cause, act)

    async def _dispatch(self, provider: Provider) -> None:
        bell = self._bells[provider.name]
        while not self._closing:
            try:
                claim = await self._store.claim(provider.name, provider.concurrency, _MOST_TOGETHER)
            except StorageUnavailable:
                await self._clock.sleep(1)
                continue
            except Exception:  # the root of this task
                log.exception("dispatching for %s failed, trying again", provider.name)
                await self._clock.sleep(1)
                continue
            for job in claim.jobs:
                self._move(job)
            if not claim.jobs:
                await bell.rest(self._until(claim.look_again_at))

    def _until(self, moment: float | None) -> float | None:
        return None if moment is None else min(_LONGEST_REST, max(0.01, moment - self._clock.now()))

    def _move(self, job: Job, recovering: bool = False) -> None:
        task = asyncio.create_task(self._to_its_end(job, recovering), name=f"job {job.id}")
        self._moving[job.id] = task
        task.add_done_callback(lambda done: self._moved(job.id, done))

    def _moved(self, job_id: str, task: asyncio.Task[None]) -> None:
        if self._moving.get(job_id) is task:
            del self._moving[job_id]

    def _rests(self, job: Job) -> bool:
        """Whether nothing is to be done for a job now: it was told, waits for its turn, or for the next process."""
        if job.state is JobState.QUEUED:
            return job.discard is None and job.to.guild_id not in self._live.gone
        if job.state is JobState.SUBMITTED:
            return self._closing or self._following.waits(job)
        return job.told

    async def _to_its_end(self, job: Job, recovering: bool) -> None:
        """The root of a job's task: steps until it rests. A step that failed half-way is taken up as after a crash."""
        mistakes, attempt = 0, job.attempt_id
        # An attempt that began while this task failed is under way in another one, and was not cut off.
        while job.attempt_id == attempt and not (self._rests(job) or (job.state.rests and mistakes == _MOST_MISTAKES)):
            before = job.state
            try:
                job = await (self._step(job, recovering) if mistakes < _MOST_MISTAKES else self._give_up(job))
            except DeliveryRevoked:
                log.warning("the job waits for a start with a token that Discord takes", extra={"job": job.id})
                return
            except (Stale, StorageUnavailable):
                job, recovering = await self._look(job), True
            except Exception:  # the root of this task
                log.exception("a step failed", extra={"job": job.id, "state": job.state.value})
                await self._clock.sleep(_MISTAKE_PAUSE)
                job, recovering = await self._look(job), True
                mistakes += 1
            if job.state is not before:
                mistakes = 0

    async def _look(self, job: Job) -> Job:
        while True:
            try:
                return await self._store.get(job.id) or job
            except StorageUnavailable:
                await self._clock.sleep(_STORAGE_PAUSE)

    async def _step(self, job: Job, recovering: bool) -> Job:
        # What waited at its provider was only watched by the start; what may be posted is searched for first.
        doubtful = job.state is JobState.SUBMITTED or (recovering and job.state is not JobState.POSTING)
        if doubtful and (poisoned := await self._recovery.poisoned(job)) is not None:
            return poisoned
        if job.state is JobState.RECEIVED or (recovering and job.state is JobState.SUBMITTING):
            return await self._recovery.step(job)
        match job.state:
            case JobState.QUEUED:
                # Thrown away, or its guild left, while its provider was asked, in vain.
                cause = job.discard or Cause.GUILD_LEFT
                return await self._store.move(job, JobState.CANCELLED, cause=cause, ended_at=self._clock.now())
            case JobState.SUBMITTING:
                return await self._submission.submit(job)
            case JobState.SUBMITTED:
                return await self._follow(job)
            case JobState.RESULT if job.discard is not None:
                return await self._submission.throw_away(job)
            case JobState.RESULT:
                return await self._store.move(job, JobState.POSTING, findable=await self._delivery.findable(job))
            case JobState.POSTING:
                return await self._deliver(job, recovering)
            case _:
                await self._delivery.tell(job)
                return await self._store.note(job, told=True)

    async def _give_up(self, job: Job) -> Job:
        """A mistake of ours that does not pass must not leave anybody waiting for ever."""
        log.error("given up after %s failures", _MOST_MISTAKES, extra={"job": job.id, "state": job.state.value})
        now = self._clock.now()
        match job.state:
            case JobState.RECEIVED:
                return await self._store.move(job, JobState.ABANDONED, cause=Cause.NOT_CONFIRMED, ended_at=now)
            case JobState.SUBMITTING:
                return await self._submission.uncertain(job)
            case JobState.SUBMITTED:
                return await self._submission.lost(job, Cause.RESULT_GONE)
            case _:
                return await self._store.move(job, JobState.UNDELIVERABLE, cause=Cause.DISCORD_REFUSED, ended_at=now)

    async def _follow(self, job: Job) -> Job:
        if job.to.guild_id in self._live.gone:
            job = await self.cancel(job, Cause.GUILD_LEFT)
            if job.state is not JobState.SUBMITTED:
                return job
        provider = self._catalog.queue(job.provider)
        if job.remote is not None and self._catalog.provider(job.provider) is None:
            self._announcer.changed(job)
            return await self._following.without_provider(job)
        if job.remote is None or provider is None:
            return await self._submission.lost(job, Cause.MODEL_GONE)
        return await self._following.step(job, job.remote, provider)

    async def _deliver(self, job: Job, recovering: bool) -> Job:
        now = self._clock.now
        if job.artifact is None:
            return await self._store.move(job, JobState.LOST_RESULT, cause=Cause.ARTIFACT_GONE, ended_at=now())
        try:
            delivered = await self._delivery.deliver(job, job.artifact, recovering=recovering)
        except DeliveryError as error:
            log.warning("not delivered: %s", error, extra={"job": job.id})
            if (poisoned := await self._recovery.poisoned(job)) is not None:
                return poisoned
            cause = _CAUSES[error.cause]
            return await self._store.move(job, JobState.UNDELIVERABLE, cause=cause, ended_at=now())
        except FileNotFoundError:
            return await self._store.move(job, JobState.LOST_RESULT, cause=Cause.ARTIFACT_GONE, ended_at=now())
        log.info("delivered", extra={"job": job.id, "message_id": delivered.message_id})
        return await self._store.move(
            job, JobState.DONE, result_message_id=delivered.message_id, direct=delivered.direct, ended_at=now(),
            detail="deleted" if delivered.deleted else job.detail,
        )  # fmt: skip
