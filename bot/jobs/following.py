"""A request that waits at its provider: asked after, cancelled, fetched. All of it may be repeated, none of it pays."""

import logging
from collections.abc import Callable

from bot.domain.errors import Evidence, ProviderError, Stale
from bot.domain.job import (
    Act,
    Cancelled,
    Cause,
    Completed,
    Failed,
    InQueue,
    Job,
    JobState,
    RemoteHandle,
    RemoteStatus,
    Unknown,
)
from bot.jobs.asking import Desk, Watch
from bot.jobs.fetching import Fetching
from bot.jobs.paces import Paces
from bot.jobs.planner import Gone, Plan, Stuck
from bot.jobs.submission import Submission
from bot.ports import Clock, Delivery, JobStore, QueueProvider

log = logging.getLogger(__name__)

_CANCEL_TRIES = 3
_CANCEL_PAUSE = 1.0


class Following:
    """A job that waits costs a `Watch` and no task; when something is to be done for it, `step` does it."""

    def __init__(
        self,
        store: JobStore,
        delivery: Delivery,
        submission: Submission,
        fetching: Fetching,
        paces: Paces,
        clock: Clock,
        stuck_seconds: float,
    ) -> None:
        self._store, self._delivery, self._submission = store, delivery, submission
        self._fetching, self._paces, self._clock = fetching, paces, clock
        self._stuck_seconds = stuck_seconds
        self._desks: dict[str, Desk] = {}
        self._watches: dict[str, Watch] = {}
        self._unserved: dict[str, float] = {}
        self._call_back: Callable[[Job], None] = lambda _job: None

    def call_back(self, to: Callable[[Job], None]) -> None:
        """`to` is told of every job for which `step` has something to do."""
        self._call_back = to

    async def close(self) -> None:
        """Nobody is asked any more; the next process asks again."""
        for desk in self._desks.values():
            await desk.close()

    def waits(self, job: Job) -> bool:
        watch = self._watches.get(job.id)
        return watch is not None and watch.end is None

    def watch(self, job: Job, handle: RemoteHandle, provider: QueueProvider, *, at_once: bool = False) -> None:
        """Ask after it from now on, `at_once` when nobody knows how it stands. Needs a running event loop."""
        now, submitted_at = self._clock.now(), job.started_at
        age = 0.0 if submitted_at is None else max(0.0, now - submitted_at)
        watching = self._clock.monotonic()
        watch = self._watches[job.id] = Watch(job, handle, Plan(watching - age, watching))
        self._desk(provider).add(watch, at_once=at_once)

    def forget(self, job: Job) -> None:
        """It does not wait at its provider any more."""
        watch = self._watches.pop(job.id, None)
        if watch is not None:
            watch.dropped = True

    def _desk(self, provider: QueueProvider) -> Desk:
        desk = self._desks.get(provider.name)
        if desk is None:
            desk = Desk(provider, self._paces, self._clock, self._stuck_seconds, self._heard, self._ended)
            self._desks[provider.name] = desk
        return desk

    def _heard(self, watch: Watch, status: RemoteStatus) -> None:
        if isinstance(status, Unknown):
            log.warning("undocumented status %r, polled on", status.word, extra={"job": watch.job.id})
        else:
            self._delivery.show(watch.job, progress=status)

    def _ended(self, watch: Watch) -> None:
        self._call_back(watch.job)

    async def step(self, job: Job, handle: RemoteHandle, provider: QueueProvider) -> Job:
        """What its end at the provider asks for, else begin to watch it. Returns the job as it is then."""
        if job.id not in self._watches:
            self.watch(job, handle, provider)
        watch = self._watches[job.id]
        match watch.end:
            case None:
                return job
            case Completed():
                return await self._fetching.fetch(job, handle, self._desk(provider))
            case Failed(reason):
                # No document says whether a failed request is billed, so it counts as if it were.
                return await self._submission.lost(job, Cause.FAILED, reason)
            case Cancelled():
                # No document says that what a provider ends by itself is free (R13).
                if watch.wished is None or watch.begun:
                    return await self._cancelled(job, Cause.BY_PROVIDER, None, Evidence.AMBIGUOUS)
                return await self._cancelled(job, watch.wished, watch.act)
            case Gone():
                return await self._submission.lost(job, Cause.RESULT_GONE)
            case Stuck(seconds):
                return await self._give_up(job, handle, provider, seconds)

    async def without_provider(self, job: Job) -> Job:
        """Wait for a later start that has its provider again, as long as for one that says nothing new."""
        now = self._clock.monotonic()
        await self._clock.sleep(self._unserved.setdefault(job.id, now) + self._stuck_seconds - now)
        log.error("gave up on a request whose provider is not configured", extra={"job": job.id})
        return await self._submission.lost(job, Cause.MODEL_GONE)

    async def _give_up(self, job: Job, handle: RemoteHandle, provider: QueueProvider, seconds: float) -> Job:
        found = await self._drop(job, handle, provider)
        if isinstance(found, Completed):
            return await self._fetching.fetch(job, handle, self._desk(provider))
        minutes = f"{seconds / 60:g}"
        log.error("gave up on a request that stopped moving", extra={"job": job.id, "provider": provider.name})
        if isinstance(found, Cancelled):
            return await self._store.settle(
                job, Evidence.WITHDRAWN, JobState.REFUSED, cause=Cause.STUCK, detail=f"{minutes} minutes",
                ended_at=self._clock.now(),
            )  # fmt: skip
        return await self._submission.lost(job, Cause.STUCK, f"{minutes} minutes")

    async def cancel(self, job: Job, provider: QueueProvider, cause: Cause, act: Act | None) -> Job:
        """Ask the provider to drop a request that it has not started. Returns the job as it is then."""
        if job.remote is None:
            return job
        # When no answer tells us now, the status may tell it later.
        if (watch := self._watches.get(job.id)) is not None:
            watch.wished, watch.act = cause, act
        try:
            dropped = isinstance(await self._drop(job, job.remote, provider), Cancelled)
            return await self._cancelled(job, cause, act) if dropped else job
        except Stale:
            return await self._store.get(job.id) or job

    async def _drop(self, job: Job, handle: RemoteHandle, provider: QueueProvider) -> RemoteStatus | None:
        """How the request stands now, Cancelled when it will never run and never did; None when nobody can tell.

        A lost answer to a cancel is settled by the status (cancel trap).
        """
        for _ in range(_CANCEL_TRIES):
            try:
                if await provider.cancel(handle):
                    return Cancelled()
            except ProviderError as error:
                log.warning("cancel not confirmed: %s", error, extra={"request": handle.request_id})
            try:
                status = await provider.poll(handle)
            except ProviderError:
                return None
            if (watch := self._watches.get(job.id)) is not None:
                watch.saw(status)
            if not isinstance(status, InQueue):
                return None if isinstance(status, Cancelled) and watch and watch.begun else status
            await self._clock.sleep(_CANCEL_PAUSE)
        return None

    async def _cancelled(self, job: Job, cause: Cause, act: Act | None, evidence: Evidence = Evidence.WITHDRAWN) -> Job:
        return await self._store.settle(
            job, evidence, JobState.CANCELLED, cause=cause, ended_at=self._clock.now(), act=act
        )
