"""Keeps the queue messages true: places move whenever anything in the guild does."""

import logging

from bot.domain.errors import StorageUnavailable
from bot.domain.job import Job, JobState
from bot.jobs.bell import Bell
from bot.jobs.live import LiveJobs
from bot.jobs.places import Places
from bot.ports import Clock, Delivery

log = logging.getLogger(__name__)

_SHOWN = frozenset({JobState.SUBMITTING, JobState.SUBMITTED, JobState.RESULT, JobState.POSTING})
_PACE = 0.05
# A time that has passed is corrected so soon: once a minute is no flood, however short the jobs are.
_OVERDUE = 60.0


class Announcer:
    def __init__(self, places: Places, live: LiveJobs, delivery: Delivery, clock: Clock, every: float = 1.0) -> None:
        self._places, self._live, self._delivery = places, live, delivery
        self._clock, self._every = clock, every
        self._dirty: set[int] = set()
        # When a guild's first promise is overdue (monotonic): nothing may happen there while others take their time.
        self._due: dict[int, float] = {}
        self._bell = Bell(clock)

    def refresh(self, guild_id: int) -> None:
        """What its queue messages say may not be so any more."""
        self._dirty.add(guild_id)
        self._bell.ring()

    def changed(self, job: Job) -> None:
        """Never raises: who has just committed something goes on, whatever is wrong with our words."""
        self.refresh(job.to.guild_id)
        if job.state in _SHOWN:
            try:
                self._delivery.show(job, self._places.unserved(job))
            except Exception:
                log.exception("not shown", extra={"job": job.id, "state": job.state.value})

    async def run(self) -> None:
        """Until cancelled: bring the waiting jobs of every guild that changed up to date, once in `every` seconds."""
        while True:
            await self._bell.rest(min(self._due.values()) - self._clock.monotonic() if self._due else None)
            late = {guild_id for guild_id, at in self._due.items() if at <= self._clock.monotonic()}
            dirty, self._dirty = self._dirty | late, set()
            for guild_id in dirty:
                self._due.pop(guild_id, None)
                try:
                    await self._show(guild_id)
                except StorageUnavailable:
                    self.refresh(guild_id)
                except Exception:  # the root of this task
                    log.exception("queue messages of a guild not brought up to date", extra={"guild": guild_id})
            await self._clock.sleep(self._every)

    async def _show(self, guild_id: int) -> None:
        waiting = [job for job in self._live.of_guild(guild_id) if job.state is JobState.QUEUED]
        if waiting:
            placed = await self._places.of_guild(guild_id, waiting)
            if promised := [place.ready_at for _, place in placed if place.ready_at is not None]:
                left = max(0.0, min(promised) - self._clock.now())
                self._due[guild_id] = self._clock.monotonic() + left + _OVERDUE
            for job, place in placed:
                if self._live.put_up(job, place):
                    self._delivery.show(job, place)
                    # Discord takes 50 requests a second, and answers and results must not wait for these.
                    await self._clock.sleep(_PACE)
