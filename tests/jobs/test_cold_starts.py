"""A model that its provider has to load first says 503 for minutes."""

import itertools

import pytest

from bot.domain.errors import Evidence, Unavailable
from bot.domain.job import JobState
from bot.texts.progress import queue_message
from tests.support.world import DIRECT, World


def cold(retry_after: float | None = None) -> Unavailable:
    return Unavailable("chutes", "starting", evidence=Evidence.REFUSED, status=503, retry_after=retry_after)


@pytest.mark.parametrize("minutes", [1, 2, 3])
async def test_a_cold_start_of_minutes_is_waited_out_and_said(world: World, minutes: int):
    world.studio.fail("refuse", *[cold()] * 4)
    job = await world.ask(DIRECT)
    await world.clock.advance(60 * minutes)
    waiting, (_, place, _) = await world.job(job), world.theatre.shown[job.id][-1]
    assert waiting.state is JobState.QUEUED
    assert "Waiting for its provider: Chutes is busy (tries: " in queue_message(waiting, place).content
    assert (await world.ended(job, within=200)).state is JobState.DONE
    assert len(world.studio.paid) == 1


async def test_its_five_tries_are_spread_over_the_five_minutes(world: World):
    world.studio.fail("refuse", *[cold()] * 5)
    await world.ended(await world.ask(DIRECT))
    tries = [at for at, call in world.studio.calls if call == "refuse"]
    assert [later - earlier for earlier, later in itertools.pairwise(tries)] == [5, 15, 45, 135]


@pytest.mark.parametrize(
    ("said", "pauses"), [(0, [5, 15, 45, 135]), (1, [5, 15, 45, 135]), (20, [20, 20, 45, 135]), (70, [70, 70, 70, 90])]
)
async def test_and_come_no_sooner_than_it_says(world: World, said: float, pauses: list[float]):
    world.studio.fail("refuse", *[cold(retry_after=said)] * 5)
    await world.ended(await world.ask(DIRECT))
    tries = [at for at, call in world.studio.calls if call == "refuse"]
    assert [later - earlier for earlier, later in itertools.pairwise(tries)] == pauses
