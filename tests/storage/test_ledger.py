"""What a guild may spend in a day is never exceeded, however claims, ends and kills fall (R13)."""

import asyncio
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.budget import DAY
from bot.domain.errors import Evidence, NotAllowed, Rule
from bot.domain.job import Job, JobState
from tests.support.rows import GUILD, OTHER_GUILD, job, limits, request
from tests.support.store import Shop, opened

PRICES = {"dear": 0.7, "cheap": 0.1}
FREE = "wan22-fast-t2v"


@pytest.fixture
async def till(tmp_path: Path):
    async with opened(tmp_path / "matinee.db", limits(spend_per_day=1.0), prices=PRICES) as shop:
        yield shop


async def ask(shop: Shop, model: str, **facts: object) -> Job:
    return await shop.queued(request=request(model), **facts)


async def test_an_attempt_reserves_its_price_as_it_starts(till: Shop):
    await ask(till, "dear")
    await ask(till, FREE)
    await till.claimed()
    await till.claimed()
    assert await till.rows("SELECT price FROM attempts ORDER BY id") == [(0.7,), (0.0,)]


async def test_prices_add_up_exactly(till: Shop):
    for _ in range(11):
        await ask(till, "cheap")
    assert [await till.claimed() is not None for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("evidence", list(Evidence))
async def test_only_proof_that_nothing_was_charged_releases(till: Shop, evidence: Evidence):
    await ask(till, "dear")
    await ask(till, "dear")
    running = await till.claimed()
    assert await till.claimed() is None
    await till.make(running, evidence)
    released = evidence in (Evidence.NOT_SENT, Evidence.REFUSED, Evidence.WITHDRAWN)
    assert (await till.claimed() is not None) is released


async def test_what_was_spent_leaves_the_window_a_day_after_it_was_settled(till: Shop):
    await ask(till, "dear")
    running = await till.claimed()
    till.clock.time += 600
    await till.make(running)
    settled = till.clock.time
    waiting = await ask(till, "dear")
    claim = await till.store.claim("pipelet", 9)
    assert claim.jobs == ()
    assert claim.look_again_at == pytest.approx(settled + DAY)
    till.clock.time = settled + DAY - 1
    # Another one has the guild looked at again.
    await ask(till, "dear")
    assert await till.claimed() is None
    till.clock.time = settled + DAY + 1
    assert (await till.claimed()).id == waiting.id


async def test_a_guild_saves_up_for_who_is_next_and_what_is_free_goes_on(till: Shop):
    await ask(till, "cheap", member=1)
    await till.make(await till.claimed())
    await ask(till, "cheap", member=1)
    await till.make(await till.claimed())
    till.clock.time += 3600
    for _ in range(2):
        await ask(till, "cheap", member=1)
        await till.make(await till.claimed())
    dear = await ask(till, "dear", member=2)
    await ask(till, "cheap", member=3)
    free = await ask(till, FREE, member=4)
    assert (await till.claimed()).id == free.id
    assert await till.claimed() is None
    elsewhere = await ask(till, "dear", guild=OTHER_GUILD)
    assert (await till.claimed()).id == elsewhere.id
    till.clock.time += DAY - 3600 + 10
    assert (await till.claimed()).id == dear.id


async def test_what_alone_costs_more_than_the_cap_is_refused_and_keeps_nobody_waiting(till: Shop):
    await ask(till, "dear", member=1)
    with pytest.raises(NotAllowed) as refused:
        await till.store.add(job(request=request("dear")), limits(spend_per_day=0.5))
    assert (refused.value.rule, refused.value.detail) == (Rule.TOO_EXPENSIVE, "0.7 0.5")
    assert await till.store.add(job(member=3, request=request("dear")), limits(spend_per_day=0.7)) is not None
    await till.limit(spend_per_day=0.5)
    cheap = await ask(till, "cheap", member=2)
    assert (await till.claimed()).id == cheap.id
    assert await till.claimed() is None
    await till.limit(spend_per_day=0.9)
    assert (await till.claimed()).request.model == "dear"


async def test_many_dispatchers_at_once_overspend_nothing(till: Shop):
    for number in range(40):
        await ask(till, "cheap", member=number % 5)
        await till.queued("chutes", member=number % 5, request=request("cheap"))
    claims = [till.store.claim(("pipelet", "chutes")[number % 2], 99) for number in range(60)]
    won = [job for claim in await asyncio.gather(*claims) for job in claim.jobs]
    assert len(won) == 10


moves = st.lists(
    st.tuples(
        st.sampled_from(["dear", "cheap", "claim", "claim", "settle", "wait", "kill"]),
        st.integers(0, 9),
        st.sampled_from(list(Evidence)),
    ),
    min_size=10,
    max_size=50,
)


@settings(max_examples=15)
@given(moves=moves)
async def test_reserved_and_settled_stay_within_the_cap_in_every_window(moves):
    """Whenever within its life an attempt is charged: any day's charges are within the cap."""
    spans: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, now, lives = Path(folder) / "matinee.db", 0.0, iter([*moves, None])
        running: list[Job] = []
        move = next(lives)
        while move is not None:
            async with opened(path, limits(spend_per_day=1.0, burst=1000), prices=PRICES) as shop:
                shop.clock.time += now
                while move is not None and move[0] != "kill":
                    what, number, evidence = move
                    if what in PRICES:
                        await ask(shop, what)
                    elif what == "claim" and (job := await shop.claimed()) is not None:
                        running.append(job)
                        spans[job.attempt_id] = [PRICES[job.request.model], shop.clock.time, float("inf")]
                    elif what == "settle" and running:
                        job = running.pop(number % len(running))
                        await shop.make(job, evidence)
                        spans[job.attempt_id][2] = shop.clock.time
                        if evidence in (Evidence.NOT_SENT, Evidence.REFUSED, Evidence.WITHDRAWN):
                            del spans[job.attempt_id]
                    elif what == "wait":
                        shop.clock.time += number * 3 * 3600
                    check_windows(list(spans.values()))
                    move = next(lives)
                now = shop.clock.time - 1_800_000_000.0
                move = next(lives) if move is not None else None


def check_windows(spans: list[list[float]]) -> None:
    """Attempts that could have been charged within a day of each other's start cost at most the cap together."""
    for _, start, _ in spans:
        near = [price for price, begun, ended in spans if begun <= start and ended > start - DAY]
        assert sum(Fraction(str(price)) for price in near) <= 1


async def test_no_cap_is_no_sum(shop: Shop):
    assert shop.operator.spend_per_day == float("inf")
    assert (await ask(shop, "dear")).state is JobState.QUEUED
    assert (await shop.claimed(concurrency=1)).to.guild_id == GUILD
