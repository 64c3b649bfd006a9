"""Work by the clock: files past their time go, and providers that can describe their models are asked again."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from bot.domain.errors import ProviderError, StorageUnavailable
from bot.domain.job import Job
from bot.jobs.catalog import Catalog
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
        clock: Clock,
        keep_days: float,
        turn: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """`turn` is called from time to time: backups age."""
        self._turn = turn
        self._store, self._artifacts, self._pictures = store, artifacts, pictures
        self._catalog, self._clock, self._keep_seconds = catalog, clock, keep_days * DAY

    def chores(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Each runs until it is cancelled."""
        every = (
            (self.sweep, _SWEEP_EVERY), (self.tidy, _TIDY_EVERY), (self.refresh, _REFRESH_EVERY),
            (self._turn, _TURN_EVERY),
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
        """Remove the films and pictures of jobs that ended more than `keep_days` ago."""
        for job in await self._store.expired(self._clock.now() - self._keep_seconds):
            try:
                self._forget_files(job)
            except OSError:
                log.exception("files past their time stay", extra={"job": job.id})
                continue
            await self._store.files_gone(job)

    def _forget_files(self, job: Job) -> None:
        if job.artifact is not None:
            self._artifacts.forget(job.artifact)
        for name in job.request.images:
            self._pictures.forget(name)

    async def tidy(self) -> None:
        """Remove files that no row knows: of a stop before a commit, or of a database that was restored."""
        known = await self._store.files()
        for keeper in (self._artifacts, self._pictures):
            await keeper.forget_strangers(self._keep_seconds + DAY, known)

    async def refresh(self) -> None:
        for provider in self._catalog.providers:
            try:
                await provider.refresh()
            except ProviderError as error:
                log.warning("%s did not describe its models: %s", error.provider, error.detail)
