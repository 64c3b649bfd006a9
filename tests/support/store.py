"""A job store on a real SQLite file, and what a claim must never exceed."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.domain.errors import Evidence
from bot.domain.job import Job, JobState
from bot.domain.limits import GuildLimits
from storage.database import Database
from storage.job_store import SqliteJobStore
from storage.policy_store import SqlitePolicyStore
from tests.support.clock import EPOCH
from tests.support.rows import GUILD, LIMITS, MEMBER, job


class StillClock:
    """`skew` is by how much somebody has set the wall clock, `booted` when the machine was started."""

    def __init__(self) -> None:
        self.time, self.skew, self.booted = EPOCH, 0.0, 0.0

    def now(self) -> float:
        return self.time + self.skew

    def monotonic(self) -> float:
        return self.time - self.booted

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Shop:
    database: Database
    operator: GuildLimits = LIMITS
    clock: StillClock = field(default_factory=StillClock)
    seen: list[Job] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    prices: dict[str, float] = field(default_factory=dict)
    weights: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = SqliteJobStore(
            self.database, self.operator, self.clock, self.seen.append, self.points.append,
            prices=self.prices, weights=self.weights,
        )  # fmt: skip
        self.policies = SqlitePolicyStore(self.database)

    async def queued(self, provider: str = "pipelet", *, guild: int = GUILD, member: int = MEMBER, **facts: Any) -> Job:
        added = await self.store.add(job(provider, guild=guild, member=member, **facts), self.operator)
        assert added is not None
        self.clock.time += 0.001
        return await self.store.move(
            added, JobState.QUEUED, ack_message_id=added.interaction_id + 1, queued_at=self.clock.now()
        )

    async def claimed(self, provider: str = "pipelet", concurrency: int = 1000) -> Job | None:
        return next(iter((await self.store.claim(provider, concurrency)).jobs), None)

    async def make(self, claimed: Job, evidence: Evidence = Evidence.MADE) -> Job:
        """The claimed job leaves its provider."""
        to = JobState.RESULT if evidence is Evidence.MADE else JobState.REFUSED
        return await self.store.settle(claimed, evidence, to)

    async def limit(self, guild: int = GUILD, **own: float) -> None:
        await self.alter(guild, own_limits=own)

    async def alter(self, guild: int = GUILD, **changes: Any) -> None:
        await self.policies.change(guild, 1, "test", self.clock.now(), lambda policy: replace(policy, **changes))

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda connection: [tuple(row) for row in connection.execute(sql)])

    async def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        names = [*rows[0]]
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        await self.database.write(lambda connection: connection.executemany(statement, rows))

    async def steps(self, work: Awaitable[object]) -> int:
        """What it costs in steps of SQLite's own machine."""
        counted: list[None] = []

        def count(connection: sqlite3.Connection) -> None:
            connection.set_progress_handler(lambda: counted.append(None), 1)

        for run in (self.database.write, self.database.read):
            await run(count)
        await work
        for run in (self.database.write, self.database.read):
            await run(lambda connection: connection.set_progress_handler(None, 0))
        return len(counted)

    async def active(self, column: str) -> Counter[Any]:
        rows = await self.rows(f"SELECT {column} FROM jobs WHERE state IN ('submitting', 'submitted')")
        return Counter(value for (value,) in rows)


@asynccontextmanager
async def opened(path: Path, operator: GuildLimits = LIMITS, **named: Any) -> AsyncIterator[Shop]:
    # The database's threads are no daemons: one that stays open keeps the whole run alive.
    database = await Database.open(path)
    try:
        yield Shop(database, operator, **named)
    finally:
        await database.close()
