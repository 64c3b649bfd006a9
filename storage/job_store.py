"""ports.JobStore on SQLite: every method one transaction, every move a compare-and-set."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from functools import partial
from typing import Any, TypeVar

from bot.domain.errors import Evidence, NotAllowed, RateLimited, Rule, Scope
from bot.domain.forecast import Crowd
from bot.domain.generation import GenerationRequest
from bot.domain.health import Trouble, is_providers_doing
from bot.domain.job import Act, Job, JobState
from bot.domain.limits import GuildLimits
from bot.ports import Claim, Clock, Measured, Waiting
from storage.claims import Claims
from storage.database import Database, Meanwhile, load_queries
from storage.health import Health
from storage.lanes import Lanes
from storage.ledger import Ledger
from storage.outlook import Outlook
from storage.rows import to_job, to_row, update
from storage.spill import Spill, Spilled
from storage.steady import SteadyClock

# Longer, and Discord's three seconds are lost; the member is told to try again.
_ADMISSION_PATIENCE = 0.4

Result = TypeVar("Result")
Observer = Callable[[Job], None]
Point = Callable[[str], None]
Witness = Callable[[Job], Awaitable[None]]


class SqliteJobStore:
    """`observer` hears of every committed job, on the event loop. `point` is called on the database's thread just
    before and on the loop after each commit, with names such as "before:posting": where a crash is tried. A move is
    named for its new state; "told" and "noted" are what else is written about a job. `witness` has seen the last of
    the jobs that were claimed together before anybody else sees one. `prices` are of one attempt, by model; `weights`
    are of guilds, 1 for all others. `spill` takes moves that the database does not."""

    def __init__(
        self,
        database: Database,
        operator: GuildLimits,
        clock: Clock,
        observer: Observer,
        point: Point = lambda _name: None,
        witness: Witness | None = None,
        prices: Mapping[str, float] | None = None,
        weights: Mapping[int, float] | None = None,
        spill: Spill | None = None,
    ) -> None:
        self._database, self._clock = database, clock
        self._observer, self._point, self._witness, self._spill = observer, point, witness, spill
        self._jobs, self._policies = load_queries("jobs.sql"), load_queries("policies.sql")
        self._health = Health(load_queries("health.sql"))
        self._steady, self._lanes, self._ledger = SteadyClock(clock), Lanes(weights or {}), Ledger(prices or {})
        self._claims = Claims(operator, self._steady, self._lanes, self._ledger, self._health)
        self._outlook = Outlook(self._jobs, self._claims, self._lanes, self._ledger, self._health, self._steady)
        self._rebuilt = False

    async def add(self, job: Job, caps: GuildLimits) -> Job | None:
        def work(connection: sqlite3.Connection) -> Job | None:
            to = job.to
            found = self._jobs.admission(
                connection, interaction_id=job.interaction_id, guild_id=to.guild_id, member_id=to.member_id
            )
            if found["seen"]:
                return None
            if job.retry_of and self._jobs.retried_already(connection, job_id=job.retry_of):
                raise NotAllowed(Rule.ALREADY_RETRIED)
            self._check_price(job, caps)
            self._check_room(connection, found, to.guild_id, caps)
            if job.retry_of:
                self._jobs.forget_abandoned_retry(connection, job_id=job.retry_of)
            self._jobs.insert_job(connection, **to_row(job))
            return job

        added = await self._write(work, JobState.RECEIVED, _ADMISSION_PATIENCE)
        if added is not None:
            self._observer(added)
        return added

    def _check_price(self, job: Job, caps: GuildLimits) -> None:
        price = self._ledger.price(job.request.model)
        if price > caps.spend_per_day:
            raise NotAllowed(Rule.TOO_EXPENSIVE, f"{price:g} {caps.spend_per_day:g}")

    def _check_room(
        self, connection: sqlite3.Connection, waiting: sqlite3.Row, guild_id: int, caps: GuildLimits
    ) -> None:
        for scope, count, cap in (
            (Scope.MEMBER, waiting["member"], caps.queued_per_member),
            (Scope.GUILD, waiting["guild"], caps.queued_per_guild),
        ):
            if count >= cap:
                now = self._steady.read(connection)
                starts = self._claims.starts(connection, guild_id, caps.rate, now.steady)
                start = now.wall_at(caps.rate.next_start(starts, now.steady))
                raise RateLimited(scope, cap, max(start, now.wall + 60))

    async def get(self, job_id: str) -> Job | None:
        row = await self._database.read(lambda connection: self._jobs.job_by_id(connection, id=job_id))
        return to_job(row) if row else None

    async def move(self, job: Job, to: JobState, *, act: Act | None = None, **changes: object) -> Job:
        moved = job.to_state(to, **changes)
        # The outside world knows nothing yet of what a moderator does.
        if self._spill is None or act is not None:
            return await self._replace(job, moved, to, act)
        return await self._spill.beside(
            job, moved, lambda put_aside: self._replace(job, moved, to, meanwhile=put_aside)
        )

    async def note(self, job: Job, *, act: Act | None = None, **changes: Any) -> Job:  # noqa: ANN401  # fields of Job
        return await self._replace(job, job._replace(**changes), "told" if changes.get("told") else "noted", act)

    async def _replace(
        self,
        old: Job,
        new: Job,
        point: str,
        act: Act | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Job:
        def work(connection: sqlite3.Connection) -> Job:
            return self._update(connection, old, new, act)

        stored = await self._write(work, point, meanwhile=meanwhile)
        self._observer(stored)
        return stored

    def _update(self, connection: sqlite3.Connection, old: Job, new: Job, act: Act | None = None) -> Job:
        stored = update(connection, old, new)
        if act is not None:
            self._policies.insert_audit(
                connection, guild_id=old.to.guild_id, moderator_id=act.by, at=self._clock.now(), verb=act.verb,
                before=f"{old.id} {old.state}", after=act.after,
            )  # fmt: skip
        self._lanes.follow(connection, old, stored)
        accepted = old.state is JobState.SUBMITTING and stored.state is JobState.SUBMITTED
        if accepted and self._health.accepted(connection, stored):
            self._lanes.recovered(connection, stored.provider)
        return stored

    async def claim(self, provider: str, concurrency: int, most: int = 1) -> Claim:
        if not self._rebuilt:
            await self._database.write(self._lanes.rebuild, _ADMISSION_PATIENCE)
            self._rebuilt = True
        claim = await self._write(
            lambda connection: self._claims.claim(connection, provider, concurrency, most),
            JobState.SUBMITTING,
            _ADMISSION_PATIENCE,
        )
        if claim.jobs and self._witness is not None:
            await self._witness(claim.jobs[-1])
        for job in claim.jobs:
            self._observer(job)
        return claim

    async def settle(
        self,
        job: Job,
        evidence: Evidence,
        to: JobState,
        *,
        status: int | None = None,
        retry_at: float | None = None,
        act: Act | None = None,
        **changes: object,
    ) -> Job:
        moved = job.to_state(to, **changes)

        def work(connection: sqlite3.Connection) -> Job:
            now = self._clock.now()
            self._claims.settle(connection, job, evidence, status, retry_at)
            learned = is_providers_doing(evidence, moved.cause)
            if learned and self._health.learn(connection, job, evidence, status, retry_at, now):
                self._lanes.recovered(connection, job.provider)
            return self._update(connection, job, moved, act)

        stored = await self._write(work, to)
        self._observer(stored)
        return stored

    async def troubles(self) -> Sequence[Trouble]:
        return await self._database.read(self._health.troubles)

    async def unfinished(self) -> Sequence[Job]:
        if self._spill is not None:
            for spilled in await self._spill.left():
                await self._database.write(partial(self._take_up, spilled=spilled))
                await self._spill.drop(spilled.job)
        return await self._list(self._jobs.unfinished)

    def _take_up(self, connection: sqlite3.Connection, spilled: Spilled) -> None:
        row = self._jobs.job_by_id(connection, id=spilled.job)
        if row is not None and (row["state"], row["epoch"]) == (spilled.state, spilled.epoch):
            self._update(connection, to_job(row), to_job({**dict(row), **spilled.changes}))

    async def waiting(self, guild_id: int) -> Waiting:
        return await self._database.read(lambda connection: self._outlook.waiting(connection, guild_id))

    async def crowd(self, provider: str, places: int) -> Crowd:
        return await self._database.read(lambda connection: self._outlook.crowd(connection, provider, places))

    async def measured(self, request: GenerationRequest) -> Measured | None:
        return await self._database.read(lambda connection: self._outlook.measured(connection, request))

    async def of_member(self, guild_id: int, member_id: int, *, limit: int) -> Sequence[Job]:
        return await self._list(
            lambda connection: self._jobs.jobs_of_member(
                connection, guild_id=guild_id, member_id=member_id, limit=limit
            )
        )

    async def recent(
        self, guild_id: int, *, member_id: int | None = None, state: JobState | None = None, limit: int = 25
    ) -> Sequence[Job]:
        wanted = {"guild_id": guild_id, "member_id": member_id, "state": state.value if state else None, "limit": limit}
        return await self._list(lambda connection: self._jobs.recent_jobs(connection, **wanted))

    async def held(self, guild_id: int) -> Sequence[Job]:
        return await self._list(lambda connection: self._jobs.held_in_guild(connection, guild_id=guild_id))

    async def expired(self, before: float) -> Sequence[Job]:
        return await self._list(lambda connection: self._jobs.expired_jobs(connection, before=before))

    async def files_gone(self, job: Job) -> None:
        await self._database.write(lambda connection: self._jobs.forget_files(connection, id=job.id))

    async def files(self) -> Set[str]:
        def work(connection: sqlite3.Connection) -> Set[str]:
            names = {name for row in self._jobs.files(connection) for name in row if name is not None}
            return {name.partition(".")[0] for name in names}

        return await self._database.read(work)

    async def _list(self, query: Callable[[sqlite3.Connection], Any]) -> Sequence[Job]:
        return await self._database.read(lambda connection: [to_job(row) for row in query(connection)])

    async def _write(
        self,
        work: Callable[[sqlite3.Connection], Result],
        name: str,
        patience: float | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Result:
        def pointed(connection: sqlite3.Connection) -> Result:
            result = work(connection)
            if not isinstance(result, Claim) or result.jobs:
                self._point(f"before:{name}")
            return result

        result = await self._database.write(pointed, patience, meanwhile)
        if not isinstance(result, Claim) or result.jobs:
            self._point(f"after:{name}")
        return result
