"""A claim that its process has slept over is given back (R8)."""

import pytest

from bot.age import TooOld
from bot.domain.job import JobState
from tests.support.world import DIRECT, QUEUED, World


@pytest.mark.parametrize("model", [DIRECT, QUEUED])
async def test_it_is_claimed_anew_and_uses_up_no_try(world: World, model: str):
    world.studio.fail("refuse", *[TooOld() for _ in range(7)])
    job = await world.ask(model)
    ended = await world.ended(job)
    assert (ended.state, ended.tries) == (JobState.DONE, 1)
    assert await world.attempts() == [*[("E0", None)] * 7, ("made", None)]
    assert len(world.studio.paid) == 1
