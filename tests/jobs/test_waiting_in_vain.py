"""A guild that may start nothing while its provider fails: its jobs end when their messages say so."""

import pytest

from bot.domain.errors import Unauthorized
from bot.domain.job import Cause, JobState
from tests.support.rows import GUILD, MODERATOR, OTHER_GUILD
from tests.support.world import DIRECT, World


def no_credit() -> Unauthorized:
    return Unauthorized("chutes", "no credit", status=402)


@pytest.mark.parametrize("waiting", [1, 3])
async def test_jobs_of_a_paused_guild_are_dropped_when_they_were_told(world: World, waiting: int):
    world.studio.fail("refuse", *[no_credit()] * waiting)
    jobs = [await world.ask(DIRECT) for _ in range(waiting)]
    await world.clock.advance(5)
    await world.policies.pause(GUILD, MODERATOR, "")
    await world.clock.advance(1700)
    assert {(await world.job(job)).state for job in jobs} == {JobState.QUEUED}
    await world.clock.advance(200)
    assert {await world.state(job) for job in jobs} == {(JobState.REFUSED, Cause.NO_CREDIT)}
    assert world.studio.paid == []


async def test_they_keep_no_other_guild_from_finding_out_that_it_is_well_again(world: World):
    world.studio.fail("refuse", no_credit())
    waits = await world.ask(DIRECT)
    await world.clock.advance(5)
    await world.policies.pause(GUILD, MODERATOR, "")
    await world.clock.advance(100)
    other = await world.ask(DIRECT, guild=OTHER_GUILD)
    assert (await world.ended(other, within=60)).state is JobState.DONE
    await world.policies.resume(GUILD, MODERATOR)
    assert (await world.ended(waits, within=60)).state is JobState.DONE
