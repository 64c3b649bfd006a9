"""Whose turn it is: every limit held at once, whoever asks, however often."""

import asyncio
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import Evidence
from bot.domain.job import Cause, Job, JobState
from bot.domain.limits import turns
from tests.support.rows import GUILD, OTHER_GUILD, OTHER_MEMBER, limits, request
from tests.support.store import Shop, opened


async def test_a_claim_is_a_move_and_an_attempt_in_one(shop: Shop):
    queued = await shop.queued()
    claimed = await shop.claimed()
    assert claimed == await shop.store.get(queued.id) == shop.seen[-1]
    assert (claimed.state, claimed.tries, claimed.started_at) == (JobState.SUBMITTING, 1, shop.clock.now())
    assert claimed.first_try_at == claimed.started_at
    attempts = await shop.rows("SELECT id, job_id, evidence, length(request_sha256), settled_at FROM attempts")
    assert attempts == [(claimed.attempt_id, queued.id, None, 64, None)]
    assert shop.points[-2:] == ["before:submitting", "after:submitting"]


async def test_nothing_to_claim_writes_and_says_nothing(shop: Shop):
    shop.points.clear()
    assert (await shop.store.claim("pipelet", 4)).jobs == ()
    await shop.queued("chutes")
    shop.points.clear()
    assert await shop.claimed("pipelet") is None
    assert shop.points == []


async def test_a_second_try_keeps_the_time_of_the_first(shop: Shop):
    await shop.queued()
    first = await shop.claimed()
    shop.clock.time += 10
    await shop.store.settle(first, Evidence.NOT_SENT, JobState.QUEUED)
    second = await shop.claimed()
    assert (second.tries, second.first_try_at, second.started_at) == (2, first.started_at, shop.clock.now())


class TestLimits:
    async def test_two_hundred_at_once_exceed_nothing(self, shop: Shop):
        for guild in (GUILD, OTHER_GUILD):
            await shop.limit(guild, active_per_guild=7, active_per_member=2, burst=100)
        for number in range(60):
            await shop.queued(guild=GUILD + number % 2, member=number % 12)
        claims = await asyncio.gather(*(shop.store.claim("pipelet", 11) for _ in range(200)))
        won = [job for claim in claims for job in claim.jobs]
        assert len(won) == len({job.id for job in won}) == 11
        by_guild = Counter(job.to.guild_id for job in won)
        assert max(by_guild.values()) <= 7
        assert max(Counter((job.to.guild_id, job.to.member_id) for job in won).values()) <= 2
        assert abs(by_guild[GUILD] - by_guild[OTHER_GUILD]) <= 1

    async def test_a_provider_has_so_many_places(self, shop: Shop):
        for _ in range(5):
            await shop.queued()
        won = [await shop.claimed(concurrency=2) for _ in range(5)]
        assert [job is not None for job in won] == [True, True, False, False, False]
        await shop.store.move(won[0], JobState.SUBMITTED)
        assert await shop.claimed(concurrency=2) is None
        await shop.make(won[1])
        assert await shop.claimed(concurrency=2) is not None

    async def test_who_fills_a_provider_need_not_look_again_and_who_takes_fewer_does(self, shop: Shop):
        for _ in range(4):
            await shop.queued()
        now = shop.clock.now()
        claims = [await shop.store.claim("pipelet", 3, most) for most in (1, 2, 3)]
        assert [(len(claim.jobs), claim.look_again_at) for claim in claims] == [(1, now), (2, None), (0, None)]

    async def test_caps_count_over_all_providers(self, shop: Shop):
        await shop.limit(active_per_guild=1)
        await shop.queued("chutes")
        await shop.queued("pipelet")
        running = await shop.claimed("chutes")
        assert await shop.claimed("pipelet") is None
        await shop.make(running)
        assert await shop.claimed("pipelet") is not None

    async def test_a_member_at_the_cap_lets_others_pass(self, shop: Shop):
        await shop.limit(active_per_member=1)
        first, _second = await shop.queued(), await shop.queued()
        other = await shop.queued(member=OTHER_MEMBER)
        assert [(await shop.claimed()).id for _ in range(2)] == [first.id, other.id]
        assert await shop.claimed() is None

    async def test_the_rate_of_a_guild_names_the_time_of_its_next_start(self, shop: Shop):
        await shop.limit(jobs_per_hour=60, burst=2)
        for _ in range(4):
            await shop.queued()
        shop.clock.time = now = 1_900_000_000.0
        assert [(await shop.claimed()) is not None for _ in range(3)] == [True, True, False]
        claim = await shop.store.claim("pipelet", 9)
        assert claim.look_again_at == pytest.approx(now + 60)
        shop.clock.time = claim.look_again_at
        assert (await shop.claimed()) is not None
        assert (await shop.claimed()) is None

    @pytest.mark.parametrize(
        ("evidence", "counts"),
        [
            (Evidence.NOT_SENT, False),
            (Evidence.REFUSED, False),
            (Evidence.AMBIGUOUS, True),
            (Evidence.CHARGED_UNUSABLE, True),
            (Evidence.WITHDRAWN, True),
            (Evidence.MADE, True),
        ],
    )
    async def test_only_a_start_that_cost_nothing_does_not_count(self, shop: Shop, evidence: Evidence, counts: bool):
        await shop.limit(jobs_per_hour=1, burst=1)
        await shop.queued()
        await shop.queued()
        await shop.make(await shop.claimed(), evidence)
        assert (await shop.claimed() is None) is counts

    async def test_a_start_counts_for_as_long_as_nobody_knows(self, shop: Shop):
        await shop.limit(jobs_per_hour=1, burst=1)
        await shop.queued()
        await shop.queued()
        await shop.claimed()
        assert await shop.claimed() is None

    async def test_a_paused_guild_starts_nothing(self, shop: Shop):
        await shop.queued()
        await shop.alter(pause="tea")
        elsewhere = await shop.queued(guild=OTHER_GUILD)
        assert (await shop.claimed()).id == elsewhere.id
        claim = await shop.store.claim("pipelet", 9)
        assert (claim.jobs, claim.look_again_at) == ((), None)
        await shop.alter(pause=None)
        assert await shop.claimed() is not None

    async def test_what_was_put_off_waits_and_keeps_nobody_waiting(self, shop: Shop):
        now = shop.clock.now() + 1
        for wait, model in ((100, "dreamed"), (50, "drawn"), (200, "drawn")):
            queued = await shop.queued(member=wait, request=request(model))
            claimed = await shop.claimed()
            assert claimed.id == queued.id
            await shop.store.settle(claimed, Evidence.REFUSED, JobState.QUEUED, not_before=now + wait)
        claim = await shop.store.claim("pipelet", 9)
        assert (claim.jobs, claim.look_again_at) == ((), now + 50)
        ready = await shop.queued(member=1)
        assert [job.id for job in (await shop.store.claim("pipelet", 9)).jobs] == [ready.id]
        shop.clock.time = now + 50
        assert (await shop.claimed()).to.member_id == 50
        assert (await shop.store.claim("pipelet", 9)).look_again_at == now + 100

    async def test_one_that_waits_behind_a_cap_does_not_hide_when_another_is_due(self, shop: Shop):
        now = shop.clock.now() + 1
        await shop.limit(active_per_member=1)
        await shop.queued(member=1)
        await shop.claimed()
        await shop.queued(member=1)
        put_off = await shop.queued(member=2)
        claimed = await shop.claimed()
        assert claimed.id == put_off.id
        await shop.store.settle(claimed, Evidence.REFUSED, JobState.QUEUED, not_before=now + 50)
        assert (await shop.store.claim("pipelet", 9)).look_again_at == now + 50

    async def test_what_was_thrown_away_is_nobodys_turn(self, shop: Shop):
        queued = await shop.queued()
        await shop.store.note(queued, discard=Cause.BY_MEMBER)
        assert await shop.claimed() is None


class TestTurns:
    async def test_the_order_that_members_are_told_is_the_order_of_claims(self, shop: Shop):
        for number in (1, 1, 2, 3, 1, 2, 2, 1):
            await shop.queued(member=number)
        told = [job.id for job in (await shop.store.waiting(GUILD)).order()]
        assert [(await shop.claimed()).id for _ in told] == told

    async def test_who_comes_again_comes_behind_all_that_wait(self, shop: Shop):
        await shop.queued(member=1)
        await shop.queued(member=2)
        first = await shop.claimed()
        await shop.queued(member=1)
        assert [first.to.member_id, *[(await shop.claimed()).to.member_id for _ in range(2)]] == [1, 2, 1]

    async def test_guilds_take_turns_at_each_provider(self, shop: Shop):
        for guild in (GUILD, GUILD, GUILD, OTHER_GUILD, OTHER_GUILD):
            await shop.queued(guild=guild)
        await shop.queued("chutes", guild=OTHER_GUILD)
        await shop.claimed("chutes")
        order = [(await shop.claimed()).to.guild_id for _ in range(5)]
        assert order == [GUILD, OTHER_GUILD, GUILD, OTHER_GUILD, GUILD]


arrivals = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=24)


@settings(max_examples=30)
@given(
    arrivals=arrivals,
    per_guild=st.integers(1, 4),
    per_member=st.integers(1, 3),
    concurrency=st.integers(1, 5),
    burst=st.integers(1, 6),
    leaving=st.lists(st.integers(0, 9), max_size=40),
)
async def test_round_robin_within_every_limit(arrivals, per_guild, per_member, concurrency, burst, leaving):
    """Guilds of members come, start and leave in any order: no limit is ever exceeded, and nobody is passed over."""
    operator = limits(active_per_guild=per_guild, active_per_member=per_member, burst=burst, jobs_per_hour=3600)
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder) / "matinee.db", operator) as shop:
            waiting = [await shop.queued(guild=guild, member=10 * guild + member) for guild, member in arrivals]
            running: list[Job] = []
            starts: dict[int, list[float]] = defaultdict(list)
            passed: Counter[int] = Counter()
            while waiting:
                job = await shop.claimed(concurrency=concurrency)
                if job is None:
                    if running:
                        await shop.make(running.pop((leaving.pop() if leaving else 0) % len(running)))
                    shop.clock.time += 1
                    continue
                running.append(job)
                starts[job.to.guild_id].append(shop.clock.now())
                waiting = [each for each in waiting if each.id != job.id]
                assert len(running) <= concurrency
                assert max((await shop.active("guild_id")).values()) <= per_guild
                assert max((await shop.active("member_id")).values()) <= per_member
                _count_who_was_passed(passed, job, waiting)
                # A member waits for one start of each other member, and again when one was at a cap meanwhile.
                assert max(passed.values(), default=0) <= len({each.to.member_id for each in waiting}) + 2 * per_guild
            for times in starts.values():
                for first in range(len(times)):
                    for last in range(first, len(times)):
                        assert last - first + 1 <= burst + (times[last] - times[first]) + 1e-3


def _count_who_was_passed(passed: Counter[int], started: Job, waiting: list[Job]) -> None:
    passed.pop(started.to.member_id, None)
    for member in {job.to.member_id for job in waiting if job.to.guild_id == started.to.guild_id}:
        if member != started.to.member_id:
            passed[member] += 1


@settings(max_examples=20)
@given(members=st.lists(st.integers(1, 4), min_size=1, max_size=16), claims=st.integers(0, 12))
async def test_what_members_are_told_is_what_happens(members: list[int], claims: int):
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder) / "matinee.db") as shop:
            waiting = [await shop.queued(member=member) for member in members]
            for _ in range(min(claims, len(members))):
                told = (await shop.store.waiting(GUILD)).order()
                assert {job.id for job in told} == {job.id for job in waiting}
                started = await shop.claimed()
                assert started.id == told[0].id
                waiting = [job for job in waiting if job.id != started.id]


async def test_the_order_is_the_pure_rule(shop: Shop):
    queued = [await shop.queued(member=member) for member in (5, 5, 6, 7)]
    expected = turns([(job.id, job.to.member_id) for job in queued], (5, 6, 7))
    assert [job.id for job in (await shop.store.waiting(GUILD)).order()] == expected
