"""From a member's command to the film, on the ways on which nothing goes wrong."""

import pytest

from bot.domain.job import JobState
from tests.support.outside import FILM_BYTES
from tests.support.world import DIRECT, QUEUED, World


@pytest.mark.parametrize("model", [DIRECT, QUEUED])
async def test_a_request_becomes_a_film_in_its_channel(world: World, model: str):
    job = await world.ask(model)
    ended = await world.ended(job)
    assert (ended.state, ended.told, ended.cause) == (JobState.DONE, True, None)
    assert world.theatre.films == {job.nonce: (job.id, FILM_BYTES)}
    assert [told.state for told in world.theatre.endings[job.id]] == [JobState.DONE]
    assert len(world.studio.paid) == 1
    assert await world.attempts() == [("made", None)]
