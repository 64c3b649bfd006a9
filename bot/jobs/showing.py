"""What is kept of a job that could not be delivered, handed to whoever may ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bot.domain.errors import NotAllowed, Rule, Stale
from bot.domain.job import SHOWN_ELSEWHERE, Artifact, Job, JobState
from bot.jobs.service import By
from bot.ports import Artifacts, Clock, Counter, Give, JobStore

_LATEST = 100
_CHOICES = 25


class Showing:
    def __init__(self, store: JobStore, counter: Counter, artifacts: Artifacts, clock: Clock) -> None:
        self._store, self._counter, self._artifacts, self._clock = store, counter, artifacts, clock
        self._under_way: set[str] = set()

    async def own(self, by: By, typed: str) -> list[Job]:
        """The member's latest jobs that match what was typed, in any state, at most 25."""
        wanted = typed.strip().lower()
        jobs = await self._store.of_member(by.guild_id, by.member_id, limit=_LATEST)
        return [job for job in jobs if wanted in job.id or wanted in job.request.prompt.lower()][:_CHOICES]

    def keeps(self, artifact: Artifact) -> bool:
        return self._artifacts.path(artifact).exists()

    @contextmanager
    def once(self, job: Job) -> Iterator[None]:
        """Raises NotAllowed while the same job is being handed over to somebody else."""
        if job.id in self._under_way:
            raise NotAllowed(Rule.TOO_LATE, job.id)
        self._under_way.add(job.id)
        try:
            yield
        finally:
            self._under_way.discard(job.id)

    async def hand_over(self, job: Job, artifact: Artifact, limit: int, give: Give, seen_in: int | None) -> None:
        """Give the file first, and commit then: half-way, it is still kept, and may be asked for again.

        `seen_in` is the channel where everybody sees it, None when only the asking member does; then the job stays as
        it is. Raises DeliveryError, DeliveryRevoked, OSError when the file is gone, StorageUnavailable.
        """
        message_id = await self._counter.hand_over(job, artifact, limit, give)
        if seen_in is None:
            return
        here = seen_in == job.to.channel_id
        with suppress(Stale):
            await self._store.move(
                job, JobState.DONE, result_message_id=message_id if here else None, cause=None, told=False,
                detail="" if here else SHOWN_ELSEWHERE, ended_at=self._clock.now(),
            )  # fmt: skip
