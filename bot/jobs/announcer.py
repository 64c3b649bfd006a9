"""Keeps the queue messages true: places move whenever anything in the guild does."""

import asyncio
import logging

from bot.domain.errors import StorageUnavailable
from bot.domain.job import Job, JobState
from bot.jobs.live import LiveJobs
from bot.jobs.places import Places
from bot.ports import Clock, Delivery

log = logging.getLogger(__name__)

_SHOWN = frozenset({JobState.SUBMITTING, JobState.SUBMITTED, JobState.RESULT, JobState.POSTING})
_PACE = 0.05


class Announcer:
    def __init__(self, places: Places, live: LiveJobs, delivery: Delivery, clock: Clock, every: float = 1.0) -> None:
        self._places, self._live, self._delivery = places, live, delivery
        self._clock, self._every = clock, every
        self._dirty: set[int] = set()
        self._rung = asyncio.Event()

    def refresh(self, guild_id: int) -> None:
        """What its queue messages say may not be so any more."""
        self._dirty.add(guild_id)
        self._rung.set()

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
            await self._rung.wait()
            self._rung.clear()
            dirty, self._dirty = self._dirty, set()
            for guild_id in dirty:
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
            for job, place in await self._places.of_guild(guild_id, waiting):
                if self._live.put_up(job, place):
                    self._delivery.show(job, place)
                    # Discord takes 50 requests a second, and answers and results must not wait for these.
                    await self._clock.sleep(_PACE)
