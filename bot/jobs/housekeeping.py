"""Work by the clock: files past their time go, and providers that can describe their models are asked again."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence, Set
from datetime import timedelta
from functools import partial
from typing import Any

from bot.domain.errors import ProviderError, StorageUnavailable
from bot.domain.job import Job
from bot.domain.limits import Moment
from bot.jobs.catalog import Catalog
from bot.jobs.guilds import Guilds
from bot.ports import Artifacts, Clock, JobStore, Pictures

log = logging.getLogger(__name__)

DAY = timedelta(days=1).total_seconds()
_SWEEP_EVERY = timedelta(minutes=10).total_seconds()
_TIDY_EVERY = timedelta(hours=1).total_seconds()
_REFRESH_EVERY = timedelta(minutes=1).total_seconds()
_TURN_EVERY = timedelta(minutes=5).total_seconds()


class Housekeeping:
    def __init__(
        self,
        store: JobStore,
        artifacts: Artifacts,
        pictures: Pictures,
        catalog: Catalog,
        guilds: Guilds,
        clock: Clock,
        keep_days: float,
        turn: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """`turn` is called from time to time: backups age."""
        self._turn = turn
        self._store, self._artifacts, self._pictures = store, artifacts, pictures
        self._catalog, self._guilds, self._clock, self._keep_seconds = catalog, guilds, clock, keep_days * DAY
        self._moment = Moment(clock.now(), clock.now(), clock.monotonic())

    def chores(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Each runs until it is cancelled."""
        every = (
            (self.sweep, _SWEEP_EVERY), (self.tidy, _TIDY_EVERY), (self.refresh, _REFRESH_EVERY),
            (self._turn, _TURN_EVERY), (self.forget, _TIDY_EVERY),
        )  # fmt: skip
        return [partial(self._forever, work, seconds) for work, seconds in every]

    async def _forever(self, work: Callable[[], Coroutine[Any, Any, None]], every: float) -> None:
        while True:
            await self._clock.sleep(every)
            try:
                await work()
            except StorageUnavailable:
                log.info("storage is busy, housekeeping waits")
            except Exception:  # the root of this task
                log.exception("housekeeping failed, and goes on")

    async def sweep(self) -> None:
        """Remove the films and pictures of jobs that ended more than `keep_days` ago. A picture that a retry shares
        stays as long as the retry's do."""
        before = self._seen() - self._keep_seconds
        while expired := await self._store.expired(before):
            # First: what is left over when this is as far as we come is a stranger, and tidied away.
            await asyncio.gather(*(self._store.files_gone(job) for job in expired))
            shared = await self._store.files() if any(job.request.images for job in expired) else frozenset[str]()
            for job in expired:
                self._forget_files(job, shared)

    def _seen(self) -> float:
        """Epoch seconds, as far as time has passed by both clocks since the start: a wall clock that is set forward
        must not take away what was paid for."""
        now = self._clock.now()
        self._moment = self._moment.at(now, self._clock.monotonic())
        return min(now, self._moment.steady)

    def _forget_files(self, job: Job, shared: Set[str]) -> None:
        try:
            if job.artifact is not None:
                self._artifacts.forget(job.artifact)
            for name in job.request.images:
                if name.partition(".")[0] not in shared:
                    self._pictures.forget(name)
        except OSError:
            log.exception("files past their time stay", extra={"job": job.id})

    async def tidy(self) -> None:
        """Remove files that no row knows: of a stop before a commit, or of a database that was restored."""
        known = await self._store.files()
        for keeper in (self._artifacts, self._pictures):
            await keeper.forget_strangers(self._keep_seconds + DAY, known)

    async def forget(self) -> None:
        """Remove what is left of guilds that were left long ago."""
        await self._guilds.forget(self._seen())

    async def refresh(self) -> None:
        for provider in self._catalog.providers:
            try:
                await provider.refresh()
            except ProviderError as error:
                log.warning("models not described: %s", error)
