"""Delivering, stopping, and what becomes of a job when something of ours goes wrong."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.errors import DeliveryError, DeliveryRevoked, Evidence, StorageUnavailable, Unavailable, Undeliverable
from bot.domain.job import Cause, Completed, InProgress, InQueue, Job, JobState
from bot.ports import Delivered
from tests.support.clock import EPOCH
from tests.support.outside import ScriptedDirect
from tests.support.rows import GUILD, LIMITS, MODERATOR, OTHER_MEMBER
from tests.support.world import DIRECT, QUEUED, Outside, World, by, running


class Mistake(Exception):
    """A bug of ours."""


def how(job: Job) -> tuple[JobState, Cause | None]:
    return job.state, job.cause


CAUSES = {
    Undeliverable.NO_PERMISSION: Cause.NO_PERMISSION,
    Undeliverable.CHANNEL_GONE: Cause.CHANNEL_GONE,
    Undeliverable.GUILD_GONE: Cause.GUILD_LEFT,
    Undeliverable.TOO_LARGE: Cause.TOO_LARGE,
    Undeliverable.FILTERED: Cause.FILTERED,
    Undeliverable.REFUSED: Cause.DISCORD_REFUSED,
}


class TestDelivering:
    @pytest.mark.parametrize("why", Undeliverable)
    async def test_what_cannot_be_delivered_says_why_and_keeps_its_file(self, world: World, why: Undeliverable):
        world.theatre.fail("deliver", DeliveryError(why, "50013"))
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert how(ended) == (JobState.UNDELIVERABLE, CAUSES[why])
        assert ended.artifact is not None
        assert world.artifacts.path(ended.artifact).exists()

    async def test_a_message_that_a_human_removed_counts_as_delivered(self, world: World):
        world.theatre.fail("deliver", Delivered(None, deleted=True))
        ended = await world.ended(await world.ask(DIRECT))
        assert (ended.state, ended.detail, ended.result_message_id) == (JobState.DONE, "deleted", None)

    async def test_one_that_went_to_the_member_directly_is_remembered_as_such(self, world: World):
        world.theatre.fail("deliver", Delivered(77, direct=True))
        ended = await world.ended(await world.ask(DIRECT))
        assert (ended.state, ended.direct, ended.result_message_id) == (JobState.DONE, True, 77)

    async def test_whether_it_can_be_found_again_is_written_down_before_it_is_posted(self, world: World):
        world.theatre.fail("deliver", DeliveryRevoked())
        job = await world.ask(DIRECT)
        await world.clock.advance(30)
        posting = await world.job(job)
        assert (posting.state, posting.findable) == (JobState.POSTING, True)

    async def test_a_file_that_somebody_removed_is_lost(self, world: World):
        world.theatre.fail("deliver", FileNotFoundError())
        assert how(await world.ended(await world.ask(DIRECT))) == (JobState.LOST_RESULT, Cause.ARTIFACT_GONE)


class TestMistakes:
    async def test_a_mistake_after_the_submission_never_submits_again(self, world: World):
        world.artifacts.faults.append(Mistake())
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert ended.state is JobState.DONE
        assert len(world.studio.paid) == 1

    async def test_one_that_does_not_pass_ends_as_uncertain(self, world: World, caplog: pytest.LogCaptureFixture):
        world.artifacts.faults.extend([Mistake()] * 100)
        job = await world.ask(DIRECT)
        assert how(await world.ended(job)) == (JobState.AMBIGUOUS, Cause.NO_ANSWER)
        assert len(world.studio.paid) == 1
        assert len(world.artifacts.faults) == 90
        assert 300 <= world.clock.monotonic() < 360
        assert "given up" in caplog.text

    async def test_storage_trouble_after_the_submission_never_submits_again(self, world: World):
        world.artifacts.faults.append(StorageUnavailable(full=True))
        job = await world.ask(DIRECT)
        assert (await world.ended(job)).state is JobState.DONE
        assert len(world.studio.paid) == 1

    async def test_a_mistake_while_it_is_followed_does_not_lose_it(self, world: World):
        world.studio.fail("poll", Mistake(), Mistake())
        job = await world.ask(QUEUED)
        assert (await world.ended(job)).state is JobState.DONE

    async def test_but_one_that_stays_is_told(self, world: World):
        world.studio.fail("poll", *[Mistake()] * 100)
        job = await world.ask(QUEUED)
        assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.RESULT_GONE)

    async def test_so_is_one_that_stays_while_it_is_fetched(self, world: World):
        world.studio.fail("fetch", *[Mistake()] * 100)
        job = await world.ask(QUEUED)
        assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.RESULT_GONE)
        assert world.studio.count("fetch") == 10
        assert await world.attempts() == [("E3", None)]

    async def test_a_mistake_while_its_start_is_shown_starts_it_all_the_same(self, world: World):
        job = await world.ask(DIRECT, acknowledge=False)
        world.theatre.fail("show", *[Mistake()] * 20)
        await world.acknowledge(job)
        assert (await world.ended(job)).state is JobState.DONE
        assert world.clock.monotonic() < 20

    async def test_a_mistake_while_it_is_delivered_is_tried_again(self, world: World):
        world.theatre.fail("deliver", Mistake(), OSError(28, "full"))
        job = await world.ask(DIRECT)
        assert (await world.ended(job)).state is JobState.DONE
        assert world.theatre.posts == 1

    async def test_and_given_up_with_the_file_kept(self, world: World):
        world.theatre.fail("deliver", *[Mistake()] * 100)
        job = await world.ask(DIRECT)
        assert how(await world.ended(job)) == (JobState.UNDELIVERABLE, Cause.DISCORD_REFUSED)

    async def test_a_member_who_cannot_be_told_is_told_by_the_next_process(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.theatre.fail("tell", *[Mistake()] * 10)
            job = await world.ask(DIRECT)
            await world.clock.advance(4000)
            assert (await world.job(job)).state is JobState.DONE
            assert world.theatre.count("tell") == 10
        async with running(tmp_path, world.outside) as world:
            assert (await world.ended(job)).told

    @pytest.mark.parametrize("error", [Mistake(), StorageUnavailable(full=True)], ids=repr)
    async def test_a_dispatcher_survives_what_goes_wrong_in_it(self, tmp_path: Path, error: Exception):
        outside = Outside()

        def fails(name: str) -> None:
            if name == "before:submitting" and outside.clock.now() < EPOCH + 1:
                raise error

        async with running(tmp_path, outside, points=fails) as world:
            job = await world.ask(DIRECT)
            assert (await world.ended(job)).state is JobState.DONE
            assert world.studio.submitted_at == [EPOCH + 1]


class TestARevokedToken:
    async def test_nothing_more_is_told_or_delivered_until_the_next_start(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.theatre.fail("deliver", *[DeliveryRevoked()] * 100)
            job = await world.ask(DIRECT)
            await world.clock.advance(4000)
            assert world.theatre.count("deliver") == 1
            assert (await world.job(job)).state is JobState.POSTING
        world.theatre.faults.clear()
        async with running(tmp_path, world.outside) as world:
            assert (await world.ended(job)).state is JobState.DONE

    async def test_an_ending_waits_for_it_too(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.theatre.fail("tell", *[DeliveryRevoked()] * 100)
            job = await world.ask(DIRECT)
            await world.clock.advance(4000)
            assert world.theatre.count("tell") == 1
            assert not (await world.job(job)).told
        world.theatre.faults.clear()
        async with running(tmp_path, world.outside) as world:
            assert (await world.ended(job)).told


class TestStopping:
    async def test_a_job_at_its_provider_is_left_there_and_taken_up_again(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline = [(0, InQueue(1)), (100, Completed())]
            job = await world.ask(QUEUED)
            await world.clock.advance(30)
            await world.runner.stop(60)
            assert (await world.job(job)).state is JobState.SUBMITTED
        async with running(tmp_path, world.outside) as world:
            assert (await world.ended(job)).state is JobState.DONE
            assert len(world.studio.paid) == 1

    async def test_one_whose_result_is_fetched_does_not_hold_up_the_stop(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.fail("fetch", *[Unavailable("p", "no", evidence=Evidence.NOT_SENT)] * 100)
            job = await world.ask(QUEUED)
            await world.clock.advance(30)
            assert world.studio.count("fetch") > 0
            await asyncio.wait_for(world.runner.stop(600), 3)
            assert (await world.job(job)).state is JobState.SUBMITTED
        world.studio.faults.clear()
        async with running(tmp_path, world.outside) as world:
            assert (await world.ended(job)).state is JobState.DONE

    async def test_and_is_left_there_by_who_cancels_it_without_its_provider(self, tmp_path: Path):
        async with running(tmp_path) as world:
            job = await world.ask(QUEUED)
            await world.clock.advance(3)
        async with running(tmp_path, world.outside, providers=lambda *way: [ScriptedDirect(*way)]) as world:
            assert (await world.jobs.cancel(job.id, by())).state is JobState.SUBMITTED

    async def test_nobody_is_asked_while_a_call_that_is_held_open_ends(self, world: World):
        world.studio.seconds = 60
        await world.ask(QUEUED)
        await world.ask(DIRECT)
        await world.clock.advance(3)
        stopping = asyncio.create_task(world.runner.stop(600))
        await world.clock.settle()
        asked = world.studio.count("poll")
        await world.clock.advance(100)
        await stopping
        assert world.studio.count("poll") == asked

    async def test_a_call_that_is_held_open_may_end_within_the_drain(self, world: World):
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        stopping = asyncio.create_task(world.runner.stop(60))
        await world.clock.advance(10)
        await stopping
        assert (await world.job(job)).state is JobState.DONE

    async def test_and_is_uncertain_after_it(self, world: World):
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        await world.runner.stop(0.05)
        assert how(await world.job(job)) == (JobState.AMBIGUOUS, Cause.RESTARTED)
        assert world.theatre.endings[job.id]

    async def test_a_second_signal_ends_the_drain(self, world: World):
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        stopping = asyncio.create_task(world.runner.stop(60))
        await world.clock.settle()
        world.runner.hurry()
        await stopping
        assert (await world.job(job)).state is JobState.AMBIGUOUS

    async def test_stopping_twice_stops_once(self, world: World):
        await world.ask(DIRECT)
        await world.clock.advance(3)
        await asyncio.gather(world.runner.stop(0.05), world.runner.stop(0.05))
        await world.runner.stop(0)

    async def test_nothing_starts_any_more(self, world: World):
        await world.runner.stop(0)
        job = await world.ask(DIRECT)
        await world.clock.advance(100)
        assert (await world.job(job)).state is JobState.QUEUED
        assert world.studio.paid == []

    async def test_a_hand_over_that_ends_within_the_drain_keeps_nobody_waiting(self, world: World):
        world.studio.handover = 5
        job = await world.ask(QUEUED)
        await world.clock.advance(3)
        stopping = asyncio.create_task(world.runner.stop(600))
        await world.clock.advance(5)
        await asyncio.wait_for(stopping, 2)
        assert (await world.job(job)).state is JobState.SUBMITTED

    async def test_a_member_whom_nobody_can_reach_does_not_hold_up_the_stop(self, world: World):
        async def never() -> None:
            await asyncio.Event().wait()

        job = await world.ask(DIRECT)
        await world.clock.advance(9)
        world.reach.out = never
        await world.clock.advance(5)
        await asyncio.wait_for(world.runner.stop(0.05), 3)
        assert not (await world.job(job)).told


class TestStarting:
    async def test_the_guilds_rate_is_kept(self, world: World):
        await world.policies.set_limits(GUILD, MODERATOR, {"jobs_per_hour": 60, "burst": 2})
        for _ in range(5):
            await world.ask(DIRECT)
        await world.clock.advance(200)
        assert [at - world.studio.submitted_at[0] for at in world.studio.submitted_at] == [0, 0, 60, 120, 180]

    async def test_a_rate_of_more_than_one_a_second_is_kept_as_exactly(self, tmp_path: Path):
        async with running(tmp_path, limits=replace(LIMITS, jobs_per_hour=7200, burst=1)) as world:
            for _ in range(3):
                await world.ask(DIRECT)
            await world.clock.advance(5)
            assert world.studio.submitted_at == pytest.approx([EPOCH, EPOCH + 0.5, EPOCH + 1], abs=0.05)

    async def test_a_paused_guilds_queue_stands_still_and_goes_on_at_once(self, world: World):
        world.studio.fail("refuse", Unavailable("p", "no", evidence=Evidence.NOT_SENT))
        job = await world.ask(DIRECT)
        await world.clock.advance(1)
        await world.policies.pause(GUILD, MODERATOR, "maintenance")
        await world.clock.advance(1000)
        assert (await world.job(job)).state is JobState.QUEUED
        await world.policies.resume(GUILD, MODERATOR)
        assert (await world.ended(job, within=15)).state is JobState.DONE

    @pytest.mark.parametrize("jump", [-36_000, 36_000])
    async def test_a_wall_clock_that_jumps_neither_delays_the_next_start_nor_hastens_it(self, world: World, jump: int):
        await world.policies.set_limits(GUILD, MODERATOR, {"jobs_per_hour": 60, "burst": 1})
        first = await world.ask(DIRECT)
        await world.ended(first)
        world.clock.set_wall_clock(jump)
        second = await world.ask(DIRECT)
        await world.clock.advance(35)
        assert (await world.job(second)).state is JobState.QUEUED
        assert (await world.ended(second, within=80)).state is JobState.DONE

    async def test_a_machine_that_slept_goes_on_where_it_was(self, world: World):
        world.studio.timeline = [(0, InQueue(0)), (60, InProgress(1, 2)), (120, Completed())]
        queued, direct = await world.ask(QUEUED), await world.ask(DIRECT)
        await world.clock.advance(5)
        await world.clock.leap(2000)
        assert (await world.ended(queued)).state is JobState.DONE
        assert (await world.ended(direct)).state is JobState.DONE

    @pytest.mark.parametrize("refused", [False, True], ids=["made", "refused"])
    async def test_a_place_that_gets_free_is_taken_at_once_at_any_provider(self, world: World, refused: bool):
        await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
        if refused:
            world.studio.fail("refuse", Unavailable("p", "no", evidence=Evidence.REFUSED, status=503, retry_after=100))
        await world.ask(DIRECT)
        assert (await world.ended(await world.ask(QUEUED))).state is JobState.DONE
        assert world.studio.submitted_at[-1] == pytest.approx(EPOCH + (0 if refused else 10), abs=1)

    async def test_also_when_who_had_it_goes_back_to_the_queue(self, world: World):
        await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
        busy = Unavailable("p", "no", evidence=Evidence.REFUSED, status=503, retry_after=100)
        world.studio.fail("generate", busy)
        await world.ask(DIRECT)
        assert (await world.ended(await world.ask(QUEUED))).state is JobState.DONE
        assert world.studio.submitted_at == [EPOCH, pytest.approx(EPOCH + 10, abs=1)]

    async def test_two_members_take_turns(self, world: World):
        await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
        flood = [await world.ask(DIRECT) for _ in range(4)]
        single = await world.ask(DIRECT, member=OTHER_MEMBER)
        assert (await world.ended(single, within=35)).state is JobState.DONE
        assert (await world.job(flood[3])).state is JobState.QUEUED

    async def test_somebody_elses_lock_on_the_database_is_waited_out(self, world: World, tmp_path: Path):
        other = sqlite3.connect(tmp_path / "matinee.db", isolation_level=None)
        job = await world.ask(DIRECT)
        other.execute("BEGIN IMMEDIATE")
        release = asyncio.get_running_loop().call_later(0.6, other.execute, "ROLLBACK")
        try:
            assert (await world.ended(job)).state is JobState.DONE
        finally:
            release.cancel()
            other.close()
        assert len(world.studio.paid) == 1


async def test_a_second_signal_waits_neither_for_the_drain_nor_for_discord(world: World):
    job = await world.ask(DIRECT)
    await world.clock.advance(1)
    assert (await world.job(job)).state is JobState.SUBMITTING
    stopping = asyncio.create_task(world.runner.stop(600))
    await world.clock.settle()
    # From here on Discord answers nothing.
    world.reach.dead = True
    world.runner.hurry()
    async with asyncio.timeout(5):
        await stopping
    ended = await world.job(job)
    assert (ended.state, ended.cause, ended.told) == (JobState.AMBIGUOUS, Cause.RESTARTED, False)
