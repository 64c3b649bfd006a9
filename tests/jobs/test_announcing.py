"""A queue message is edited when what it says is no longer so."""

from itertools import pairwise
from pathlib import Path

from bot.domain.job import Job, JobState
from bot.ports import Place
from tests.support.rows import GUILD, MODERATOR, OTHER_GUILD, limits
from tests.support.world import DIRECT, Outside, World, running

_MESSAGE = 700
_SOON = 2.0
_ONE_AT_A_TIME = limits(active_per_guild=1)


async def acknowledged(world: World) -> Job:
    """A job whose queue message told its place."""
    job = await world.ask(acknowledge=False)
    await world.jobs.acknowledged(job, _MESSAGE, await world.jobs.place(job))
    # Whoever may start has done so before the next place is told.
    await world.clock.settle()
    return job


def places(world: World, job: Job) -> list[Place | None]:
    return [place for state, place, _ in world.theatre.shown[job.id] if state is JobState.QUEUED]


async def test_a_place_that_the_message_has_told_from_the_first_is_not_edited_in(tmp_path: Path) -> None:
    async with running(tmp_path, limits=_ONE_AT_A_TIME) as world:
        _running, first, second = [await acknowledged(world) for _ in range(3)]
        await world.clock.advance(_SOON)
        assert (places(world, first), places(world, second)) == ([], [])


async def test_a_place_that_moves_is_edited_in_once(tmp_path: Path) -> None:
    async with running(tmp_path, limits=_ONE_AT_A_TIME) as world:
        running_job, _first, second = [await acknowledged(world) for _ in range(3)]
        await world.ended(running_job)
        await world.clock.advance(_SOON)
        told = places(world, second)
        assert told[-1] is not None
        assert told[-1].ahead == 0
        assert all(before != after for before, after in pairwise(told))


async def test_a_place_that_nobody_has_told_yet_is_edited_in(tmp_path: Path) -> None:
    async with running(tmp_path, limits=_ONE_AT_A_TIME) as world:
        await world.ask()
        waiting = await world.ask()
        await world.clock.advance(_SOON)
        assert [place and place.ahead for place in places(world, waiting)] == [0]


async def test_a_start_tells_those_who_wait_where_they_stand(tmp_path: Path) -> None:
    outside = Outside()
    outside.studio.seconds = 1000
    async with running(tmp_path, outside, limits=_ONE_AT_A_TIME) as world:
        _running, waiting = [await acknowledged(world) for _ in range(2)]
        assert places(world, waiting) == []
    async with running(tmp_path, outside, limits=_ONE_AT_A_TIME) as world:
        await world.clock.advance(_SOON)
        assert [place and place.ahead for place in places(world, waiting)] == [0]


async def test_what_a_moderator_changes_is_read_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, limits=_ONE_AT_A_TIME) as world:
        await world.ask()
        waiting = await world.ask()
        await world.clock.advance(_SOON)
        for change in (world.policies.pause(GUILD, MODERATOR, "popcorn"), world.policies.resume(GUILD, MODERATOR)):
            await change
            await world.clock.advance(_SOON)
        assert [place and place.paused for place in places(world, waiting)] == [False, True, False]


async def test_a_time_that_passes_while_others_take_longer_is_corrected(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.providers[1].concurrency, world.studio.seconds = 1, 60
        await world.ended(await world.ask(DIRECT))
        world.studio.seconds = 1500
        await world.ask(DIRECT, guild=OTHER_GUILD)
        await world.clock.advance(_SOON)
        waiting = await world.ask(DIRECT)
        for _ in range(40):
            await world.clock.advance(30)
            place = places(world, waiting)[-1]
            assert place is not None
            assert place.ready_at > world.clock.now() - 90
        assert len(places(world, waiting)) < 10
