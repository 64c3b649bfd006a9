"""Fetching a result that is ready: free, and repeated until it is here or nobody can hope for it any more."""

import logging
from dataclasses import dataclass

from bot.domain.errors import BadResponse, ProviderError, Rejected, Unauthorized
from bot.domain.job import Artifact, Cause, Job, RemoteHandle
from bot.jobs.asking import Desk
from bot.jobs.planner import WRONG_SECONDS, backoff, called_wrong
from bot.jobs.submission import Submission
from bot.ports import Artifacts, Clock, UnusableMedia

log = logging.getLogger(__name__)

_MOST_UNUSABLE = _MOST_GONE = 3

_Trouble = ProviderError | UnusableMedia | OSError


@dataclass(slots=True)
class _Tries:
    """What went wrong so far: what is unusable three times, or not there, called wrong for ten minutes, an outage or a
    full disk until stuck."""

    since: float
    failures: int = 0
    unusable: int = 0
    gone: int = 0
    wrong_since: float | None = None
    refused: bool = False

    def lost(self, error: _Trouble, now: float, desk: Desk) -> Cause | None:
        self.failures += 1
        if called_wrong(error):
            self.wrong_since = now if self.wrong_since is None else self.wrong_since
            return Cause.RESULT_GONE if now - self.wrong_since >= WRONG_SECONDS else None
        self.wrong_since = None
        if isinstance(error, BadResponse | UnusableMedia):
            self.unusable += 1
            return Cause.UNUSABLE if self.unusable >= _MOST_UNUSABLE else None
        over = desk.patience_is_over(self.since, self.failures)
        if isinstance(error, OSError):
            return Cause.STORAGE_FULL if over else None
        self.gone = self.gone + 1 if isinstance(error, Rejected) else 0
        return Cause.RESULT_GONE if over or self.gone >= _MOST_GONE else None


class Fetching:
    def __init__(self, artifacts: Artifacts, submission: Submission, clock: Clock) -> None:
        self._artifacts, self._submission, self._clock = artifacts, submission, clock

    async def fetch(self, job: Job, handle: RemoteHandle, desk: Desk) -> Job:
        tries, pause = _Tries(self._clock.monotonic()), 0.0
        while True:
            await self._clock.sleep(pause)
            try:
                artifact = await self._fetched(job, handle, desk)
            except (ProviderError, UnusableMedia, OSError) as error:
                _log(error, job)
                if isinstance(error, ProviderError):
                    desk.note(error, refused_before=tries.refused)
                    tries.refused = tries.refused or isinstance(error, Unauthorized)
                cause = tries.lost(error, self._clock.monotonic(), desk)
                if cause is not None:
                    return await self._submission.lost(job, cause, _detail(error))
            else:
                return await self._submission.made(job, artifact)
            pause = backoff(tries.failures, not_found=tries.gone > 0)

    async def _fetched(self, job: Job, handle: RemoteHandle, desk: Desk) -> Artifact:
        async with desk.fetching():
            part = self._artifacts.part(job)
            await desk.provider.fetch(handle, part)
            desk.taken()
            return await self._submission.keep(job, part)


def _log(error: _Trouble, job: Job) -> None:
    if isinstance(error, OSError):
        log.error("the result could not be kept: %s", error.strerror, extra={"job": job.id})
    else:
        log.warning("result not fetched: %s", error, extra={"job": job.id})


def _detail(error: _Trouble) -> str:
    if isinstance(error, OSError):
        return ""
    return error.detail if isinstance(error, ProviderError) else str(error)
