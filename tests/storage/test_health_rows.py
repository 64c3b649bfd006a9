"""Breakers as rows: what the attempts said, kept for the next claim and the next process."""

import json
import math
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import Evidence
from bot.domain.health import WHOLE, Breaker, Trial
from bot.domain.job import Cause, Job, JobState
from tests.support.rows import request
from tests.support.store import Shop, opened

WAN, FAST = "wan2.1-14b", "skyreels"


async def claimed(shop: Shop, model: str = WAN) -> Job:
    await shop.queued("chutes", request=request(model))
    job = await shop.claimed("chutes")
    assert job is not None
    return job


async def settle(shop: Shop, job: Job, evidence: Evidence, status: int | None = None, **more: object) -> Job:
    to = JobState.RESULT if evidence is Evidence.MADE else JobState.QUEUED
    cause = Cause.UNREACHABLE if evidence is Evidence.NOT_SENT else None
    return await shop.store.settle(job, evidence, to, status=status, cause=cause, **more)


class TestClaims:
    async def test_a_model_that_is_gone_is_passed_over_and_the_others_are_not(self, shop: Shop):
        waiting = await settle(shop, await claimed(shop), Evidence.REFUSED, 404)
        other = await claimed(shop, FAST)
        assert other.request.model == FAST
        claim = await shop.store.claim("chutes", 10)
        assert claim.jobs == ()
        assert claim.look_again_at is not None
        assert shop.clock.now() < claim.look_again_at <= shop.clock.now() + 30
        shop.clock.time += 61
        assert (await shop.claimed("chutes")).id == waiting.id

    async def test_a_provider_that_refuses_us_is_not_asked_for_any_model(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.REFUSED, 401)
        await shop.queued("chutes", request=request(FAST))
        assert await shop.claimed("chutes") is None
        await shop.queued("pipelet")
        assert await shop.claimed("pipelet") is not None

    async def test_a_provider_that_is_not_asked_is_looked_at_again_within_half_a_minute(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.REFUSED, 401)
        assert (await shop.store.claim("chutes", 10)).look_again_at == shop.clock.now() + 30
        shop.clock.time += 40
        assert (await shop.store.claim("chutes", 10)).look_again_at == shop.clock.now() + 20

    async def test_a_claim_looks_at_a_hundred_guilds_and_at_the_others_the_next_time(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.REFUSED, 404)
        for guild in range(100, 200):
            await shop.queued("chutes", request=request(WAN), guild=guild)
        ready = await shop.queued("chutes", request=request(FAST), guild=200)
        claim = await shop.store.claim("chutes", 10)
        assert (claim.jobs, claim.look_again_at) == ((), shop.clock.now())
        assert (await shop.claimed("chutes")).id == ready.id

    async def test_one_at_a_time_until_a_result(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.REFUSED, 403)
        for model in (WAN, FAST, WAN):
            await shop.queued("chutes", request=request(model))
        shop.clock.time += 61
        probe = await shop.claimed("chutes")
        assert probe is not None
        assert await shop.claimed("chutes") is None
        await settle(shop, probe, Evidence.MADE)
        assert [await shop.claimed("chutes") is not None for _ in range(4)] == [True, True, True, False]

    async def test_a_provider_that_takes_a_job_to_make_it_later_is_asked_as_ever(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.REFUSED, 401)
        await shop.queued("chutes", request=request(FAST))
        shop.clock.time += 61
        probe = await shop.claimed("chutes")
        assert await shop.claimed("chutes") is None
        await shop.store.move(probe, JobState.SUBMITTED)
        assert await shop.claimed("chutes") is not None
        assert await shop.store.troubles() == []

    async def test_one_that_was_not_asked_after_all_has_said_nothing(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.REFUSED, 401)
        shop.clock.time += 61
        for _ in range(2):
            await shop.queued("chutes", request=request(FAST))
        probe = await shop.claimed("chutes")
        await shop.store.settle(probe, Evidence.NOT_SENT, JobState.REFUSED, cause=Cause.PICTURE_GONE)
        assert await shop.claimed("chutes") is not None
        assert await shop.claimed("chutes") is None

    async def test_a_hold_ends_when_it_was_said_to(self, shop: Shop):
        job = await claimed(shop)
        await settle(shop, job, Evidence.REFUSED, 429, retry_at=shop.clock.now() + 30)
        assert await shop.claimed("chutes") is None
        shop.clock.time += 31
        assert await shop.claimed("chutes") is not None


class TestTroubles:
    async def test_there_are_none_where_all_is_well(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.MADE)
        await settle(shop, await claimed(shop), Evidence.REFUSED, 400)
        assert await shop.store.troubles() == []
        assert await shop.rows("SELECT * FROM breakers") == []

    async def test_each_says_since_when_why_and_when_one_is_let_through(self, shop: Shop):
        await settle(shop, await claimed(shop), Evidence.REFUSED, 402)
        begun = shop.clock.now()
        (trouble,) = await shop.store.troubles()
        assert (trouble.provider, trouble.model, trouble.cause) == ("chutes", WHOLE, Cause.NO_CREDIT)
        assert (trouble.since, trouble.again_at) == (begun, begun + 60)
        shop.clock.time += 61
        probe = await shop.claimed("chutes")
        (trouble,) = await shop.store.troubles()
        assert trouble.again_at == math.inf
        await settle(shop, probe, Evidence.MADE)
        assert await shop.store.troubles() == []

    async def test_what_we_did_ourselves_is_no_trouble(self, shop: Shop):
        for cause in (Cause.RESTARTED, Cause.CRASHED, Cause.STORAGE_FULL):
            for _ in range(6):
                job = await claimed(shop)
                await shop.store.settle(job, Evidence.AMBIGUOUS, JobState.AMBIGUOUS, cause=cause)
        for cause in (None, Cause.PICTURE_GONE):
            for _ in range(6):
                await shop.store.settle(await claimed(shop), Evidence.NOT_SENT, JobState.REFUSED, cause=cause)
        assert await shop.store.troubles() == []


outcomes = st.sampled_from(
    [
        (Evidence.MADE, None), (Evidence.NOT_SENT, None), (Evidence.AMBIGUOUS, 500), (Evidence.CHARGED_UNUSABLE, None),
        (Evidence.REFUSED, 401), (Evidence.REFUSED, 404), (Evidence.REFUSED, 429), (Evidence.WITHDRAWN, None),
    ]
)  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from([WAN, FAST]), st.booleans(), st.integers(0, 3), outcomes, st.floats(0, 300)), max_size=25
)


@settings(max_examples=25, deadline=None)
@given(steps)
async def test_what_is_kept_is_what_all_the_attempts_say(steps):
    """Over a reopened database: the rows of breakers are the fold of the rows of attempts."""
    told: dict[str, Breaker] = defaultdict(Breaker)
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder) / "matinee.db") as shop:
            under_way: list[Job] = []
            newest = 0
            for model, start, which, (evidence, status), wait in steps:
                shop.clock.time += wait
                if start:
                    await shop.queued("chutes", request=request(model))
                    if (job := await shop.claimed("chutes")) is not None:
                        under_way.append(job)
                        newest = job.attempt_id or 0
                elif under_way:
                    job = under_way.pop(which % len(under_way))
                    await settle(shop, job, evidence, status)
                    trial = Trial(job.attempt_id or 0, newest, shop.clock.now(), evidence, status)
                    for scope in (WHOLE, job.request.model):
                        told[scope] = told[scope].after(trial, scope)
        async with opened(Path(folder) / "matinee.db") as shop:
            kept = {model: json.loads(text) for model, text in await shop.rows("SELECT model, breaker FROM breakers")}
        expected = {scope: json.loads(json.dumps(asdict(breaker))) for scope, breaker in told.items()}
        assert {**dict.fromkeys(told, _fresh()), **kept} == expected


def _fresh() -> object:
    return json.loads(json.dumps(asdict(Breaker())))
