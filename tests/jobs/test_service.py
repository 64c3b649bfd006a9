"""What members and moderators can do with jobs: everything is checked before anything is stored."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import (
    BadPicture,
    Evidence,
    InvalidRequest,
    NoSuchModel,
    NotAllowed,
    NotOffered,
    OutOfBounds,
    PromptLength,
    RateLimited,
    Rejected,
    Rule,
    Scope,
    StorageUnavailable,
    Unavailable,
    UserError,
)
from bot.domain.generation import Asked, Capability, Quality
from bot.domain.job import Cause, Completed, Destination, InProgress, InQueue, Job, JobState
from bot.jobs.service import Upload
from tests.support.rows import CHANNEL, GUILD, MEMBER, MODERATOR, OTHER_GUILD, OTHER_MEMBER, limits
from tests.support.world import DIRECT, QUEUED, World, by, running

HERE = Destination(GUILD, CHANNEL, MEMBER, 20 * 2**20)
BUSY = Unavailable("chutes", "busy", evidence=Evidence.REFUSED, status=503)
PICTURE = Upload("image", "https://cdn.discordapp.com/first.png", 10)
LAST = Upload("last_image", "https://cdn.discordapp.com/last.png", 10)


@pytest.fixture
async def world(tmp_path: Path):
    """Nothing starts: only what is asked for is looked at."""
    async with running(tmp_path, start=False) as world:
        yield world


def asked(capability: Capability = Capability.TEXT_TO_VIDEO, **changes: Any) -> Asked:
    return Asked(capability, "a red balloon", **changes)


async def refusal(call: Awaitable[object]) -> UserError:
    with pytest.raises(UserError) as refused:
        await call
    return refused.value


async def rule(call: Awaitable[object]) -> Rule:
    with pytest.raises(NotAllowed) as refused:
        await call
    return refused.value.rule


def files(world: World) -> list[str]:
    return sorted(path.name for path in world.pictures.folder.iterdir())


class TestDrafting:
    async def test_nothing_is_stored_for_it(self, world: World):
        draft = await world.jobs.draft(asked(), HERE)
        assert (draft.request.model, draft.provider, draft.to) == ("wan22-fast-t2v", "pipelet", HERE)
        assert await world.rows("SELECT * FROM jobs") == []

    async def test_a_disk_that_running_jobs_need_takes_no_new_ones(self, world: World):
        world.room = False
        with pytest.raises(StorageUnavailable) as refused:
            await world.jobs.draft(asked(), HERE)
        assert refused.value.full
        world.room = True
        await world.jobs.draft(asked(), HERE)

    async def test_the_guilds_default_comes_before_the_operators(self, world: World):
        await world.policies.set_default(GUILD, MODERATOR, Capability.TEXT_TO_VIDEO, "wan22-fast-t2v-pro")
        assert (await world.jobs.draft(asked(), HERE)).request.model == "wan22-fast-t2v-pro"
        await world.policies.deny_model(GUILD, MODERATOR, "wan22-fast-t2v-pro")
        assert (await world.jobs.draft(asked(), HERE)).request.model == "wan22-fast-t2v"

    async def test_then_whatever_the_guild_allows(self, world: World):
        for model in ("wan22-fast-t2v", "wan22-fast-t2v-premium"):
            await world.policies.deny_model(GUILD, MODERATOR, model)
        assert (await world.jobs.draft(asked(), HERE)).request.model == "wan22-fast-t2v-pro"

    async def test_nothing_is_left_when_the_guild_denies_all(self, world: World):
        for spec in world.catalog.models(Capability.TEXT_TO_VIDEO):
            await world.policies.deny_model(GUILD, MODERATOR, spec.id)
        assert await rule(world.jobs.draft(asked(), HERE)) is Rule.NO_MODEL

    async def test_a_model_that_nobody_has_is_refused(self, world: World):
        refused = await refusal(world.jobs.draft(asked(model="dall-e"), HERE))
        assert isinstance(refused, NoSuchModel)
        assert refused.command is None

    async def test_one_of_another_kind_names_its_command(self, world: World):
        refused = await refusal(world.jobs.draft(asked(model="wan22-fast-i2v"), HERE))
        assert isinstance(refused, NoSuchModel)
        assert refused.command == "animate"

    async def test_a_denied_model_is_refused(self, world: World):
        await world.policies.deny_model(GUILD, MODERATOR, QUEUED)
        assert await rule(world.jobs.draft(asked(model=QUEUED), HERE)) is Rule.MODEL_DENIED
        await world.policies.allow_model(GUILD, MODERATOR, QUEUED)
        assert await world.jobs.draft(asked(model=QUEUED), HERE)

    async def test_an_option_that_cannot_be_names_models_that_can(self, world: World):
        refused = await refusal(world.jobs.draft(asked(model=QUEUED, duration=9), HERE))
        assert isinstance(refused, OutOfBounds)
        assert refused.able == ()
        refused = await refusal(world.jobs.draft(asked(model=QUEUED, duration=6, quality=Quality.HIGH), HERE))
        assert isinstance(refused, InvalidRequest)
        refused = await refusal(world.jobs.draft(asked(model=QUEUED, fps=24), HERE))
        assert isinstance(refused, NotOffered)

    @pytest.mark.parametrize("prompt", ["   ", "\x00\x01", "x" * 2001])
    async def test_no_other_model_is_offered_for_a_prompt_of_the_wrong_length(self, world: World, prompt: str):
        refused = await refusal(world.jobs.draft(replace(asked(), prompt=prompt), HERE))
        assert isinstance(refused, PromptLength)
        assert refused.able == ()

    async def test_the_seed_is_drawn_where_the_model_has_one(self, world: World):
        assert (await world.jobs.draft(asked(model=QUEUED), HERE)).request.seed is None


class TestRules:
    async def test_a_blocked_member_may_not_ask_until_the_end_of_it(self, world: World):
        await world.policies.block(GUILD, MODERATOR, MEMBER, "spam", world.clock.now() + 60)
        with pytest.raises(NotAllowed) as refused:
            await world.jobs.draft(asked(), HERE)
        assert (refused.value.rule, refused.value.detail) == (Rule.BLOCKED, "spam")
        assert refused.value.until == world.clock.now() + 60
        await world.clock.advance(61)
        assert await world.jobs.draft(asked(), HERE)

    async def test_or_until_somebody_unblocks_them(self, world: World):
        await world.policies.block(GUILD, MODERATOR, MEMBER, "spam", None)
        await world.clock.advance(10**8)
        assert await rule(world.jobs.draft(asked(), HERE)) is Rule.BLOCKED
        assert await world.policies.unblock(GUILD, MODERATOR, MEMBER)
        assert not await world.policies.unblock(GUILD, MODERATOR, MEMBER)
        assert await world.jobs.draft(asked(), HERE)

    async def test_a_paused_guild_takes_nothing(self, world: World):
        await world.policies.pause(GUILD, MODERATOR, "maintenance")
        assert await rule(world.jobs.draft(asked(), HERE)) is Rule.PAUSED
        assert await world.jobs.draft(asked(), replace(HERE, guild_id=OTHER_GUILD))

    async def test_channels_are_free_until_one_is_allowed(self, world: World):
        await world.policies.allow_channel(GUILD, MODERATOR, 98)
        await world.policies.allow_channel(GUILD, MODERATOR, 99)
        with pytest.raises(NotAllowed) as refused:
            await world.jobs.draft(asked(), HERE)
        assert (refused.value.rule, refused.value.detail) == (Rule.CHANNEL, "<#98> <#99>")
        assert await world.jobs.draft(asked(), HERE, parent_id=99)
        await world.policies.clear_channels(GUILD, MODERATOR)
        assert await world.jobs.draft(asked(), HERE)

    async def test_a_process_that_stops_takes_requests_for_the_next_one_to_start(self, world: World):
        world.jobs.close()
        stopping = asyncio.create_task(world.runner.stop(0))
        job = await world.ask()
        await world.clock.advance(10)
        await stopping
        assert (await world.state(job))[0] is JobState.QUEUED
        assert (await world.jobs.place(job)).restarting
        assert world.studio.paid == []

    async def test_a_limit_above_the_operators_is_refused(self, world: World):
        with pytest.raises(NotAllowed) as refused:
            await world.policies.set_limits(GUILD, MODERATOR, {"burst": 101})
        assert (refused.value.rule, refused.value.detail) == (Rule.BEYOND_OPERATOR, "burst 100")
        own = await world.policies.set_limits(GUILD, MODERATOR, {"burst": 3})
        assert own == await world.policies.limits(GUILD) == replace(world.policies.operator, burst=3)


class TestPictures:
    animate = asked(Capability.IMAGE_TO_VIDEO)

    async def test_a_picture_is_made_safe_and_kept_with_the_job(self, world: World):
        draft = await world.jobs.draft(self.animate, HERE, [PICTURE])
        assert draft.request.images == ("image.jpg",)
        assert files(world) == ["image.jpg"]
        await world.queue(draft)
        assert files(world) == ["image.jpg"]

    async def test_a_draft_that_becomes_no_job_leaves_nothing(self, world: World):
        draft = await world.jobs.draft(self.animate, HERE, [PICTURE])
        world.jobs.discard(draft)
        assert files(world) == []

    @pytest.mark.parametrize("url", ["https://x/damaged.png", "https://x/unreachable.png"])
    async def test_a_second_picture_that_is_none_takes_the_first_with_it(self, world: World, url: str):
        refused = await refusal(world.jobs.draft(self.animate, HERE, [PICTURE, replace(LAST, url=url)]))
        assert isinstance(refused, BadPicture)
        assert refused.option == "last_image"
        assert files(world) == []

    async def test_so_does_a_disk_that_is_full_meanwhile(self, world: World):
        class FullDisk(Exception):
            pass

        async def fetch(upload: Upload) -> Path:
            if upload is LAST:
                raise FullDisk
            return await type(world.pictures).fetch(world.pictures, upload)

        world.pictures.fetch = fetch
        with pytest.raises(FullDisk):
            await world.jobs.draft(self.animate, HERE, [PICTURE, LAST])
        assert files(world) == []

    async def test_a_request_that_was_seen_before_leaves_nothing(self, world: World):
        first = await world.jobs.accept(await world.jobs.draft(asked(), HERE), 77)
        assert first is not None
        again = await world.jobs.draft(self.animate, HERE, [PICTURE])
        assert await world.jobs.accept(again, 77) is None
        assert files(world) == []

    async def test_a_size_that_the_picture_decides_is_the_jobs(self, world: World):
        world.pictures.frame = 1
        draft = await world.jobs.draft(asked(Capability.IMAGE_TO_VIDEO, duration=3), HERE, [PICTURE])
        assert draft.request.size == 1


class TestQueues:
    async def test_a_full_queue_names_whose_it_is_and_when_to_come_back(self, tmp_path: Path):
        few = limits(queued_per_member=2, queued_per_guild=3)
        async with running(tmp_path, start=False, limits=few) as world:
            await world.ask()
            await world.ask()
            refused = await refusal(world.ask())
            assert isinstance(refused, RateLimited)
            assert (refused.scope, refused.limit) == (Scope.MEMBER, 2)
            assert refused.retry_at > world.clock.now()
            await world.ask(member=OTHER_MEMBER)
            refused = await refusal(world.ask(member=33))
            assert isinstance(refused, RateLimited)
            assert refused.scope is Scope.GUILD
            assert await world.ask(guild=OTHER_GUILD)

    async def test_jobs_that_run_take_no_place_in_it(self, tmp_path: Path):
        async with running(tmp_path, limits=limits(queued_per_member=1)) as world:
            await world.ask(DIRECT)
            await world.clock.settle()
            assert await world.ask(DIRECT)


class TestAcknowledging:
    async def test_only_what_was_confirmed_may_start(self, world: World):
        job = await world.ask(acknowledge=False)
        assert (await world.job(job)).state is JobState.RECEIVED
        await world.jobs.acknowledged(job, 5)
        confirmed = await world.job(job)
        assert (confirmed.state, confirmed.ack_message_id) == (JobState.QUEUED, 5)

    async def test_what_was_not_is_dropped(self, world: World):
        job = await world.ask(acknowledge=False)
        await world.jobs.abandon(job)
        await world.jobs.abandon(job)
        assert await world.state(job) == (JobState.ABANDONED, Cause.NOT_CONFIRMED)

    async def test_one_that_was_cancelled_meanwhile_ends_with_its_queue_message(self, tmp_path: Path):
        async with running(tmp_path) as world:
            job = await world.ask(acknowledge=False)
            assert (await world.jobs.cancel(job.id, by())).discard is Cause.BY_MEMBER
            await world.clock.advance(5)
            await world.acknowledge(job)
            ended = await world.ended(job)
            assert (ended.state, ended.cause, ended.told) == (JobState.CANCELLED, Cause.BY_MEMBER, True)
            assert world.theatre.endings[job.id][0].job.ack_message_id == world.theatre.acknowledged[job.id]
            await world.jobs.acknowledged(job, 9)
            assert await world.job(job) == ended
            assert world.studio.paid == []

    async def test_after_a_kill_too(self, tmp_path: Path):
        async with running(tmp_path) as world:
            job = await world.ask(acknowledge=False)
            await world.jobs.cancel(job.id, by(MODERATOR))
            await world.clock.advance(5)
            world.theatre.acknowledged[job.id] = 500
        async with running(tmp_path, world.outside) as world:
            ended = await world.ended(job)
            assert (ended.state, ended.cause) == (JobState.CANCELLED, Cause.BY_MODERATOR)
            assert world.theatre.endings[job.id][0].job.ack_message_id == 500

    async def test_however_closely_the_two_meet(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.seconds = 100_000
            await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
            await world.ask(DIRECT)
            await world.clock.settle()
            for _ in range(20):
                job = await world.ask(acknowledge=False)
                await asyncio.gather(world.jobs.cancel(job.id, by()), world.acknowledge(job))
                await world.clock.advance(5)
                ended = await world.job(job)
                assert (ended.state, ended.told) == (JobState.CANCELLED, True)
                assert world.theatre.endings[job.id][-1].job.ack_message_id is not None


class TestCancelling:
    async def test_what_waits_is_cancelled_by_its_member_or_a_moderator(self, world: World):
        first, second = await world.ask(), await world.ask()
        assert (await world.jobs.cancel(first.id, by())).cause is Cause.BY_MEMBER
        assert (await world.jobs.cancel(second.id, by(MODERATOR))).cause is Cause.BY_MODERATOR
        audited = await world.rows("SELECT moderator_id, verb, before, after FROM audit")
        assert audited == [(MODERATOR, "cancel", f"{second.id} queued", "cancelled")]

    async def test_nobody_elses(self, world: World):
        job = await world.ask()
        assert await rule(world.jobs.cancel(job.id, by(OTHER_MEMBER))) is Rule.NOT_YOURS
        assert await rule(world.jobs.cancel(job.id, by(MODERATOR, OTHER_GUILD))) is Rule.NO_SUCH_JOB
        assert await rule(world.jobs.cancel("nosuchjob1", by())) is Rule.NO_SUCH_JOB

    async def test_not_twice(self, world: World):
        job = await world.ask()
        await world.jobs.cancel(job.id, by())
        assert await rule(world.jobs.cancel(job.id, by())) is Rule.TOO_LATE

    async def test_of_many_at_once_one_cancels(self, world: World):
        job = await world.ask()
        results = await asyncio.gather(*(world.jobs.cancel(job.id, by()) for _ in range(10)), return_exceptions=True)
        done = [result for result in results if isinstance(result, Job)]
        assert len(done) == 1
        assert all(isinstance(result, NotAllowed) for result in results if result not in done)

    async def test_what_its_provider_has_is_called_back_there_and_recorded(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline = [(0, InQueue(3))]
            job = await world.ask()
            await world.clock.advance(10)
            await world.jobs.cancel(job.id, by(MODERATOR))
            audited = await world.rows("SELECT verb, before, after FROM audit")
            assert audited == [("cancel", f"{job.id} submitted", "cancelled")]

    async def test_what_runs_can_only_be_thrown_away(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline = [(0, InProgress(1, 4)), (60, Completed())]
            job = await world.ask()
            assert await rule(world.jobs.throw_away("nosuchjob1", by())) is Rule.NO_SUCH_JOB
            await world.clock.advance(10)
            assert (await world.jobs.cancel(job.id, by(MODERATOR))).state is JobState.SUBMITTED
            assert (await world.jobs.throw_away(job.id, by(MODERATOR))).discard is Cause.BY_MODERATOR
            audited = await world.rows("SELECT verb, before, after FROM audit")
            assert audited == [("cancel", f"{job.id} submitted", "result thrown away")]
            await world.ended(job)
            assert await rule(world.jobs.throw_away(job.id, by())) is Rule.TOO_LATE

    async def test_what_starts_or_moves_on_while_it_is_thrown_away_is_thrown_away(self, tmp_path: Path):
        async with running(tmp_path) as world:
            for _ in range(20):
                job = await world.ask()
                gone = await world.jobs.throw_away(job.id, by())
                assert gone.state is JobState.CANCELLED or gone.discard is Cause.BY_MEMBER
                assert (await world.ended(job)).state is JobState.CANCELLED
            assert world.theatre.films == {}

    async def test_a_guild_that_was_left_is_paid_for_no_more(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline = [(0, InQueue(3))]
            running_job = await world.ask()
            elsewhere = await world.ask(guild=OTHER_GUILD)
            direct = await world.ask(DIRECT)
            await world.clock.advance(5)
            await world.policies.pause(GUILD, MODERATOR, "wait")
            await world.policies.resume(GUILD, MODERATOR)
            received = await world.ask(acknowledge=False)
            await world.guilds.left(GUILD)
            await world.clock.advance(1)
            assert await world.state(running_job) == (JobState.CANCELLED, Cause.GUILD_LEFT)
            assert await world.state(received) == (JobState.CANCELLED, Cause.GUILD_LEFT)
            assert (await world.job(elsewhere)).state is JobState.SUBMITTED
            assert (await world.job(direct)).state is JobState.SUBMITTING

    async def test_nor_one_that_was_left_while_the_bot_was_away(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline = [(0, InQueue(3))]
            here, elsewhere = await world.ask(), await world.ask(guild=OTHER_GUILD)
            await world.clock.advance(5)
            await world.guilds.only([OTHER_GUILD, 12345])
            await world.clock.advance(1)
            assert await world.state(here) == (JobState.CANCELLED, Cause.GUILD_LEFT)
            assert (await world.job(elsewhere)).state is JobState.SUBMITTED

    async def test_nor_for_a_job_that_moved_on_while_it_was_left(self, tmp_path: Path):
        async with running(tmp_path) as world:
            await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
            await world.ask(DIRECT)
            for _ in range(10):
                job = await world.ask(acknowledge=False)
                await asyncio.gather(world.acknowledge(job), world.guilds.left(GUILD))
                await world.clock.settle()
                assert (await world.job(job)).state is JobState.CANCELLED

    @pytest.mark.parametrize("model", [DIRECT, QUEUED])
    async def test_nor_for_one_that_its_provider_sends_back_afterwards(self, tmp_path: Path, model: str):
        async with running(tmp_path) as world:
            world.studio.fail("generate", BUSY)
            world.studio.fail("submit", BUSY)
            world.studio.handover = 10
            job = await world.ask(model)
            await world.clock.advance(1)
            await world.guilds.left(GUILD)
            assert (await world.job(job)).state is JobState.SUBMITTING
            await world.ended(job)
            assert await world.state(job) == (JobState.CANCELLED, Cause.GUILD_LEFT)
            assert await world.attempts() == [("E1", 503)]

    async def test_nor_for_one_that_its_provider_takes_afterwards(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline, world.studio.handover = [(0, InQueue(3))], 10
            job = await world.ask()
            await world.clock.advance(1)
            await world.guilds.left(GUILD)
            assert (await world.job(job)).state is JobState.SUBMITTING
            await world.ended(job)
            assert await world.state(job) == (JobState.CANCELLED, Cause.GUILD_LEFT)
            assert await world.attempts() == [("withdrawn", None)]

    async def test_one_that_its_provider_begins_at_once_runs_on_and_is_not_called_back_for_ever(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline, world.studio.handover = [(0, InProgress(0, 4)), (60, Completed())], 10
            job = await world.ask()
            await world.clock.advance(1)
            await world.guilds.left(GUILD)
            assert (await world.job(job)).state is JobState.SUBMITTING
            assert (await world.ended(job)).charged == 0
            assert await world.attempts() == [("made", None)]
            assert world.studio.count("cancel") <= 2

    async def test_who_lets_the_bot_in_again_meanwhile_has_it_all(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.fail("generate", BUSY)
            job = await world.ask(DIRECT)
            await world.clock.advance(1)
            await world.guilds.left(GUILD)
            await world.guilds.joined(GUILD)
            assert (await world.ended(job)).state is JobState.DONE


class TestRetrying:
    async def refused_job(self, world: World, **asking: Any) -> Job:
        world.studio.fail("refuse", Rejected("p", "no", status=400))
        return await world.ended(await world.ask(**asking))

    async def test_the_same_request_again_and_only_once(self, tmp_path: Path):
        async with running(tmp_path) as world:
            first = await self.refused_job(world)
            draft = await world.jobs.draft_retry(first.id, by(), 5)
            assert (draft.request, draft.to.file_limit) == (first.request, 5)
            again = await world.queue(draft, retry_of=first.id)
            assert (await world.ended(again)).state is JobState.DONE
            second = await world.jobs.draft_retry(first.id, by(), 5)
            assert await rule(world.jobs.accept(second, 99, first.id)) is Rule.ALREADY_RETRIED

    async def test_of_many_presses_one_starts_a_job(self, tmp_path: Path):
        async with running(tmp_path) as world:
            first = await self.refused_job(world)
            draft = await world.jobs.draft_retry(first.id, by(), 5)
            results = await asyncio.gather(
                *(world.jobs.accept(draft, 1000 + press, first.id) for press in range(30)), return_exceptions=True
            )
            assert sum(isinstance(result, Job) for result in results) == 1
            assert all(
                isinstance(result, NotAllowed) and result.rule is Rule.ALREADY_RETRIED
                for result in results
                if not isinstance(result, Job)
            )

    async def test_one_that_the_member_was_never_told_of_does_not_count(self, tmp_path: Path):
        async with running(tmp_path) as world:
            first = await self.refused_job(world)
            draft = await world.jobs.draft_retry(first.id, by(), 5)
            unseen = await world.queue(draft, retry_of=first.id, acknowledge=False)
            assert await rule(world.jobs.accept(draft, 99, first.id)) is Rule.ALREADY_RETRIED
            await world.jobs.abandon(unseen)
            again = await world.queue(draft, retry_of=first.id)
            assert (await world.ended(again)).state is JobState.DONE
            assert await rule(world.jobs.accept(draft, 100, first.id)) is Rule.ALREADY_RETRIED

    async def test_a_refused_retry_keeps_the_pictures_for_the_next_one(self, tmp_path: Path):
        async with running(tmp_path) as world:
            first = await self.refused_job(
                world, model="wan22-fast-i2v", capability=Capability.IMAGE_TO_VIDEO, uploads=[PICTURE]
            )
            draft = await world.jobs.draft_retry(first.id, by(), 5)
            await world.queue(draft, retry_of=first.id)
            with pytest.raises(NotAllowed):
                await world.queue(draft, retry_of=first.id)
            assert files(world) == ["image.jpg"]
            world.pictures.forget("image.jpg")
            assert isinstance(await refusal(world.jobs.draft_retry(first.id, by(), 5)), BadPicture)

    async def test_by_its_own_member_after_a_failure_only(self, tmp_path: Path):
        async with running(tmp_path) as world:
            first = await self.refused_job(world)
            assert await rule(world.jobs.draft_retry(first.id, by(MODERATOR), 5)) is Rule.NOT_YOURS
            fine = await world.ended(await world.ask())
            assert await rule(world.jobs.draft_retry(fine.id, by(), 5)) is Rule.TOO_LATE

    async def test_under_the_rules_of_now(self, tmp_path: Path):
        async with running(tmp_path) as world:
            first = await self.refused_job(world)
            await world.policies.deny_model(GUILD, MODERATOR, first.request.model)
            assert await rule(world.jobs.draft_retry(first.id, by(), 5)) is Rule.MODEL_DENIED
            await world.policies.pause(GUILD, MODERATOR, "wait")
            assert await rule(world.jobs.draft_retry(first.id, by(), 5)) is Rule.PAUSED


class TestLooking:
    async def test_completions_are_ones_own_open_jobs_newest_first(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.timeline = [(0, InQueue(1))]
            mine = []
            for _ in range(3):
                mine.append((await world.ask()).id)
                await world.clock.advance(1)
            other = (await world.ask(member=OTHER_MEMBER)).id
            await world.clock.advance(1)
            assert [job.id for job in world.jobs.completions(by(), "")] == mine[::-1]
            assert [job.id for job in world.jobs.completions(by(), f" {mine[1].upper()} ")] == [mine[1]]
            assert len(world.jobs.completions(by(), "RED BALL")) == 3
            assert world.jobs.completions(by(), "green") == []
            assert [job.id for job in world.jobs.completions(by(), "", whole_guild=True)] == [other, *mine[::-1]]
            assert world.jobs.completions(by(guild=OTHER_GUILD), "", whole_guild=True) == []

    async def test_the_overview_has_what_runs_and_then_what_waits_in_its_order(self, tmp_path: Path):
        async with running(tmp_path) as world:
            await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
            jobs = [await world.ask(DIRECT) for _ in range(3)]
            single = await world.ask(DIRECT, member=OTHER_MEMBER)
            await world.clock.settle()
            ordered, mine = await world.jobs.overview(by())
            assert [job.id for job in ordered] == [jobs[0].id, jobs[1].id, single.id, jobs[2].id]
            assert {job.id for job in mine} == {job.id for job in jobs}

    async def test_recent_jobs_are_found_by_member_and_state(self, world: World):
        mine, theirs = await world.ask(), await world.ask(member=OTHER_MEMBER, acknowledge=False)
        found = await world.jobs.recent(by(MODERATOR), None, None)
        assert {job.id for job in found} == {mine.id, theirs.id}
        assert [job.id for job in await world.jobs.recent(by(MODERATOR), OTHER_MEMBER, None)] == [theirs.id]
        assert [job.id for job in await world.jobs.recent(by(MODERATOR), None, JobState.QUEUED)] == [mine.id]
        assert await world.jobs.recent(by(MODERATOR, OTHER_GUILD), None, None) == []


async def test_a_disk_that_is_full_stores_nothing(world: World):
    await world.database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall())
    draft = await world.jobs.draft(asked(Capability.IMAGE_TO_VIDEO), HERE, [PICTURE])
    long = replace(draft, request=replace(draft.request, prompt="x" * 2000))

    async def fill() -> None:
        for number in range(200):
            await world.jobs.accept(long, number)

    with pytest.raises(StorageUnavailable) as refused:
        await fill()
    assert refused.value.full
    assert files(world) == []
