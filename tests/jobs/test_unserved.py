"""A request that waits at a provider which a start does not find in its configuration."""

from pathlib import Path

import pytest

from bot import texts
from bot.domain.job import Cause, Job, JobState
from tests.support.outside import ScriptedDirect
from tests.support.world import DIRECT, STUCK_SECONDS, Outside, World, by, running


def without_pipelet(*reaching):
    return [ScriptedDirect(*reaching)]


async def left_at_its_provider(folder: Path, outside: Outside) -> Job:
    """A job whose process is killed while it waits there; `folder` is what that one leaves."""
    outside.studio.seconds = 90
    async with running(folder.with_name("first"), outside) as world:
        job = await world.ask()
        await world.clock.advance(10)
        world.snapshot(folder)
    return job


def message(world: World, job: Job) -> str:
    _, place, progress = world.theatre.shown[job.id][-1]
    return texts.queue_message(job, place, progress).content


async def test_it_waits_for_a_start_that_has_it_and_is_posted_then(tmp_path: Path):
    outside = Outside()
    job = await left_at_its_provider(tmp_path / "left", outside)
    async with running(tmp_path / "left", outside, providers=without_pipelet) as world:
        await world.clock.advance(STUCK_SECONDS - 60)
        assert await world.state(job) == (JobState.SUBMITTED, None)
        assert world.theatre.endings[job.id] == []
        world.snapshot(tmp_path / "next")
    async with running(tmp_path / "next", outside) as world:
        assert (await world.ended(job)).state is JobState.DONE
    assert len(outside.studio.paid) == 1


async def test_its_message_says_so_whatever_else_happens_to_it(tmp_path: Path):
    outside = Outside()
    job = await left_at_its_provider(tmp_path / "left", outside)
    async with running(tmp_path / "left", outside, providers=without_pipelet) as world:
        await world.clock.advance(10)
        stored = await world.job(job)
        assert "Pipelet has it, but is not configured here now" in message(world, stored)
        assert "Nothing is lost yet" in texts.report(stored, await world.places.of(stored))
        thrown_away = await world.jobs.throw_away(job.id, by())
        assert "not configured here now" in message(world, thrown_away)
        assert "thrown away" in message(world, thrown_away)
        assert (await world.ended(await world.ask(DIRECT))).state is JobState.DONE


async def test_it_does_not_wait_for_ever(tmp_path: Path):
    outside = Outside()
    job = await left_at_its_provider(tmp_path / "left", outside)
    async with running(tmp_path / "left", outside, providers=without_pipelet) as world:
        await world.clock.advance(STUCK_SECONDS + 1)
        ended = await world.ended(job, within=1)
        assert (ended.state, ended.cause) == (JobState.LOST_RESULT, Cause.MODEL_GONE)
        assert await world.attempts() == [("E3", None)]
    words = texts.notice(ended).content
    assert "Pipelet, which had it, is not configured here any more" in words
    assert "It may have been charged." in words
    assert "It was made" not in words


async def test_the_start_says_once_how_many_wait_and_for_whom(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    outside = Outside()
    outside.studio.seconds = 90
    async with running(tmp_path / "first", outside) as world:
        for _ in range(3):
            await world.ask()
        await world.clock.advance(10)
        world.snapshot(tmp_path / "left")
    assert "not configured" not in caplog.text
    async with running(tmp_path / "left", outside, providers=without_pipelet) as world:
        await world.clock.advance(600)
    warnings = [record.getMessage() for record in caplog.records if "not configured" in record.getMessage()]
    assert warnings == ["pipelet is not configured: 3 jobs wait for a start with [providers.pipelet]"]
