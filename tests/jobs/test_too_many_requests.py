"""A provider that says "too many requests", and a time that is no help."""

import itertools

import pytest

from bot.domain.errors import Evidence, Unavailable
from bot.domain.job import Cause, JobState
from tests.support.world import DIRECT, World


def too_many(retry_after: float) -> Unavailable:
    return Unavailable("chutes", "slow down", evidence=Evidence.REFUSED, status=429, retry_after=retry_after)


@pytest.mark.parametrize("seconds", [0, 0.5, 3])
async def test_who_says_at_once_for_an_hour_is_asked_less_and_less(world: World, seconds: float):
    world.studio.fail("refuse", *[too_many(seconds)] * 9999)
    ended = await world.ended(await world.ask(DIRECT))
    assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.BUSY)
    asked = [at for at, call in world.studio.calls if call == "refuse"]
    assert asked[1] == max(1, seconds)
    assert asked[-1] > 3000
    assert len(asked) < 100
    assert all(later - earlier >= max(1, seconds) for earlier, later in itertools.pairwise(asked))


async def test_a_clock_that_is_set_back_does_not_begin_the_pauses_anew(world: World):
    world.studio.fail("refuse", *[too_many(0)] * 9999)
    job = await world.ask(DIRECT)
    await world.clock.advance(1000)
    world.clock.set_wall_clock(-36_000)
    ended = await world.ended(job, within=7000)
    assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.BUSY)
    assert world.studio.count("refuse") < 200
