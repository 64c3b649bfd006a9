"""Where a waiting job stands and when it will be ready: from the schedule itself and from measured times."""

from bot.domain.job import Job, JobState
from bot.jobs.policy import Policies
from bot.ports import Clock, JobStore, Place


class Places:
    def __init__(self, store: JobStore, policies: Policies, clock: Clock) -> None:
        self._store, self._policies, self._clock = store, policies, clock

    async def of(self, job: Job) -> Place:
        """`ready_at` stays None until jobs of the same model and size have been made."""
        now = self._clock.now()
        usual = await self._store.usual_seconds(job.request)
        if job.state.active and job.started_at is not None:
            return Place(0, None if usual is None else max(now, job.started_at + usual))
        waiting = await self._store.waiting(job.to.guild_id, now)
        known = job.state is JobState.QUEUED and job.id in waiting.job_ids
        ahead = waiting.job_ids.index(job.id) if known else len(waiting.job_ids)
        if usual is None:
            return Place(ahead, None)
        limits = await self._policies.limits(job.to.guild_id)
        by_rate = limits.rate.nth_start(waiting.starts, now, ahead)
        by_capacity = now + usual * (ahead // max(1, limits.active_per_guild))
        return Place(ahead, max(by_rate, by_capacity) + usual)
