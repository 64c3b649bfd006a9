"""Who waits for whom: bounds that hold whatever comes and goes, and lanes that are always what the jobs say."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import Evidence
from bot.domain.forecast import Standing, Turn, start_times
from bot.domain.job import Cause, Job, JobState
from storage.job_store import SqliteJobStore
from tests.support.rows import GUILD, OTHER_GUILD, limits
from tests.support.store import Shop, opened

PROVIDERS = ("chutes", "pipelet")
arrives = st.tuples(st.just("arrives"), st.integers(1, 5), st.integers(1, 4))
claims = st.tuples(st.just("claims"), st.sampled_from(PROVIDERS), st.just(0))
leaves = st.tuples(st.just("leaves"), st.integers(0, 9), st.sampled_from([Evidence.MADE, Evidence.REFUSED]))
events = st.lists(arrives | claims | claims | leaves, min_size=10, max_size=50)


@asynccontextmanager
async def fresh(**named: Any) -> AsyncIterator[Shop]:
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder) / "matinee.db", **named) as shop:
            yield shop


@dataclass
class Waits:
    """For everybody who has one job waiting and is below the `cap`, the starts of others, and how many they may be."""

    cap: int
    waiting: list[Job] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)

    def came(self, job: Job) -> None:
        self.waiting.append(job)
        self._begin(job)

    def started(self, started: Job, running: list[Job]) -> None:
        self.waiting = [job for job in self.waiting if job.id != started.id]
        busy, left = (Counter(map(self.who, jobs)) for jobs in (running, self.waiting))
        for job in self.waiting:
            if self.who(job) == self.who(started):
                self._begin(job)
            elif self.contends(started, job) and busy[self.who(job)] < self.cap and left[self.who(job)] == 1:
                self.passed[job.id] += 1
                assert self.passed[job.id] < self.bounds[job.id], (job, self.passed, self.bounds)

    def _begin(self, job: Job) -> None:
        """From now on it waits for one start of each that waits there."""
        self.passed[job.id] = 0
        self.bounds[job.id] = len({self.who(other) for other in self.waiting if self.contends(other, job)})

    def who(self, job: Job) -> Any:
        return job.to.guild_id

    def contends(self, other: Job, job: Job) -> bool:
        return other.provider == job.provider


class WaitsOfMembers(Waits):
    def who(self, job: Job) -> Any:
        return job.to.guild_id, job.to.member_id

    def contends(self, other: Job, job: Job) -> bool:
        return other.to.guild_id == job.to.guild_id


@settings(max_examples=25)
@given(events=events, per_guild=st.integers(1, 3), concurrency=st.integers(1, 4))
async def test_one_job_of_a_guild_waits_for_one_start_of_each_guild_that_waits(events, per_guild, concurrency):
    """At two providers, while others are at their caps and come off them."""
    waits = Waits(cap=per_guild)
    async with fresh(operator=limits(active_per_guild=per_guild, burst=1000)) as shop:
        running: list[Job] = []
        for number, (what, first, second) in enumerate(events):
            if what == "arrives":
                waits.came(await shop.queued(PROVIDERS[number % 2], guild=first, member=100 * first + second))
            elif what == "claims" and (job := await shop.claimed(first, concurrency)) is not None:
                waits.started(job, running)
                running.append(job)
            elif what == "leaves" and running:
                await shop.make(running.pop(first % len(running)), second)


@settings(max_examples=25)
@given(events=events, per_guild=st.integers(1, 3), per_member=st.integers(1, 2))
async def test_one_job_of_a_member_waits_for_one_start_of_each_member_that_waits(events, per_guild, per_member):
    waits = WaitsOfMembers(cap=per_member)
    operator = limits(active_per_guild=per_guild, active_per_member=per_member, burst=1000)
    async with fresh(operator=operator) as shop:
        running: list[Job] = []
        for what, first, second in events:
            if what == "arrives":
                waits.came(await shop.queued(guild=second % 2, member=10 * (second % 2) + first))
            elif what == "claims" and (job := await shop.claimed(concurrency=3)) is not None:
                waits.started(job, running)
                running.append(job)
            elif what == "leaves" and running:
                await shop.make(running.pop(first % len(running)), second)


@settings(max_examples=25)
@given(events=events, caps=st.tuples(st.integers(1, 3), st.integers(1, 2)), together=st.integers(2, 9))
async def test_jobs_that_are_claimed_together_are_those_that_would_be_claimed_one_after_another(events, caps, together):
    operator = limits(active_per_guild=caps[0], active_per_member=caps[1], burst=4, jobs_per_hour=1)
    histories: list[list[Any]] = []
    for at_once in (together, 1):
        async with fresh(operator=operator) as shop:
            names: dict[str, int] = {}
            running: list[Job] = []
            for number, (what, first, second) in enumerate(events):
                if what == "arrives":
                    names[(await shop.queued(PROVIDERS[number % 2], guild=first, member=second)).id] = number
                elif what == "leaves" and running:
                    await shop.make(running.pop(first % len(running)), second)
                for _ in range(together // at_once if what == "claims" else 0):
                    running += (await shop.store.claim(first, 5, at_once)).jobs
            histories.append([names[job.id] for job in running])
    assert histories[0] == histories[1]


@settings(max_examples=25)
@given(events=events, per_guild=st.integers(1, 2), turned=st.booleans())
async def test_so_it_does_while_the_guilds_jobs_at_two_providers_share_its_caps(events, per_guild, turned):
    """Both providers ask whenever something has changed, and always the same one first."""
    waits = WaitsOfMembers(cap=50)
    async with fresh(operator=limits(active_per_guild=per_guild, burst=1000)) as shop:
        running: list[Job] = []
        for number, (what, first, _) in enumerate(events):
            if what == "arrives":
                waits.came(await shop.queued(PROVIDERS[number % 2], member=first))
            elif running:
                await shop.make(running.pop(first % len(running) if what == "leaves" else 0))
            for provider in (PROVIDERS[::-1] if turned else PROVIDERS) * 2:
                while (job := await shop.claimed(provider)) is not None:
                    waits.started(job, running)
                    running.append(job)
            shop.clock.time += 1


async def test_a_flood_at_the_provider_that_asks_first_keeps_nobody_from_another(shop: Shop):
    await shop.limit(active_per_guild=1)
    await shop.claimed("chutes")
    await shop.claimed("pipelet")
    running = None
    for _ in range(5):
        await shop.queued("chutes", member=1)
    for _ in range(2):
        await shop.queued("pipelet", member=2)
    order = []
    for _ in range(5):
        started = [await shop.claimed("chutes"), await shop.claimed("pipelet"), await shop.claimed("chutes")]
        (running,) = [job for job in started if job is not None]
        order.append(running.to.member_id)
        await shop.make(running)
        shop.clock.time += 1
    assert order == [1, 2, 1, 2, 1]


async def test_a_start_is_kept_only_for_a_provider_that_asks(shop: Shop):
    await shop.limit(active_per_guild=1)
    await shop.claimed("chutes")
    await shop.queued("chutes", member=1)
    later = await shop.queued("pipelet", member=2)
    claim = await shop.store.claim("pipelet", 9)
    assert (claim.jobs, claim.look_again_at) == ((), shop.clock.now() + 0.5)
    shop.clock.time += 0.6
    assert (await shop.claimed()).id == later.id


@pytest.mark.parametrize(("asked", "taken"), [(False, 0), (True, 1), (True, 0)])
async def test_nor_for_one_that_nobody_asks_or_that_is_full(shop: Shop, asked: bool, taken: int):
    await shop.limit(active_per_guild=1)
    for _ in range(taken):
        await shop.queued("chutes", guild=OTHER_GUILD)
    if asked:
        await shop.claimed("chutes", 1)
    await shop.queued("chutes", member=1)
    await shop.queued("pipelet", member=2)
    gives_way = asked and not taken
    assert (await shop.claimed("pipelet") is None) is gives_way


async def test_nor_while_the_guild_may_start_more_than_one(shop: Shop):
    await shop.limit(jobs_per_hour=60, burst=2)
    await shop.claimed("chutes")
    await shop.queued("chutes", member=1)
    later = await shop.queued("pipelet", member=2)
    shop.clock.time = 1_900_000_000.0
    assert (await shop.claimed("pipelet")).id == later.id


async def test_a_provider_that_is_given_way_to_looks_at_once_whether_its_model_is_well_again(shop: Shop):
    await shop.limit(active_per_guild=1)
    await shop.queued("chutes", guild=OTHER_GUILD)
    await shop.store.settle(await shop.claimed("chutes"), Evidence.REFUSED, JobState.QUEUED, status=404)
    first = await shop.queued("chutes", member=1)
    await shop.queued("pipelet", member=2)
    shop.clock.time += 61
    probe = await shop.claimed("chutes")
    assert probe.to.guild_id == OTHER_GUILD
    assert await shop.claimed("chutes") is None
    await shop.make(probe)
    assert await shop.claimed("pipelet") is None
    assert (await shop.claimed("chutes")).id == first.id


@pytest.mark.parametrize("taken", [False, True])
async def test_who_waited_for_a_model_that_failed_comes_before_who_asks_when_it_is_well_again(shop: Shop, taken: bool):
    await shop.queued(guild=99)
    await shop.store.settle(await shop.claimed(), Evidence.REFUSED, JobState.QUEUED, status=404)
    waited = [await shop.queued(guild=guild) for guild in (1, 2)]
    assert await shop.claimed() is None
    shop.clock.time += 61
    probe = await shop.claimed()
    assert await shop.claimed() is None
    await (shop.store.move(probe, JobState.SUBMITTED) if taken else shop.make(probe))
    for _ in range(2):
        await shop.queued(guild=50)
    assert [(await shop.claimed()).id for _ in waited] == [job.id for job in waited]


@settings(max_examples=15)
@given(heavy=st.sampled_from([0.5, 2, 3, 7]), others=st.integers(1, 3), starts=st.integers(20, 40))
async def test_a_guild_of_weight_w_starts_w_times_as_often_while_all_wait(heavy: float, others: int, starts: int):
    async with fresh(weights={GUILD: heavy}) as shop:
        guilds = [GUILD + number for number in range(others + 1)]
        for number in range((others + 1) * starts):
            await shop.queued(guild=guilds[number % len(guilds)])
        won = Counter([(await shop.claimed()).to.guild_id for _ in range(starts)])
        for guild in guilds[1:]:
            assert abs(won[GUILD] / heavy - won[guild]) <= 1 + 1 / heavy


@settings(max_examples=15)
@given(weights=st.lists(st.sampled_from([0.5, 1, 3, 7]), min_size=2, max_size=4), waiting=st.integers(2, 9))
async def test_the_forecast_knows_the_weights(weights: list[float], waiting: int):
    async with fresh(weights=dict(enumerate(weights))) as shop:
        for number in range(waiting * len(weights)):
            await shop.queued(guild=number % len(weights))
        first = await shop.claimed()
        crowd = replace(await shop.store.crowd("pipelet", 1), seconds=1)
        standing = Standing(first.to.guild_id, shop.operator, (), (), {"pipelet": crowd})
        told = start_times([Turn(1, "pipelet", 1)] * (waiting - 1), standing, 0)
        order = [(await shop.claimed()).to.guild_id for _ in range(waiting * len(weights) - 1)]
        took = [at for at, guild in enumerate(order, 1) if guild == first.to.guild_id]
        for start, real in zip(told, took, strict=True):
            assert abs(start - real) <= len(weights) + sum(weights) / weights[first.to.guild_id]


async def test_idling_earns_nothing(shop: Shop):
    for number in range(20):
        await shop.queued(guild=GUILD + number % 2)
    for _ in range(10):
        await shop.claimed()
    for _ in range(6):
        await shop.queued(guild=99)
    order = [(await shop.claimed()).to.guild_id for _ in range(9)]
    assert Counter(order) == {GUILD: 3, OTHER_GUILD: 3, 99: 3}
    assert [order.index(guild) for guild in (GUILD, OTHER_GUILD, 99)] == [0, 1, 2]


async def test_neither_does_waiting_at_a_cap(shop: Shop):
    await shop.limit(active_per_guild=1)
    for _ in range(8):
        await shop.queued()
        await shop.queued(guild=OTHER_GUILD)
    (held, *_) = [await shop.claimed() for _ in range(6)]
    assert held.to.guild_id == GUILD
    await shop.limit(active_per_guild=50)
    order = [(await shop.claimed()).to.guild_id for _ in range(6)]
    assert abs(Counter(order)[GUILD] - Counter(order)[OTHER_GUILD]) <= 1


async def test_nor_does_a_restart_that_takes_the_cap_away(tmp_path: Path):
    path, others = tmp_path / "matinee.db", [50, 51, 52]
    async with opened(path, limits(active_per_guild=1)) as shop:
        for _ in range(6):
            await shop.queued()
        await shop.claimed()
        for number in range(12):
            await shop.queued(guild=others[number % 3])
            if (job := await shop.claimed()) is not None:
                await shop.make(job)
        for guild in others:
            await shop.queued(guild=guild)
    async with opened(path) as shop:
        order = [(await shop.claimed()).to.guild_id for _ in range(4)]
        assert sorted(order) == [GUILD, *others]


async def lanes(shop: Shop) -> tuple[Any, ...]:
    return (
        sorted(await shop.rows("SELECT provider, guild_id FROM lanes")),
        sorted(await shop.rows("SELECT guild_id, member_id FROM ring")),
    )


WAITS = "FROM jobs WHERE state = 'queued' AND discard IS NULL"


async def check_lanes(shop: Shop) -> None:
    assert await lanes(shop) == (
        sorted(await shop.rows(f"SELECT DISTINCT provider, guild_id {WAITS}")),
        sorted(await shop.rows(f"SELECT DISTINCT guild_id, member_id {WAITS}")),
    )


MOVES = ("cancel", "discard", "hold", "release", "elsewhere", "claims", "again", "made")


@settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.sampled_from(("arrives", *MOVES)), st.integers(0, 9)), max_size=40))
async def test_lanes_and_ring_are_what_the_jobs_say_after_every_commit(steps: list[tuple[str, int]]):
    async with fresh() as shop:
        jobs: list[Job] = []
        for what, number in steps:
            if what == "arrives":
                jobs.append(await shop.queued(PROVIDERS[number % 2], guild=1 + number % 3, member=number))
            elif what == "claims":
                claimed = await shop.claimed(PROVIDERS[number % 2])
                jobs = [claimed if claimed and job.id == claimed.id else job for job in jobs]
            elif jobs:
                jobs[number % len(jobs)] = await moved(shop, jobs[number % len(jobs)], what)
            await check_lanes(shop)


async def moved(shop: Shop, job: Job, what: str) -> Job:
    match job.state, what:
        case JobState.QUEUED, "cancel":
            return await shop.store.move(job, JobState.CANCELLED)
        case JobState.QUEUED, "hold":
            return await shop.store.move(job, JobState.HELD, held_from=JobState.QUEUED)
        case JobState.QUEUED, "elsewhere":
            return await shop.store.note(job, provider="chutes" if job.provider == "pipelet" else "pipelet")
        case JobState.QUEUED | JobState.SUBMITTING, "discard":
            return await shop.store.note(job, discard=Cause.BY_MEMBER)
        case JobState.HELD, "release":
            return await shop.store.move(job, JobState.QUEUED, held_from=None)
        case JobState.SUBMITTING, "again":
            return await shop.store.settle(job, Evidence.REFUSED, JobState.QUEUED)
        case JobState.SUBMITTING, "made":
            return await shop.make(job)
    return job


async def test_a_start_rebuilds_what_is_not_what_the_jobs_say(tmp_path: Path):
    path = tmp_path / "matinee.db"
    async with opened(path) as shop:
        first, second = await shop.queued(member=1), await shop.queued(member=2)
        gone = await shop.queued("chutes")
        await shop.store.move(gone, JobState.CANCELLED)
        await shop.database.write(lambda connection: connection.execute("DELETE FROM lanes"))
        await shop.database.write(
            lambda connection: connection.execute("UPDATE ring SET member_id = 7 WHERE place = 1")
        )
    async with opened(path) as shop:
        won = [(await shop.claimed()).id for _ in range(2)]
        assert won == [second.id, first.id]
        await check_lanes(shop)


async def test_a_start_that_fails_half_way_is_rebuilt_by_the_next_claim(tmp_path: Path):
    path, cut = tmp_path / "matinee.db", ["before:submitting"]
    async with opened(path, limits(active_per_guild=1)) as shop:
        await shop.queued()
        waits = await shop.queued()
        assert await shop.claimed() is not None
        assert await shop.claimed() is None

    def point(name: str) -> None:
        if name in cut:
            cut.remove(name)
            raise RuntimeError(name)

    async with opened(path) as shop:
        store = SqliteJobStore(shop.database, shop.operator, shop.clock, shop.seen.append, point)
        with pytest.raises(RuntimeError):
            await store.claim("pipelet", 10)
        claim = await store.claim("pipelet", 10)
        assert [job.id for job in claim.jobs] == [waits.id]


async def test_jobs_that_an_older_version_left_have_their_turns(tmp_path: Path):
    """The third migration makes the lanes out of rows that were there before."""
    async with opened(tmp_path / "newer.db") as shop:
        jobs = [await shop.queued(guild=guild, member=member) for guild, member in ((1, 1), (1, 2), (2, 3))]
    path = tmp_path / "matinee.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        for script in sorted((files("storage") / "migrations").glob("*.sql"))[:2]:
            older.executescript(script.read_text())
        older.execute("ATTACH ? AS newer", [str(tmp_path / "newer.db")])
        columns = ", ".join(column[1] for column in older.execute("PRAGMA main.table_info(jobs)"))
        older.execute(f"INSERT INTO jobs ({columns}) SELECT {columns} FROM newer.jobs")
        older.execute("INSERT INTO guild_turns VALUES ('pipelet', 1, 9)")
        older.execute("INSERT INTO member_turns VALUES (1, 1, 9)")
        older.execute("PRAGMA user_version = 2")
    async with opened(path) as shop:
        await check_lanes(shop)
        assert [(await shop.claimed()).id for _ in jobs] == [jobs[2].id, jobs[1].id, jobs[0].id]


@pytest.mark.parametrize("change", ["provider", "model"])
async def test_a_stand_in_is_found_at_once(shop: Shop, change: str):
    """A lane that was left alone is looked at again when its job has become another provider's or model's."""
    queued = await shop.queued()
    await shop.database.write(lambda connection: connection.execute("UPDATE lanes SET until = 9e999"))
    elsewhere = {"provider": "chutes"} if change == "provider" else {"detail": "another model"}
    await shop.store.note(queued, **elsewhere)
    assert (await shop.claimed("chutes" if change == "provider" else "pipelet")).id == queued.id
