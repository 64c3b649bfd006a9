"""What could not be delivered is shown to whoever asks, whatever else happens to the job at that moment."""

import asyncio
from pathlib import Path

from bot.domain.errors import DeliveryError, Undeliverable
from bot.domain.job import Artifact, Job, JobState
from bot.jobs.showing import Showing
from bot.ports import Give
from tests.support.rows import CHANNEL
from tests.support.world import DIRECT, running


class Hand:
    """ports.Counter: whoever asks has the film at once."""

    async def hand_over(self, job: Job, artifact: Artifact, limit: int, give: Give) -> int:
        return 77


async def test_one_that_is_shown_while_its_failure_is_told_is_told_once_more(tmp_path: Path):
    shown: list[asyncio.Task[None]] = []

    async def show() -> None:
        (kept,) = [told.job for told in world.theatre.endings[job.id]]
        showing = Showing(world.store, Hand(), world.artifacts, world.clock)
        await showing.hand_over(kept, kept.artifact, 1000, lambda *_: None, CHANNEL)

    def at(point: str) -> None:
        if point == "outside:tell" and not shown:
            shown.append(asyncio.create_task(show()))

    async with running(tmp_path, points=at) as world:
        world.theatre.fail("deliver", DeliveryError(Undeliverable.NO_PERMISSION))
        job = await world.ask(DIRECT)
        await world.clock.advance(60)
        assert [told.state for told in world.theatre.endings[job.id]] == [JobState.UNDELIVERABLE, JobState.DONE]
        assert (await world.job(job)).told
