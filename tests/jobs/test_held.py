"""After a restore nothing goes on by itself; a moderator lets it go on, or ends it (R14)."""

import shutil
from pathlib import Path

import pytest

from bot import texts
from bot.domain.errors import NotAllowed, Rule
from bot.domain.health import MOST_FAILURES
from bot.domain.job import Cause, Job, JobState
from storage.witness import Witness
from tests.support.outside import ScriptedDirect
from tests.support.rows import GUILD, MEMBER, MODERATOR
from tests.support.world import DIRECT, QUEUED, Outside, World, by, running


class Restored:
    """A first life until `state`, its backup, a longer life, and then a start with the backup."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.outside = folder, Outside()

    async def first_life(self, model: str, state: JobState, lives_on: float = 0.0) -> Job:
        """`lives_on`: seconds of the life after the backup."""
        async with running(self.folder / "first", self.outside) as world:
            await Witness(world.database, self.folder / "witness").turn()
            job = await world.ask(model, acknowledge=False)
            if state is JobState.QUEUED:
                await world.policies.pause(GUILD, MODERATOR, "wait")
            await world.acknowledge(job)
            assert await world.clock.until(lambda: [each.state for each in world.live] == [state], 100)
            shutil.copytree(self.folder / "first", self.folder / "backup", ignore=shutil.ignore_patterns("*-shm"))
            await world.clock.advance(lives_on)
        return job

    def second_life(self):
        return running(self.folder / "backup", self.outside, start=False)

    async def hold(self, world: World) -> int:
        (self.folder / "witness").unlink()
        return await Witness(world.database, self.folder / "witness").hold_if_restored()


@pytest.fixture
def restored(tmp_path: Path) -> Restored:
    return Restored(tmp_path)


async def test_nothing_is_asked_for_or_posted_until_a_moderator_says_so(restored: Restored):
    job = await restored.first_life(QUEUED, JobState.QUEUED)
    async with restored.second_life() as world:
        assert await restored.hold(world) == 1
        await world.policies.resume(GUILD, MODERATOR)
        await world.start()
        assert (await world.ended(job)).state is JobState.HELD
        await world.clock.advance(3000)
        assert world.studio.paid == []
        (released,) = await world.jobs.release(by(MODERATOR))
        assert released.state is JobState.QUEUED
        assert await world.clock.until(lambda: len(world.theatre.endings[job.id]) == 2, 3000)
        assert (await world.job(job)).state is JobState.DONE
    assert len(restored.outside.studio.paid) == 1


@pytest.mark.parametrize(("model", "state"), [(QUEUED, JobState.SUBMITTED), (DIRECT, JobState.SUBMITTING)])
async def test_what_was_under_way_is_taken_up_as_after_a_crash(restored: Restored, model: str, state: JobState):
    job = await restored.first_life(model, state, lives_on=600)
    posts = restored.outside.theatre.posts
    async with restored.second_life() as world:
        await restored.hold(world)
        await world.start()
        await world.ended(job)
        await world.jobs.release(by(MODERATOR), job.id)
        assert await world.clock.until(lambda: len(world.theatre.endings[job.id]) == 3, 3000)
        ended = await world.job(job)
        assert ended.state is (JobState.DONE if model == QUEUED else JobState.AMBIGUOUS)
        assert len(world.studio.paid) == 1
        assert world.theatre.posts == posts


async def test_a_dropped_job_has_ended_and_counts_as_spent(restored: Restored):
    job = await restored.first_life(DIRECT, JobState.SUBMITTING)
    async with restored.second_life() as world:
        await restored.hold(world)
        await world.start()
        await world.jobs.release(by(MODERATOR), drop=True)
        assert await world.clock.until(lambda: len(world.theatre.endings[job.id]) == 2, 3000)
        assert await world.state(job) == (JobState.CANCELLED, Cause.RESTORED)
        assert await world.attempts() == [("E2", None)]
        told = texts.notice(await world.job(job)).content
        assert "dropped" in told
        assert "It may have been charged." in told
        assert "Nothing was spent" not in told
        assert ("held drop",) in await world.rows("SELECT verb FROM audit")


async def test_what_is_dropped_says_nothing_of_its_provider(tmp_path: Path):
    async with running(tmp_path, providers=lambda *outside: [ScriptedDirect(*outside, concurrency=9)]) as world:
        await Witness(world.database, tmp_path / "witness").turn()
        jobs = [await world.ask(DIRECT) for _ in range(MOST_FAILURES + 1)]
        assert await world.clock.until(lambda: {job.state for job in world.live} == {JobState.SUBMITTING}, 100)
        world.snapshot(tmp_path / "backup")
    async with running(tmp_path / "backup", start=False) as world:
        assert await Witness(world.database, tmp_path / "no witness").hold_if_restored() == len(jobs)
        await world.start()
        await world.jobs.release(by(MODERATOR), drop=True)
        assert {await world.state(job) for job in jobs} == {(JobState.CANCELLED, Cause.RESTORED)}
        assert await world.store.troubles() == []


async def test_only_a_moderator_of_the_guild_may_and_only_what_is_held(restored: Restored):
    job = await restored.first_life(QUEUED, JobState.QUEUED)
    async with restored.second_life() as world:
        await restored.hold(world)
        for who, rule in (
            (by(MEMBER), Rule.MODERATOR),
            (by(MODERATOR, guild=GUILD + 1), Rule.NO_SUCH_JOB),
        ):
            with pytest.raises(NotAllowed) as refused:
                await world.jobs.release(who, job.id)
            assert refused.value.rule is rule
        with pytest.raises(NotAllowed) as refused:
            await world.jobs.cancel(job.id, by(MEMBER))
        assert refused.value.rule is Rule.HELD
        await world.jobs.release(by(MODERATOR), job.id)
        with pytest.raises(NotAllowed) as refused:
            await world.jobs.release(by(MODERATOR), job.id)
        assert refused.value.rule is Rule.TOO_LATE
        assert list(await world.jobs.held(by(MODERATOR))) == []


@pytest.mark.parametrize("away", [False, True], ids=["while it runs", "while it was away"])
async def test_a_guild_that_was_left_holds_nothing_any_more(restored: Restored, away: bool):
    job = await restored.first_life(DIRECT, JobState.SUBMITTING)
    async with restored.second_life() as world:
        await restored.hold(world)
        await world.start()
        await world.ended(job)
        if not away:
            await world.guilds.left(GUILD)
    async with restored.second_life() as world:
        await world.start()
        if away:
            await world.guilds.only([GUILD + 1])
        await world.clock.advance(5)
        assert await world.state(job) == (JobState.CANCELLED, Cause.GUILD_LEFT)
        assert await world.attempts() == [("E2", None)]
        assert "It may have been charged." in texts.ending(await world.job(job)).content
