"""What becomes of a guild's jobs when the bot is thrown out of it, and when it is let in again."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Set
from datetime import timedelta
from typing import Protocol

from bot.domain.errors import Stale
from bot.domain.job import Cause, Job, JobState
from bot.jobs.live import LiveJobs
from bot.jobs.policy import Policies
from bot.ports import Clock, JobStore

log = logging.getLogger(__name__)

# Whoever asked longer ago does not wait any more.
_REMEMBERED_SECONDS = timedelta(days=1).total_seconds()
_MOST = 500
# What ended so shortly before the bot was gone may not have been told any more.
_JUST_BEFORE = 60.0
# Discord's error table (RELIABILITY): a guild that was left is forgotten.
_FORGOTTEN_AFTER = timedelta(days=30).total_seconds()


class Departures(Protocol):
    """Which guilds the bot is not in any more; times are epoch seconds. All raise StorageUnavailable."""

    async def left(self, guild_id: int, at: float) -> None:
        """The first time counts."""

    async def only(self, known: Collection[int], at: float) -> None:
        """As `left` for all other guilds that anything is known of."""

    async def among(self, known: Collection[int]) -> Mapping[int, float]:
        """Those of them that were left, and when."""

    async def joined(self, guild_id: int) -> None: ...

    async def forget(self, before: float) -> Set[int]:
        """Delete what ended jobs, rules and records there are of guilds that were left before then, a little at a time.
        Returns those of which there was something."""


class Guilds:
    """`cancel_running` asks a job's provider to drop it; `drop` ends one that a moderator has not released."""

    def __init__(
        self,
        store: JobStore,
        departures: Departures,
        policies: Policies,
        live: LiveJobs,
        clock: Clock,
        cancel_running: Callable[[Job, Cause], Awaitable[Job]],
        drop: Callable[[Job, Cause], Awaitable[Job]],
    ) -> None:
        self._store, self._departures, self._policies, self._live, self._clock = (
            store, departures, policies, live, clock
        )  # fmt: skip
        self._cancel_running, self._drop = cancel_running, drop

    async def only(self, known: Collection[int]) -> None:
        """As `joined` for each of these guilds, and as `left` for every other one."""
        self._live.gone.difference_update(known)
        self._live.gone.update({job.to.guild_id for job in self._live} - set(known))
        await self._departures.only(known, self._clock.now())
        for guild_id in list(self._live.gone):
            await self._cancel_all(guild_id)
        for guild_id in await self._departures.among(known):
            await self.joined(guild_id)

    async def left(self, guild_id: int) -> None:
        """Nobody is there any more to show a film to: cancel what can be cancelled."""
        self._live.gone.add(guild_id)
        # First: providers may take their time, and the bot be let in again meanwhile.
        await self._departures.left(guild_id, self._clock.now())
        await self._cancel_all(guild_id)

    async def joined(self, guild_id: int) -> None:
        """Tell now how jobs ended when nobody there could be told. Nothing where the bot was all the time."""
        self._live.gone.discard(guild_id)
        left = await self._departures.among([guild_id])
        if guild_id not in left:
            return
        for job in await self._store.recent(guild_id, limit=_MOST):
            if self._unheard(job, left[guild_id]):
                with contextlib.suppress(Stale):
                    # Whoever has just tried in vain must not note that it was told: the epoch tells them.
                    await self._store.note(job, told=False, epoch=job.epoch + 1)
        await self._departures.joined(guild_id)

    def _unheard(self, job: Job, left_at: float) -> bool:
        """Whether it ended when nobody could be told, and not so long ago that nobody waits for it."""
        ended_at = job.ended_at or 0.0
        if job.state is JobState.DONE or ended_at < self._clock.now() - _REMEMBERED_SECONDS:
            return False
        return job.cause is Cause.GUILD_LEFT or ended_at > left_at - _JUST_BEFORE

    async def forget(self, now: float) -> None:
        """Nothing is kept of a guild that was left 30 days ago."""
        for guild_id in await self._departures.forget(now - _FORGOTTEN_AFTER):
            self._policies.forget(guild_id)
            log.info("forgotten: the guild was left long ago", extra={"guild": guild_id})

    async def _cancel_all(self, guild_id: int) -> None:
        for job in self._live.of_guild(guild_id):
            await self._cancel(job)

    async def _cancel(self, job: Job) -> None:
        for _ in range(3):
            try:
                if job.state in (JobState.RECEIVED, JobState.QUEUED):
                    await self._store.move(job, JobState.CANCELLED, cause=Cause.GUILD_LEFT, ended_at=self._clock.now())
                elif job.state is JobState.HELD:
                    await self._drop(job, Cause.GUILD_LEFT)
                elif job.state.active:
                    await self._cancel_running(job, Cause.GUILD_LEFT)
            except Stale:
                job = await self._store.get(job.id) or job
            else:
                return
