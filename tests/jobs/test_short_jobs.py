"""What is made in seconds is promised in seconds."""

import re

import pytest

from bot.texts.progress import queue_message
from tests.support.world import DIRECT, World


@pytest.mark.parametrize("seconds", [8, 13, 20])
async def test_a_short_job_is_promised_within_a_factor_of_two(world: World, seconds: int):
    world.studio.seconds = seconds
    for _ in range(3):
        await world.ended(await world.ask(DIRECT))
    for _ in range(16):
        await world.clock.advance(1)
        job = await world.ask(DIRECT, acknowledge=False)
        content = queue_message(job, await world.jobs.place(job)).content
        (told,) = re.findall(r"Ready <t:(\d+):R>", content)
        assert seconds / 2 <= int(told) - world.clock.now() <= seconds * 2
