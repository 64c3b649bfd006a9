"""A claim that its process has slept over is given back (R8)."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.age import TooOld, check_age
from bot.domain.generation import GenerationRequest
from bot.domain.job import JobState
from tests.support.outside import ScriptedDirect
from tests.support.world import DIRECT, QUEUED, Outside, World, running


@pytest.mark.parametrize("model", [DIRECT, QUEUED])
async def test_it_is_claimed_anew_and_uses_up_no_try(world: World, model: str):
    world.studio.fail("refuse", *[TooOld() for _ in range(7)])
    job = await world.ask(model)
    ended = await world.ended(job)
    assert (ended.state, ended.tries) == (JobState.DONE, 1)
    assert await world.attempts() == [*[("E0", None)] * 7, ("made", None)]
    assert len(world.studio.paid) == 1


class Checked(ScriptedDirect):
    """Asks, as the HTTP client does before its first byte, whether it still may."""

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        await check_age()
        await super().generate(request, images, into)


@pytest.mark.parametrize(("paused", "sent_at_once"), [(50, True), (70, False)])
async def test_its_age_is_counted_from_the_claim_on(tmp_path: Path, paused: int, sent_at_once: bool):
    outside, pauses = Outside(), [paused]

    def after_the_claim(name: str) -> None:
        if name == "after:submitting" and pauses:
            outside.clock.set_wall_clock(pauses.pop())

    async with running(tmp_path, outside, providers=lambda *way: [Checked(*way)], points=after_the_claim) as world:
        assert (await world.ended(await world.ask(DIRECT))).state is JobState.DONE
        attempts = await world.attempts()
    assert attempts == [*([] if sent_at_once else [("E0", None)]), ("made", None)]
