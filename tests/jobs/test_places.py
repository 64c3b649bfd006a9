"""Where a waiting job stands, when it will be ready, and that its message says so."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.errors import Evidence, StorageUnavailable, Unauthorized, Unavailable
from bot.domain.generation import Aspect, Capability, Quality
from bot.domain.job import InQueue, JobState
from bot.ports import Place
from tests.support.rows import GUILD, LIMITS, MODERATOR, OTHER_MEMBER, job, limits
from tests.support.world import DIRECT, QUEUED, World, by, running


async def crowded(world: World, **limits: float) -> None:
    """One direct job runs for long, and no second one may."""
    world.studio.seconds = 100_000
    await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1, **limits})
    await world.ask(DIRECT)
    await world.clock.settle()


async def with_figures(world: World, *seconds: float) -> None:
    for each in seconds:
        world.studio.seconds = each
        await world.ended(await world.ask(DIRECT))


async def test_jobs_of_others_come_between(world: World):
    await crowded(world)
    first, second = await world.ask(DIRECT), await world.ask(DIRECT)
    other = await world.ask(DIRECT, member=OTHER_MEMBER)
    places = {each.id: (await world.jobs.place(each)).ahead for each in (first, second, other)}
    assert places == {first.id: 0, other.id: 1, second.id: 2}
    received = await world.ask(DIRECT, acknowledge=False)
    assert (await world.jobs.place(received)).ahead == 3


async def test_who_is_at_a_cap_or_whose_provider_fails_stands_behind_who_starts_first(tmp_path: Path):
    async with running(tmp_path, limits=limits(active_per_guild=3, active_per_member=1)) as world:
        world.studio.seconds = 100_000
        world.studio.fail("refuse", Unauthorized("chutes", "bad key", status=401))
        fails = await world.ask(DIRECT, member=9)
        await world.clock.advance(2)
        for member in (2, 3, 1):
            await world.ask(QUEUED, member=member)
            await world.clock.advance(2)
        capped = await world.ask(QUEUED, member=1)
        first = await world.ask(QUEUED, member=4)
        await world.clock.advance(2)
        places = {each.id: (await world.jobs.place(await world.job(each))).ahead for each in (first, capped, fails)}
        assert places == {first.id: 0, capped.id: 1, fails.id: 2}
        waiting, _ = await world.jobs.overview(by())
        assert [each.id for each in waiting[-3:]] == [*places]


async def test_no_time_is_named_before_there_are_figures(world: World):
    await crowded(world)
    waiting = await world.ask(DIRECT)
    assert await world.jobs.place(waiting) == Place(0, None)


async def test_the_usual_time_is_the_median_of_what_was_measured(world: World):
    await with_figures(world, 10, 500, 30)
    measured = await world.store.measured((await world.ask(DIRECT)).request)
    assert (measured.median, measured.p90) == (pytest.approx(30, abs=1), pytest.approx(406, abs=1))


async def test_a_clock_that_is_set_back_puts_nobody_s_time_hours_away(tmp_path: Path):
    async with running(tmp_path, limits=limits(active_per_guild=1)) as world:
        await with_figures(world, 60)
        jobs = [await world.ask(DIRECT) for _ in range(2)]
        await world.clock.advance(5)
        world.clock.set_wall_clock(-36_000)
        places = [await world.jobs.place(await world.job(job)) for job in jobs]
        assert [place.ready_at - world.clock.now() for place in places] == pytest.approx([60, 120], abs=5)


async def test_one_film_that_took_a_night_does_not_date_all_others(world: World):
    world.providers[1].concurrency = 1
    await with_figures(world, *[60] * 9)
    slept_over = await world.ask(DIRECT)
    await world.clock.advance(5)
    await world.clock.leap(36_000)
    await world.ended(slept_over)
    jobs = [await world.ask(DIRECT, guild=guild) for guild in range(1, 7)]
    place = await world.jobs.place(await world.job(jobs[-1]))
    assert place.ready_at - world.clock.now() == pytest.approx(360, abs=30)


async def test_what_is_on_offer_says_its_price_and_its_times_at_the_usual_size(tmp_path: Path):
    async with running(tmp_path, prices={QUEUED: 6}) as world:
        await world.ended(await world.ask(QUEUED, quality=Quality.HIGH))
        await with_figures(world, 10, 500, 30)
        offers = await world.jobs.offers(world.catalog.models(Capability.TEXT_TO_VIDEO))
        found = {offer.spec.id: offer for offer in offers}
        assert (found[QUEUED].price, found[QUEUED].measured) == (6, None)
        assert found[DIRECT].price == 0
        assert found[DIRECT].measured.p90 == pytest.approx(406, abs=1)
        world.studio.seconds = 20
        await world.ended(await world.ask(QUEUED, quality=Quality.STANDARD, aspect=Aspect.LANDSCAPE))
        (offer,) = await world.jobs.offers([found[QUEUED].spec])
        assert offer.measured.median == pytest.approx(20, abs=2)


async def test_a_running_job_is_ready_after_the_usual_time_and_never_in_the_past(world: World):
    await with_figures(world, 60)
    world.studio.seconds = 100_000
    running_job = await world.ask(DIRECT)
    await world.clock.settle()
    started = world.clock.now()
    place = await world.jobs.place(await world.job(running_job))
    assert 0 <= place.ready_at - (started + 60) < 15
    await world.clock.advance(500)
    place = await world.jobs.place(await world.job(running_job))
    assert 0 <= place.ready_at - world.clock.now() < 15


async def test_the_rate_and_the_places_ahead_date_the_others(world: World):
    await with_figures(world, 60)
    await crowded(world, jobs_per_hour=60, burst=1)
    now = world.clock.now()
    jobs = [await world.ask(DIRECT) for _ in range(4)]
    await world.clock.settle()
    ready = [(await world.jobs.place(each)).ready_at - now for each in jobs]
    for ahead, seconds in enumerate(ready):
        assert 60 * ahead + 60 <= seconds <= 60 * (ahead + 2) + 15 + 60


async def test_who_waits_for_a_provider_that_fails_puts_nobody_else_off(tmp_path: Path):
    async with running(tmp_path, limits=limits(active_per_guild=1)) as world:
        world.studio.seconds = 60
        await world.ended(await world.ask(QUEUED))
        world.studio.fail("refuse", Unauthorized("chutes", "bad key", status=401))
        for _ in range(3):
            await world.ask(DIRECT)
            await world.clock.advance(2)
        await world.ask(QUEUED, member=OTHER_MEMBER)
        await world.clock.advance(2)
        waits = await world.ask(QUEUED, member=OTHER_MEMBER)
        place = await world.jobs.place(waits)
        assert place.ready_at - world.clock.now() == pytest.approx(145, abs=15)


async def test_a_pause_of_the_guild_is_named(world: World):
    await crowded(world)
    waiting = await world.ask(DIRECT)
    await world.policies.pause(GUILD, MODERATOR, "")
    assert await world.jobs.place(waiting) == Place(0, None, paused=True)


async def test_a_job_that_the_guild_cannot_pay_for_yet_says_when_it_can(tmp_path: Path):
    limits = replace(LIMITS, spend_per_day=10)
    async with running(tmp_path, limits=limits, prices={DIRECT: 6}) as world:
        world.studio.seconds = 60
        first = await world.ask(DIRECT)
        await world.clock.settle()
        waiting, free = await world.ask(DIRECT), await world.ask(QUEUED)
        assert (await world.jobs.place(waiting)).budget_at == math.inf
        settled = (await world.ended(first)).made_at
        place = await world.jobs.place(waiting)
        assert 0 <= place.budget_at - (settled + 86_400) <= 15
        assert place.ready_at - place.budget_at <= 75
        assert (await world.jobs.place(free)).budget_at is None


async def test_what_a_provider_wants_to_be_left_alone_for_dates_all_jobs_of_that_model(world: World):
    await with_figures(world, 60)
    world.studio.fail("refuse", Unavailable("chutes", "busy", evidence=Evidence.REFUSED, status=429, retry_after=500))
    await world.ask(DIRECT)
    await world.clock.advance(2)
    place = await world.jobs.place(await world.ask(DIRECT, member=OTHER_MEMBER))
    assert place.ready_at - world.clock.now() == pytest.approx(560, abs=15)


async def test_nothing_is_set_aside_for_a_job_whose_provider_fails(tmp_path: Path):
    operator, prices = limits(active_per_guild=1, spend_per_day=10), {DIRECT: 6, QUEUED: 6}
    async with running(tmp_path, limits=operator, prices=prices) as world:
        world.studio.fail("refuse", Unauthorized("chutes", "bad key", status=401))
        await world.ask(DIRECT)
        await world.clock.advance(2)
        await world.ask("wan22-fast-t2v-pro")
        await world.clock.advance(2)
        waits = await world.ask(QUEUED, member=OTHER_MEMBER)
        await world.clock.advance(2)
        assert (await world.jobs.place(await world.job(waits))).budget_at is None


async def test_what_is_saved_up_for_at_one_provider_is_not_said_to_keep_anybody_at_another(tmp_path: Path):
    operator, prices = limits(active_per_member=1, spend_per_day=10), {DIRECT: 6, QUEUED: 3}
    async with running(tmp_path, limits=operator, prices=prices) as world:
        await world.ended(await world.ask(DIRECT))
        dear = await world.ask(DIRECT)
        world.studio.seconds = 600
        await world.ask("wan22-fast-t2v-pro", member=OTHER_MEMBER)
        await world.clock.advance(2)
        cheap = [await world.ask(QUEUED, member=OTHER_MEMBER) for _ in range(2)]
        await world.clock.advance(2)
        places = [await world.jobs.place(await world.job(each)) for each in (dear, *cheap)]
        assert [place.budget_at is None for place in places] == [False, True, False]
        await world.clock.advance(700)
        assert (await world.job(cheap[0])).state is not JobState.QUEUED


async def test_two_hundred_waiting_jobs_are_placed_in_a_moment(tmp_path: Path):
    async with running(tmp_path) as world:
        await with_figures(world, 60)
        await crowded(world)
        for member in range(190):
            await world.ask(DIRECT, member=100 + member)
        started = asyncio.get_running_loop().time()
        places = await world.places.of_guild(GUILD, [each for each in world.live if each.state is JobState.QUEUED])
        assert asyncio.get_running_loop().time() - started < 0.5
        assert sorted(place.ahead for _, place in places) == list(range(190))


class TestAnnouncing:
    async def test_places_move_up_when_somebody_starts(self, world: World):
        await crowded(world)
        first, second = await world.ask(DIRECT), await world.ask(DIRECT)
        await world.clock.advance(2)
        assert world.theatre.shown[second.id][-1][1].ahead == 1
        await world.jobs.cancel(first.id, by())
        await world.clock.advance(2)
        assert world.theatre.shown[second.id][-1][1].ahead == 0

    async def test_a_guild_is_brought_up_to_date_at_most_once_a_second(self, world: World):
        await crowded(world)
        jobs = [await world.ask(DIRECT) for _ in range(6)]
        await world.clock.advance(0.9)
        shown = world.theatre.shown[jobs[-1].id]
        before = len(shown)
        for first in jobs[:3]:
            await world.jobs.cancel(first.id, by())
        await world.clock.advance(0.05)
        assert len(shown) == before
        await world.clock.advance(2)
        assert [place.ahead for _, place, _ in shown[before:]] == [2]

    async def test_what_runs_is_shown_with_its_state(self, world: World):
        world.studio.timeline = [(0, InQueue(4))]
        followed = await world.ask()
        await world.clock.advance(10)
        states = [state for state, _, _ in world.theatre.shown[followed.id]]
        assert JobState.SUBMITTING in states
        assert world.theatre.shown[followed.id][-1] == (JobState.SUBMITTED, None, InQueue(4))

    @pytest.mark.parametrize("trouble", [StorageUnavailable(full=False), RuntimeError("a mistake of ours")])
    async def test_trouble_is_survived_and_made_good(self, tmp_path: Path, trouble: Exception):
        async with running(tmp_path) as world:
            await crowded(world)
            first, second = await world.ask(DIRECT), await world.ask(DIRECT)
            await world.clock.advance(5)
            of_guild, failures = world.places.of_guild, [trouble]

            async def failing_once(*arguments):
                if failures:
                    raise failures.pop()
                return await of_guild(*arguments)

            world.places.of_guild = failing_once
            await world.jobs.cancel(first.id, by())
            await world.clock.advance(5)
            if isinstance(trouble, RuntimeError):
                world.announcer.changed(second)
                await world.clock.advance(5)
            assert [place.ahead for _, place, _ in world.theatre.shown[second.id]] == [1, 0]

    async def test_a_message_that_says_so_already_is_left_alone(self, world: World):
        await crowded(world)
        first = await world.ask(DIRECT)
        for _ in range(5):
            await world.ask(DIRECT)
            await world.clock.advance(5)
        assert len(world.theatre.shown[first.id]) == 1


async def test_a_job_that_nobody_queued_comes_last(world: World):
    assert (await world.places.of(job("chutes"))).ahead == 0
