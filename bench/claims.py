"""What it costs to find and claim the next job, among few queued jobs and among many."""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.core import NO_LIMITS
from bench.figures import CannotMeasure, Figure, Goal
from bench.filling import PROVIDER, fill
from bot.clock import SystemClock
from bot.domain.errors import Evidence
from bot.domain.job import Cause, JobState
from storage.database import Database
from storage.job_store import SqliteJobStore

_MICRO = 1_000_000
_MEMBERS = 3


@dataclass(frozen=True, slots=True)
class Crowd:
    jobs: int
    guilds: int

    def place_of(self, number: int) -> dict[str, object]:
        return {"guild_id": number % self.guilds + 1, "member_id": number // self.guilds % _MEMBERS}

    def __str__(self) -> str:
        return f"{self.jobs:,} queued in {self.guilds:,} guilds"


@dataclass(frozen=True, slots=True)
class Plan:
    few: Crowd = Crowd(100, 10)
    many: Crowd = Crowd(100_000, 5_000)
    claims: int = 300


@dataclass(frozen=True, slots=True)
class _Store:
    crowd: Crowd
    store: SqliteJobStore
    elapsed: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)

    async def claim(self) -> None:
        """One claim, measured, and its job put back. `elapsed` has its commit in it, `worked` only the CPU's time."""
        begun, worked = time.perf_counter(), time.process_time()
        claim = await self.store.claim(PROVIDER, self.crowd.jobs)
        self.worked.append(time.process_time() - worked)
        self.elapsed.append(time.perf_counter() - begun)
        if not claim.jobs:
            raise CannotMeasure(f"nothing to claim of {self.crowd}")
        # No provider's doing, so that none counts as failing.
        await self.store.settle(claim.jobs[0], Evidence.NOT_SENT, JobState.QUEUED, cause=Cause.RESTARTED)


async def measure(plan: Plan | None = None) -> list[Figure]:
    """The two take turns, so that a drifting machine weighs on both."""
    plan = plan or Plan()
    async with _filled(plan.few) as few, _filled(plan.many) as many:
        for _ in range(plan.claims):
            await few.claim()
            await many.claim()
    figures = [
        Figure(f"{each.crowd}: {what}", median(seconds) * _MICRO, "µs")
        for each in (few, many)
        for what, seconds in (("a claim with its commit, p50", each.elapsed), ("its CPU time, p50", each.worked))
    ]
    goal = Goal(1.5, includes=True)
    return [
        *figures,
        Figure("many / few, with the commit", median(many.elapsed) / median(few.elapsed), "x", goal),
        Figure("many / few, CPU time", median(many.worked) / median(few.worked), "x", goal),
    ]


@asynccontextmanager
async def _filled(crowd: Crowd) -> AsyncIterator[_Store]:
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as folder:
        database = await Database.open(Path(folder) / "matinee.db")
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            await database.write(lambda connection: fill(connection, crowd.jobs, JobState.QUEUED, crowd.place_of))
            store = _Store(crowd, SqliteJobStore(database, NO_LIMITS, SystemClock(), lambda _job: None))
            # The first claim of a process sets its rows in order.
            await store.claim()
            store.elapsed.clear()
            store.worked.clear()
            yield store
