"""From a claimed job to its result, or to the end that its evidence demands (R3, R4, R12)."""

import asyncio
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from bot.age import Age, TooOld
from bot.domain.errors import (
    Ambiguous,
    BadPicture,
    BadResponse,
    Evidence,
    ProviderError,
    Rejected,
    StorageUnavailable,
    Unauthorized,
    Unavailable,
)
from bot.domain.health import LONGEST_HOLD
from bot.domain.job import Artifact, Cause, Job, JobState, RemoteHandle
from bot.jobs.catalog import Catalog
from bot.jobs.inputs import exchanged, refitted
from bot.jobs.patience import next_try
from bot.jobs.stand_ins import StandIns
from bot.ports import Artifacts, Clock, JobStore, Pictures, Provider, UnusableMedia

log = logging.getLogger(__name__)

_PAYMENT, _GONE, _TOO_LARGE = 402, 404, 413
_REDIRECTS = range(300, 400)
_RATE_LIMITED = 429
_SERVER_ERRORS = frozenset({500, 502, 504})
_DISK_PATIENCE = 30.0
_HEALTH_PATIENCE = 300.0
_PAUSE = 5.0


class Submission:
    def __init__(
        self,
        catalog: Catalog,
        store: JobStore,
        artifacts: Artifacts,
        pictures: Pictures,
        clock: Clock,
        *,
        wait_seconds: float = 1800.0,
        max_paid_attempts: int = 1,
        stand_ins: StandIns | None = None,
    ) -> None:
        """`wait_seconds`: how long a job waits for a provider that is down or refuses us."""
        self._catalog, self._store, self._artifacts = catalog, store, artifacts
        self._pictures, self._clock = pictures, clock
        self._wait_seconds, self._max_paid_attempts, self._stand_ins = wait_seconds, max_paid_attempts, stand_ins
        self._held: set[asyncio.Task[RemoteHandle | None]] = set()

    def cut(self) -> None:
        """Let go of every call that is held open: its job ends as uncertain."""
        for call in self._held:
            call.cancel()

    async def submit(self, job: Job) -> Job:
        """The one paid call. Whatever comes of it, the job is moved on."""
        provider = self._catalog.provider(job.provider)
        if provider is None:
            return await self._end(job, Evidence.NOT_SENT, JobState.REFUSED, Cause.MODEL_GONE)
        if not all(self._pictures.path(name).exists() for name in job.request.images):
            return await self._end(job, Evidence.NOT_SENT, JobState.REFUSED, Cause.PICTURE_GONE)
        part = self._artifacts.part(job)
        with Age(self._clock, known_at=job.started_at).limits():
            call = asyncio.create_task(self._call(job, part), name=f"call {job.id}")
        self._held.add(call)
        try:
            handle = await call
        except asyncio.CancelledError:
            return await self._let_go(job, provider)
        except TooOld:
            # This process was suspended since the claim (R8). No byte has left, and no try is used up.
            return await self._store.settle(job, Evidence.NOT_SENT, JobState.QUEUED, tries=job.tries - 1, cause=None)
        except ProviderError as error:
            return await self._answer(job, provider, error)
        except OSError:
            log.exception("the answer could not be written", extra={"job": job.id})
            return await self.lost(job, Cause.STORAGE_FULL)
        finally:
            self._held.discard(call)
        if handle is not None:
            return await self._store.move(job, JobState.SUBMITTED, remote=handle)
        try:
            return await self.made(job, await self.keep(job, part))
        except UnusableMedia as error:
            return await self.lost(job, Cause.UNUSABLE, str(error))
        except OSError:
            log.exception("the result could not be kept", extra={"job": job.id})
            return await self.lost(job, Cause.STORAGE_FULL)

    async def _call(self, job: Job, part: Path) -> RemoteHandle | None:
        images = [self._pictures.path(name) for name in job.request.images]
        if (queue := self._catalog.queue(job.provider)) is not None:
            return await queue.submit(job.request, images)
        if (direct := self._catalog.direct(job.provider)) is not None:
            await direct.generate(job.request, images, part)
        return None

    async def keep(self, job: Job, part: Path) -> Artifact:
        """Check and keep the bytes; a full disk is waited out for a while. Raises UnusableMedia, OSError."""
        deadline = self._clock.monotonic() + _DISK_PATIENCE
        while True:
            try:
                return await self._artifacts.keep(job, part)
            except OSError:
                if self._clock.monotonic() + _PAUSE > deadline:
                    raise
            await self._clock.sleep(_PAUSE)

    async def made(self, job: Job, artifact: Artifact) -> Job:
        """The bytes are safe."""
        made = await self._store.settle(
            job, Evidence.MADE, JobState.RESULT, artifact=artifact, made_at=self._clock.now(), cause=None
        )
        log.info("made", extra={"job": job.id, "model": job.request.model, "bytes": artifact.size})
        return made

    async def throw_away(self, job: Job) -> Job:
        """Somebody asked for it while it was being made."""
        if job.artifact is not None:
            self._artifacts.forget(job.artifact)
        return await self._store.move(
            job, JobState.CANCELLED, cause=job.discard, artifact=None, ended_at=self._clock.now()
        )

    async def uncertain(
        self, job: Job, cause: Cause = Cause.NO_ANSWER, detail: str = "", status: int | None = None
    ) -> Job:
        """Nobody can know whether it was paid for."""
        return await self._paid(job, Evidence.AMBIGUOUS, JobState.AMBIGUOUS, cause, detail, status)

    async def _let_go(self, job: Job, provider: Provider) -> Job:
        """A stop ended the call. Raises CancelledError where the next start repeats it."""
        made = await self.salvaged(job)
        if made is None and _may_repeat(job, provider):
            raise asyncio.CancelledError
        return made or await self.uncertain(job, Cause.RESTARTED)

    async def cut_off(self, job: Job) -> Job:
        """An earlier process ended in the middle of the call."""
        provider = self._catalog.provider(job.provider)
        if provider is not None and _may_repeat(job, provider):
            return await self._repeat(job, provider, Cause.RESTARTED)
        return await self.uncertain(job, Cause.RESTARTED)

    async def lost(self, job: Job, cause: Cause, detail: str = "", status: int | None = None) -> Job:
        """Paid for, and nothing to show for it."""
        return await self._paid(job, Evidence.CHARGED_UNUSABLE, JobState.LOST_RESULT, cause, detail, status)

    async def _paid(
        self, job: Job, evidence: Evidence, to: JobState, cause: Cause, detail: str, status: int | None
    ) -> Job:
        """The end, or one more attempt as far as the operator wants to pay for it."""
        provider = self._catalog.provider(job.provider)
        last = provider is None or not provider.billed or job.charged + 1 >= self._max_paid_attempts
        if last or cause is Cause.STORAGE_FULL:
            return await self._end(job, evidence, to, cause, detail, status)
        log.warning("asked again, and perhaps paid again", extra={"job": job.id, "charged": job.charged + 1})
        return await self._store.settle(
            job, evidence, JobState.QUEUED, status=status, charged=job.charged + 1, cause=cause, remote=None,
            not_before=self._clock.now() + _PAUSE,
        )  # fmt: skip

    async def salvaged(self, job: Job) -> Job | None:
        """The job with its result, when all of that had reached the disk although the call was cut (R10)."""
        try:
            left = self._artifacts.left_over(job)
            return None if left is None else await self.made(job, await self.keep(job, left))
        except (UnusableMedia, OSError) as error:
            log.info("what was left is not a whole result: %s", error, extra={"job": job.id})
            return None

    async def _answer(self, job: Job, provider: Provider, error: ProviderError) -> Job:
        extra = {"job": job.id, "provider": error.provider, "status": error.status, "evidence": error.evidence.value}
        log.warning("submission failed: %s", error, extra=extra)
        status, detail = error.status, error.detail
        match error:
            case Unavailable():
                return await self._wait(job, error, _cause_of_waiting(error))
            case Unauthorized():
                log.error("%s refuses our key or account (status %s)", error.provider, status, extra=extra)
                return await self._wait(job, error, _cause_of_waiting(error))
            case Rejected() if status == _GONE:
                return await self._wait(job, error, Cause.MODEL_GONE)
            case Rejected() if status is None and not self._on_offer(job):
                return await self._in_vain(job, error, Cause.MODEL_GONE, None)
            case Rejected() if status == _TOO_LARGE and job.request.images and not job.request.shrunk:
                return await self._shrink(job, error)
            case Rejected():
                cause = Cause.REDIRECTED if status in _REDIRECTS else Cause.REJECTED
                return await self._end(job, Evidence.REFUSED, JobState.REFUSED, cause, detail, status)
            case BadResponse():
                return await self.lost(job, Cause.UNUSABLE, detail, status)
            case Ambiguous() if status in _SERVER_ERRORS and _may_repeat(job, provider):
                return await self._repeat(job, provider, Cause.NO_ANSWER, detail, status)
            case _:
                return await self.uncertain(job, detail=detail, status=status)

    def _on_offer(self, job: Job) -> bool:
        return any(spec.id == job.request.model for spec in self._catalog.models(job.request.capability))

    async def _wait(self, job: Job, error: ProviderError, cause: Cause) -> Job:
        """Nothing was spent: it goes back to its place, until its provider is asked again or patience ends."""
        now, too_many = self._clock.now(), error.status == _RATE_LIMITED
        told = error.retry_after if isinstance(error, Unavailable) else None
        retry_at = None if told is None else now + min(told, LONGEST_HOLD)
        # Of a time that is yet to come the clock was set back: patience begins anew.
        tries, first_try_at = job.tries, min(job.first_try_at or job.created_at, now)
        if job.cause not in (None, cause) or (tries == 1 and not too_many):
            # What it has waited for until now was something else.
            tries, first_try_at = 1, job.started_at or now
        elif cause is Cause.BUSY and job.not_before:
            # From when it was to be tried again, it has waited for its turn in its guild.
            first_try_at += max(0.0, (job.started_at or now) - job.not_before)
        again_at = next_try(error, tries, first_try_at, now, self._wait_seconds)
        if again_at is None:
            return await self._in_vain(job, error, cause, retry_at)
        # A 429 names its own time and uses up no try.
        return await self._store.settle(
            job, error.evidence, JobState.QUEUED, status=error.status, retry_at=retry_at, cause=cause,
            tries=tries - too_many, first_try_at=first_try_at, not_before=again_at,
        )  # fmt: skip

    async def _in_vain(self, job: Job, error: ProviderError, cause: Cause, retry_at: float | None) -> Job:
        """Waiting makes no sense, or no more: another model makes it, or it is refused."""
        settle = partial(self._store.settle, job, error.evidence, status=error.status, retry_at=retry_at)
        other = None if self._stand_ins is None else await self._stand_ins.after(job)
        if other is None:
            return await settle(JobState.REFUSED, cause=cause, detail=error.detail, ended_at=self._clock.now())
        with exchanged(self._pictures, job, other.request.images):
            return await settle(JobState.QUEUED, **other.changes)

    async def _shrink(self, job: Job, error: Rejected) -> Job:
        """Its pictures in fewer bytes, once."""
        try:
            pictures = await refitted(self._pictures, job.request.images, small=True)
        except (BadPicture, StorageUnavailable):
            return await self._end(job, Evidence.REFUSED, JobState.REFUSED, Cause.REJECTED, error.detail, error.status)
        request = replace(job.request, images=tuple(picture.name for picture in pictures), shrunk=True)
        with exchanged(self._pictures, job, request.images):
            return await self._store.settle(
                job, Evidence.REFUSED, JobState.QUEUED, status=error.status, request=request, cause=None
            )

    async def _repeat(
        self, job: Job, provider: Provider, cause: Cause, detail: str = "", status: int | None = None
    ) -> Job:
        """Nobody bills a self-hosted provider: ask it once more when it says that it is well."""
        deadline = self._clock.monotonic() + _HEALTH_PATIENCE
        while self._clock.monotonic() < deadline:
            try:
                await provider.healthy()
            except ProviderError:
                await self._clock.sleep(_PAUSE)
                continue
            return await self._store.settle(
                job, Evidence.AMBIGUOUS, JobState.QUEUED, status=status, cause=cause, repeated=True
            )
        return await self.uncertain(job, cause, detail, status)

    async def _end(
        self, job: Job, evidence: Evidence, to: JobState, cause: Cause, detail: str = "", status: int | None = None
    ) -> Job:
        return await self._store.settle(
            job, evidence, to, status=status, cause=cause, detail=detail, ended_at=self._clock.now()
        )


def _may_repeat(job: Job, provider: Provider) -> bool:
    return not provider.billed and not job.repeated


def _cause_of_waiting(error: ProviderError) -> Cause:
    if error.evidence is Evidence.NOT_SENT:
        return Cause.UNREACHABLE
    if isinstance(error, Unavailable):
        return Cause.BUSY
    return Cause.NO_CREDIT if error.status == _PAYMENT else Cause.UNAUTHORIZED
