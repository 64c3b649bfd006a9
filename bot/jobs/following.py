"""A request that waits at its provider: asked after, cancelled, fetched. All of it may be repeated, none of it pays."""

import logging

from bot.domain.errors import BadResponse, Evidence, ProviderError, Rejected, Stale, Unauthorized, Unavailable
from bot.domain.job import (
    Cancelled,
    Cause,
    Completed,
    Failed,
    InProgress,
    InQueue,
    Job,
    JobState,
    RemoteHandle,
    RemoteStatus,
    Unknown,
)
from bot.jobs.planner import Plan
from bot.jobs.submission import Submission
from bot.ports import Artifacts, Clock, Delivery, JobStore, QueueProvider, UnusableMedia

log = logging.getLogger(__name__)

_GONE = 404
_GONE_TRIES = 3
_GONE_PAUSE = 20.0
_FETCH_TRIES = 3
_REVOKED_PAUSE = 60.0
_CANCEL_TRIES = 3
_CANCEL_PAUSE = 1.0
# At most 100 requests a second reach one provider, however many jobs wait there.
_BEAT = 0.01


class Following:
    def __init__(
        self,
        store: JobStore,
        artifacts: Artifacts,
        delivery: Delivery,
        submission: Submission,
        clock: Clock,
        stuck_seconds: float,
    ) -> None:
        self._store, self._artifacts, self._delivery = store, artifacts, delivery
        self._submission, self._clock, self._stuck_seconds = submission, clock, stuck_seconds
        self._wished: dict[str, Cause] = {}
        self._next_beat: dict[str, float] = {}

    async def follow(self, job: Job, handle: RemoteHandle, provider: QueueProvider, usual: float) -> Job:
        """Ask until it is made, fetch it, and move the job on. After a restart this simply begins again."""
        try:
            return await self._follow(job, handle, provider, usual)
        finally:
            self._wished.pop(job.id, None)

    async def _follow(self, job: Job, handle: RemoteHandle, provider: QueueProvider, usual: float) -> Job:
        plan = Plan(self._clock.monotonic(), usual)
        gone = 0
        while True:
            await self._clock.sleep(plan.pause(self._clock.monotonic()))
            if self._clock.monotonic() - plan.moved_at > self._stuck_seconds:
                return await self._give_up(job, handle, provider)
            try:
                await self._wait_for_beat(provider.name)
                status = await provider.poll(handle)
            except Rejected as error:
                gone = gone + 1 if error.status == _GONE else 0
                if gone >= _GONE_TRIES:
                    return await self._submission.lost(job, Cause.RESULT_GONE, error.detail)
                await self._wait_after(error, job, plan)
                continue
            except ProviderError as error:
                await self._wait_after(error, job, plan)
                continue
            gone = 0
            plan.saw(status, self._clock.monotonic())
            ended = await self._act(job, handle, provider, status)
            if ended is not None:
                return ended

    async def _wait_for_beat(self, provider: str) -> None:
        now = self._clock.monotonic()
        mine = max(now, self._next_beat.get(provider, now))
        self._next_beat[provider] = mine + _BEAT
        if mine > now:
            await self._clock.sleep(mine - now)

    async def _wait_after(self, error: ProviderError, job: Job, plan: Plan) -> None:
        plan.failed()
        log.warning("status not known: %s", error.detail, extra={"job": job.id, "status": error.status})
        match error:
            case Unauthorized():
                log.error("%s refuses our key: jobs there wait", error.provider)
                await self._clock.sleep(_REVOKED_PAUSE)
            case Rejected() if error.status == _GONE:
                await self._clock.sleep(_GONE_PAUSE)
            case Unavailable() if error.retry_after:
                await self._clock.sleep(min(error.retry_after, 600.0))
            case _:
                pass

    async def _act(self, job: Job, handle: RemoteHandle, provider: QueueProvider, status: RemoteStatus) -> Job | None:
        match status:
            case InQueue() | InProgress():
                self._delivery.show(job, progress=status)
                return None
            case Unknown(word):
                log.warning("undocumented status %r, polled on", word, extra={"job": job.id})
                return None
            case Completed():
                return await self._fetch(job, handle, provider)
            case Failed(reason):
                # No document says whether a failed request is billed, so it counts as if it were.
                return await self._submission.lost(job, Cause.FAILED, reason)
            case Cancelled():
                return await self._cancelled(job, self._wished.get(job.id, Cause.BY_PROVIDER))

    async def _fetch(self, job: Job, handle: RemoteHandle, provider: QueueProvider) -> Job:
        """Fetching is free and may be repeated: what is unusable three times, an outage or a full disk until stuck."""
        unusable = gone = 0
        plan = Plan(self._clock.monotonic(), 0)
        while True:
            part = self._artifacts.part(job)
            try:
                await provider.fetch(handle, part)
                artifact = await self._submission.keep(job, part)
            except (BadResponse, UnusableMedia) as error:
                unusable += 1
                log.warning("result not usable: %s", error, extra={"job": job.id})
                if unusable >= _FETCH_TRIES:
                    return await self._submission.lost(job, Cause.UNUSABLE, getattr(error, "detail", str(error)))
                plan.failed()
            except ProviderError as error:
                # Not there, or sent elsewhere: nowhere else is asked.
                gone = gone + 1 if isinstance(error, Rejected) else 0
                stuck = self._clock.monotonic() - plan.begun > self._stuck_seconds
                if gone >= _GONE_TRIES or stuck:
                    return await self._submission.lost(job, Cause.RESULT_GONE, error.detail)
                await self._wait_after(error, job, plan)
            except OSError as error:
                log.error("the result could not be kept: %s", error.strerror, extra={"job": job.id})  # noqa: TRY400
                if self._clock.monotonic() - plan.begun > self._stuck_seconds:
                    return await self._submission.lost(job, Cause.STORAGE_FULL)
                plan.failed()
            else:
                return await self._submission.made(job, artifact)
            await self._clock.sleep(plan.pause(self._clock.monotonic()))

    async def _give_up(self, job: Job, handle: RemoteHandle, provider: QueueProvider) -> Job:
        minutes = f"{self._stuck_seconds / 60:g}"
        log.error("gave up on a request that stopped moving", extra={"job": job.id, "provider": provider.name})
        if await self._drop(handle, provider):
            return await self._store.settle(
                job,
                Evidence.WITHDRAWN,
                JobState.REFUSED,
                cause=Cause.STUCK,
                detail=f"{minutes} minutes",
                ended_at=self._clock.now(),
            )
        return await self._submission.lost(job, Cause.STUCK, f"{minutes} minutes")

    async def cancel(self, job: Job, provider: QueueProvider, cause: Cause) -> Job:
        """Ask the provider to drop a request that it has not started. Returns the job as it is then."""
        if job.remote is None:
            return job
        # Kept as long as it is followed: when no answer tells us now, the status may tell it later.
        self._wished[job.id] = cause
        try:
            return await self._cancelled(job, cause) if await self._drop(job.remote, provider) else job
        except Stale:
            return await self._store.get(job.id) or job

    async def _drop(self, handle: RemoteHandle, provider: QueueProvider) -> bool:
        """True when the request will never run. A lost answer to a cancel is settled by the status (cancel trap)."""
        for _ in range(_CANCEL_TRIES):
            try:
                if await provider.cancel(handle):
                    return True
            except ProviderError as error:
                log.warning("cancel not confirmed: %s", error.detail, extra={"request": handle.request_id})
            try:
                status = await provider.poll(handle)
            except ProviderError:
                return False
            if not isinstance(status, InQueue):
                return isinstance(status, Cancelled)
            await self._clock.sleep(_CANCEL_PAUSE)
        return False

    async def _cancelled(self, job: Job, cause: Cause) -> Job:
        return await self._store.settle(
            job, Evidence.WITHDRAWN, JobState.CANCELLED, cause=cause, ended_at=self._clock.now()
        )
