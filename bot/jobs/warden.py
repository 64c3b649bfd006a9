"""Looks after jobs that wait for what may never come: a model that is not asked now, or money that their guild may not
spend any more. A stand-in, a word to the member, an end in time."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence

from bot.domain.errors import Stale, StorageUnavailable
from bot.domain.health import Trouble, trouble_of
from bot.domain.job import Cause, Job, JobState
from bot.jobs.announcer import Announcer
from bot.jobs.bell import Bell
from bot.jobs.catalog import Catalog
from bot.jobs.live import LiveJobs
from bot.jobs.policy import Policies
from bot.jobs.stand_ins import StandIns
from bot.ports import Clock, JobStore

log = logging.getLogger(__name__)

_LONGEST_REST = 60.0
_PACE = 1.0
_AT_ONCE = 100


class Warden:
    def __init__(
        self,
        *,
        catalog: Catalog,
        store: JobStore,
        policies: Policies,
        stand_ins: StandIns,
        live: LiveJobs,
        announcer: Announcer,
        clock: Clock,
        patience: float,
    ) -> None:
        """`patience` is for how many seconds a job waits without anybody who can make it."""
        self._catalog, self._store, self._stand_ins = catalog, store, stand_ins
        self._policies, self._live, self._announcer = policies, live, announcer
        self._clock, self._patience = clock, patience
        self._bell = Bell(clock)
        self._known: frozenset[Trouble] = frozenset()
        # Nobody waits whose provider is not configured any more.
        self._quiet = False
        # Jobs that nobody can stand in for, as long as the same models are in trouble.
        self._in_vain: set[str] = set()
        # Guilds whose waiting jobs may cost more than they may spend.
        self._unchecked: set[int] = set()

    def observe(self, job: Job) -> None:
        """Hears of every committed job: what became of an attempt may mean trouble, a new job may come into some."""
        if job.state is JobState.QUEUED:
            self._unchecked.add(job.to.guild_id)
            self._quiet = self._quiet and self._catalog.provider(job.provider) is not None
        if job.state is not JobState.SUBMITTING:
            self._bell.ring()

    def rules_changed(self, guild_id: int) -> None:
        self._unchecked.add(guild_id)
        # A stand-in may be allowed now, or affordable.
        self._in_vain.clear()
        self._bell.ring()

    async def run(self) -> None:
        """Until cancelled: a round whenever something has happened or is due, at most one a second."""
        self._unchecked.update(job.to.guild_id for job in self._live)
        while True:
            rest = 0.0
            try:
                rest = await self.look()
            except StorageUnavailable:
                log.info("storage is busy, jobs that wait for a provider are looked after later")
            except Exception:  # the root of this task
                log.exception("jobs that wait for a provider were not looked after, and will be")
            await self._clock.sleep(_PACE)
            await self._bell.rest(rest)

    async def look(self) -> float:
        """One round over the waiting jobs. Returns how many seconds the next one may be away."""
        await self._check_prices()
        troubles = await self._store.troubles()
        changed, self._known = self._known ^ frozenset(troubles), frozenset(troubles)
        if changed:
            self._in_vain.clear()
        if self._quiet and not troubles and not changed:
            return _LONGEST_REST
        strangers = False
        due = {trouble for trouble in troubles if trouble.again_at <= self._clock.now()}
        rest = _LONGEST_REST
        for number, job in enumerate(_waiting(self._live), 1):
            trouble = trouble_of(troubles, job.provider, job.request.model)
            if trouble is not None and trouble in due and (left := self._left(job, trouble)) > 0:
                # The one that is let through finds out whether the trouble is over; its guild may let none go.
                due.remove(trouble)
                rest = min(rest, left)
            elif trouble is not None or self._catalog.provider(job.provider) is None:
                strangers = strangers or trouble is None
                rest = min(rest, await self._look_after(job, trouble, troubles))
            if changed and trouble_of(changed, job.provider, job.request.model) is not None:
                self._announcer.changed(job)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        self._quiet = not strangers
        return rest

    async def _check_prices(self) -> None:
        """What alone costs more than its guild may spend in a day would wait for ever: that limit was lowered."""
        number = 0
        while self._unchecked:
            guild_id = self._unchecked.pop()
            try:
                await self._check_prices_of(guild_id)
            except StorageUnavailable:
                self._unchecked.add(guild_id)
                raise
            number += 1
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _check_prices_of(self, guild_id: int) -> None:
        prices = [(job, self._catalog.price(job.request.model)) for job in _waiting(self._live.of_guild(guild_id))]
        if not any(price for _, price in prices):
            return
        most = (await self._policies.limits(guild_id)).spend_per_day
        for job, price in prices:
            if price > most:
                with contextlib.suppress(Stale):
                    await self._refuse(job, Cause.TOO_EXPENSIVE, f"{price:g} {most:g}")

    async def _refuse(self, job: Job, cause: Cause, detail: str = "") -> None:
        await self._store.move(job, JobState.REFUSED, cause=cause, detail=detail, ended_at=self._clock.now())

    async def _look_after(self, job: Job, trouble: Trouble | None, troubles: Sequence[Trouble]) -> float:
        """`trouble` is None when the provider is not configured any more. Returns seconds until the job's end."""
        try:
            if job.id not in self._in_vain:
                if await self._stand_ins.take_over(job, troubles):
                    return _LONGEST_REST
                self._in_vain.add(job.id)
            if trouble is not None and (left := self._left(job, trouble)) > 0:
                return left
            cause = Cause.MODEL_GONE if trouble is None else trouble.cause
            await self._refuse(job, cause)
        except Stale:
            log.info("moved on meanwhile", extra={"job": job.id})
        except StorageUnavailable:
            raise
        except Exception:  # one job that cannot be looked after leaves the others alone
            log.exception("a waiting job was not looked after", extra={"job": job.id})
        return _LONGEST_REST

    def _left(self, job: Job, trouble: Trouble) -> float:
        """Seconds for which the job still waits for a model in trouble."""
        return trouble.ends_at(job.queued_at or job.created_at, self._patience) - self._clock.now()


def _waiting(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if job.state is JobState.QUEUED and job.discard is None]
