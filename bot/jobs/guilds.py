"""What becomes of a guild's jobs when the bot is thrown out of it, and when it is let in again."""

import contextlib
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta

from bot.domain.errors import Stale
from bot.domain.job import Cause, Job, JobState
from bot.jobs.live import LiveJobs
from bot.ports import Clock, JobStore

# Whoever asked longer ago does not wait any more.
_REMEMBERED_SECONDS = timedelta(days=1).total_seconds()
_MOST = 500


class Guilds:
    """`cancel_running` asks a job's provider to drop it; `drop` ends one that a moderator has not released."""

    def __init__(
        self,
        store: JobStore,
        live: LiveJobs,
        clock: Clock,
        cancel_running: Callable[[Job, Cause], Awaitable[Job]],
        drop: Callable[[Job, Cause], Awaitable[Job]],
    ) -> None:
        self._store, self._live, self._clock = store, live, clock
        self._cancel_running, self._drop = cancel_running, drop

    async def only(self, known: Collection[int]) -> None:
        """As `left` for every guild that is not among these."""
        for guild_id in {job.to.guild_id for job in self._live} - set(known):
            await self.left(guild_id)

    async def left(self, guild_id: int) -> None:
        """Nobody is there any more to show a film to: cancel what can be cancelled."""
        for job in self._live.of_guild(guild_id):
            await self._cancel(job)

    async def joined(self, guild_id: int) -> None:
        """Tell now how jobs ended when nobody there could be told."""
        since = self._clock.now() - _REMEMBERED_SECONDS
        for state in (JobState.CANCELLED, JobState.UNDELIVERABLE):
            for job in await self._store.recent(guild_id, state=state, limit=_MOST):
                if job.cause is Cause.GUILD_LEFT and (job.ended_at or 0) > since:
                    with contextlib.suppress(Stale):
                        await self._store.note(job, told=False)

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
