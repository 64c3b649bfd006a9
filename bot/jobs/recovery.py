"""What a start does with jobs that a stop cut off in the middle (RELIABILITY, failure matrix, "kill -9 here")."""

import logging

from bot.domain.errors import Evidence
from bot.domain.job import MOST_CRASHES, MOVES, Cause, Job, JobState
from bot.jobs.submission import Submission
from bot.ports import Artifacts, Clock, Delivery, JobStore

log = logging.getLogger(__name__)


class Recovery:
    def __init__(
        self, store: JobStore, artifacts: Artifacts, delivery: Delivery, submission: Submission, clock: Clock
    ) -> None:
        self._store, self._artifacts, self._delivery = store, artifacts, delivery
        self._submission, self._clock = submission, clock

    async def poisoned(self, job: Job) -> Job | None:
        """The job at its end when what its provider sent has taken two processes with it: a third one lives (R15)."""
        if JobState.POISON not in MOVES[job.state] or self._artifacts.crashes(job) < MOST_CRASHES:
            return None
        log.error("given up: two processes ended while they worked on its media", extra={"job": job.id})
        ended = await self._store.settle(
            job, Evidence.CHARGED_UNUSABLE, JobState.POISON, cause=Cause.CRASHED, ended_at=self._clock.now()
        )
        self._artifacts.give_up(job)
        return ended

    async def step(self, job: Job) -> Job:
        return await (self._confirm(job) if job.state is JobState.RECEIVED else self._account(job))

    async def _confirm(self, job: Job) -> Job:
        """Was the member told? Then the job is queued; otherwise nothing is spent on it (R2)."""
        message_id = await self._delivery.find_acknowledgement(job)
        now = self._clock.now()
        if message_id is not None:
            return await self._store.move(job, JobState.QUEUED, ack_message_id=message_id, queued_at=now)
        return await self._store.move(job, JobState.ABANDONED, cause=Cause.NOT_CONFIRMED, ended_at=now)

    async def _account(self, job: Job) -> Job:
        """The call may have been paid for. Its bytes count if all of them reached the disk; else nobody can know."""
        if (made := await self._submission.salvaged(job)) is not None:
            return made
        log.warning("cut off while it was submitted", extra={"job": job.id, "provider": job.provider})
        return await self._submission.cut_off(job)
