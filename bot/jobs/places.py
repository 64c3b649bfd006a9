"""Where a waiting job stands and when it will be ready: from the schedule itself and from measured times."""

from collections.abc import Sequence

from bot.domain.health import Trouble, trouble_of
from bot.domain.job import Job
from bot.domain.limits import GuildLimits
from bot.jobs.policy import Policies
from bot.ports import Clock, JobStore, Outage, Place

# An estimate that moves by less is the same one, and no reason to edit a message.
_GRAIN = 15.0


class Places:
    def __init__(self, store: JobStore, policies: Policies, clock: Clock, patience: float = 1800.0) -> None:
        """`patience` is for how many seconds a job waits without anybody who can make it."""
        self._store, self._policies, self._clock, self._patience = store, policies, clock, patience

    async def of(self, job: Job) -> Place:
        """`ready_at` stays None until jobs of the same model and size have been made."""
        if job.state.active and job.started_at is not None:
            usual = await self._store.usual_seconds(job.request)
            return Place(0, None if usual is None else _grained(max(self._clock.now(), job.started_at + usual)))
        ((_, place),) = await self.of_guild(job.to.guild_id, [job])
        return place

    async def of_guild(self, guild_id: int, jobs: Sequence[Job]) -> list[tuple[Job, Place]]:
        """The places of waiting jobs of one guild; one that is not queued yet comes after all that are."""
        now = self._clock.now()
        waiting = await self._store.waiting(guild_id, now)
        limits = await self._policies.limits(guild_id)
        starts = limits.rate.schedule(waiting.starts, now, len(waiting.job_ids) + 1)
        positions = {job_id: index for index, job_id in enumerate(waiting.job_ids)}
        troubles = await self._store.troubles()
        figures: dict[tuple[object, ...], float | None] = {}
        places = []
        for job in jobs:
            ahead = positions.get(job.id, len(positions))
            kind = (job.request.capability, job.request.model, job.request.size)
            if kind not in figures:
                figures[kind] = await self._store.usual_seconds(job.request)
            ready_at = _ready(figures[kind], starts, limits, now, ahead)
            places.append((job, Place(ahead, ready_at, self._outage(job, troubles))))
        return places

    def _outage(self, job: Job, troubles: Sequence[Trouble]) -> Outage | None:
        trouble = trouble_of(troubles, job.provider, job.request.model)
        if trouble is None:
            return None
        return Outage(trouble, trouble.ends_at(job.queued_at or self._clock.now(), self._patience))


def _ready(usual: float | None, starts: Sequence[float], limits: GuildLimits, now: float, ahead: int) -> float | None:
    if usual is None:
        return None
    by_capacity = now + usual * (ahead // max(1, limits.active_per_guild))
    return _grained(max(starts[ahead], by_capacity) + usual)


def _grained(moment: float) -> float:
    return -(-moment // _GRAIN) * _GRAIN
