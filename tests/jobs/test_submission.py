"""What a submission's answer means for the money and for the member (RELIABILITY, evidence classes)."""

import asyncio
import gc
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.age import TooOld
from bot.domain.errors import (
    Ambiguous,
    BadResponse,
    Evidence,
    ProviderError,
    Rejected,
    Unauthorized,
    Unavailable,
)
from bot.domain.generation import Capability, GenerationRequest, ModelSpec
from bot.domain.job import Cause, Failed, InQueue, Job, JobState, RemoteHandle
from bot.jobs.patience import next_try
from bot.jobs.service import Upload
from tests.support.clock import EPOCH
from tests.support.outside import FILM_BYTES, GARBAGE, ScriptedDirect, ScriptedQueue
from tests.support.rows import GUILD, MODERATOR, OTHER_MEMBER
from tests.support.world import DIRECT, QUEUED, World, by, running


def not_sent() -> Unavailable:
    return Unavailable("chutes", "connection refused", evidence=Evidence.NOT_SENT)


def busy(status: int, retry_after: float | None = None) -> Unavailable:
    return Unavailable("chutes", "busy", evidence=Evidence.REFUSED, status=status, retry_after=retry_after)


def how(job: Job) -> tuple[JobState, Cause | None]:
    return job.state, job.cause


both = pytest.mark.parametrize("model", [DIRECT, QUEUED])


class TestNotSent:
    @both
    async def test_it_is_tried_again_and_costs_nothing(self, world: World, model: str):
        world.studio.fail("refuse", not_sent(), not_sent())
        job = await world.ask(model)
        assert how(await world.ended(job)) == (JobState.DONE, None)
        assert await world.attempts() == [("E0", None), ("E0", None), ("made", None)]
        assert len(world.studio.paid) == 1

    async def test_after_five_tries_its_model_is_asked_less_and_less_often_for_half_an_hour(self, world: World):
        world.studio.fail("refuse", *[not_sent() for _ in range(20)])
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.UNREACHABLE)
        tried = [at for at, call in world.studio.calls if call == "refuse"]
        assert tried[:5] == [0, 5, 15, 35, 75]
        gaps = [later - earlier for earlier, later in itertools.pairwise(tried[4:])]
        assert all(gap >= pause for gap, pause in zip(gaps, (60, 120, 240, 300, 300, 300, 300), strict=False))
        assert len(tried) == 12
        assert 75 + 1800 <= world.clock.monotonic() < 75 + 1800 + 60
        assert world.studio.paid == []

    async def test_the_queue_message_says_that_it_waits_for_its_provider(self, world: World):
        world.studio.fail("refuse", not_sent())
        job = await world.ask(DIRECT)
        await world.clock.advance(2)
        waiting = await world.job(job)
        assert (waiting.state, waiting.cause, waiting.tries) == (JobState.QUEUED, Cause.UNREACHABLE, 1)
        assert waiting.not_before == EPOCH + 5
        assert world.theatre.shown[job.id][-1][0] is JobState.QUEUED

    async def test_what_cost_nothing_does_not_count_against_the_guilds_rate(self, world: World):
        await world.policies.set_limits(GUILD, MODERATOR, {"jobs_per_hour": 1, "burst": 1})
        world.studio.fail("refuse", Rejected("p", "no", status=400), not_sent(), not_sent())
        failed = await world.ask(DIRECT)
        assert (await world.ended(failed)).state is JobState.REFUSED
        job = await world.ask(DIRECT)
        assert (await world.ended(job, within=60)).state is JobState.DONE


class TestBusy:
    async def test_a_503_is_tried_five_times_within_five_minutes(self, world: World):
        world.studio.fail("refuse", *[busy(503) for _ in range(20)])
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert (*how(ended), ended.detail) == (JobState.REFUSED, Cause.BUSY, "busy")
        assert ended.ended_at == pytest.approx(world.clock.now(), abs=5)
        assert world.studio.count("refuse") == 5
        assert await world.attempts() == [("E1", 503)] * 5

    async def test_a_503_that_names_a_time_beyond_five_minutes_is_final(self, world: World):
        world.studio.fail("refuse", busy(503, retry_after=301))
        job = await world.ask(DIRECT)
        assert how(await world.ended(job)) == (JobState.REFUSED, Cause.BUSY)

    async def test_patience_begins_with_the_first_try_not_with_the_command(self, world: World):
        await world.policies.set_limits(GUILD, MODERATOR, {"jobs_per_hour": 6, "burst": 1})
        world.studio.fail("refuse", None, busy(503))
        await world.ask(DIRECT)
        job = await world.ask(DIRECT)
        assert (await world.ended(job)).state is JobState.DONE
        assert world.clock.monotonic() > 600

    async def test_and_the_models_other_jobs_wait_for_that_time(self, world: World):
        world.studio.fail("refuse", busy(503, retry_after=400))
        await world.ended(await world.ask(DIRECT))
        job = await world.ask(DIRECT)
        assert (await world.ended(job)).state is JobState.DONE
        assert [at for at, call in world.studio.calls if call == "refuse"] == [0, pytest.approx(400)]

    async def test_a_503_waits_as_long_as_it_is_told_to(self, world: World):
        world.studio.fail("refuse", busy(503, retry_after=100))
        job = await world.ask(DIRECT)
        await world.ended(job)
        assert [at for at, call in world.studio.calls if call == "refuse"] == [0, 100]

    async def test_a_429_waits_and_uses_up_no_try(self, world: World):
        world.studio.fail("refuse", *[busy(429, retry_after=30) for _ in range(9)])
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert ended.state is JobState.DONE
        assert ended.tries == 1
        assert [at for at, call in world.studio.calls if call == "refuse"] == [30.0 * n for n in range(10)]

    async def test_a_429_without_a_time_is_asked_less_and_less_often(self, world: World):
        world.studio.fail("refuse", *[busy(429) for _ in range(100)])
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert how(ended) == (JobState.REFUSED, Cause.BUSY)
        assert 5 < world.studio.count("refuse") < 20

    async def test_a_429_that_names_no_time_at_all_is_not_asked_in_a_circle(self, world: World):
        world.studio.fail("refuse", *[busy(429, retry_after=0) for _ in range(10)])
        job = await world.ask(DIRECT)
        await world.ended(job)
        gaps = [at for at, call in world.studio.calls if call == "refuse"]
        assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(gaps))

    @pytest.mark.parametrize(
        "before",
        [[Unauthorized("p", "no credit", status=402)] * 4, [not_sent()] * 4, [busy(429, retry_after=200)] * 4],
        ids=["no credit", "unreachable", "too many requests"],
    )
    async def test_its_five_minutes_begin_when_what_it_waited_for_before_is_over(self, world: World, before):
        world.studio.fail("refuse", *before, busy(503), busy(503))
        job = await world.ask(DIRECT)
        assert (await world.ended(job)).state is JobState.DONE

    async def test_a_pause_of_its_guild_does_not_use_up_its_five_minutes(self, world: World):
        world.studio.fail("refuse", busy(503), busy(503))
        job = await world.ask(DIRECT)
        await world.clock.advance(1)
        await world.policies.pause(GUILD, MODERATOR, "wait")
        await world.clock.advance(600)
        await world.policies.resume(GUILD, MODERATOR)
        assert (await world.ended(job)).state is JobState.DONE

    async def test_others_start_while_one_waits_for_its_provider(self, world: World):
        world.studio.fail("refuse", busy(503, retry_after=100))
        waiting = await world.ask(DIRECT)
        job = await world.ask(DIRECT)
        assert (await world.ended(job, within=20)).state is JobState.DONE
        assert (await world.job(waiting)).state is JobState.QUEUED


REFUSALS: list[tuple[ProviderError, Cause]] = [
    (Rejected("p", "bad prompt", status=400), Cause.REJECTED),
    (Rejected("p", "too large", status=413), Cause.REJECTED),
    (Rejected("p", "not JSON", status=415), Cause.REJECTED),
    (Rejected("p", "unprocessable", status=422), Cause.REJECTED),
    (Rejected("p", "moved", status=307), Cause.REDIRECTED),
    (Rejected("p", "not sent, as it would be refused"), Cause.REJECTED),
]


@both
@pytest.mark.parametrize(("error", "cause"), REFUSALS, ids=lambda value: str(getattr(value, "status", value)))
async def test_a_refusal_of_the_request_is_final_and_free(world: World, model: str, error: ProviderError, cause: Cause):
    world.studio.fail("refuse", error)
    job = await world.ask(model)
    assert how(await world.ended(job)) == (JobState.REFUSED, cause)
    assert await world.attempts() == [("E1", error.status)]
    assert world.studio.count("refuse") == 1


async def test_what_a_provider_says_is_for_the_member_and_for_no_log(world: World, caplog: pytest.LogCaptureFixture):
    world.studio.fail("refuse", Rejected("p", "HTTP 400", status=400, said="no 'red balloon' here"))
    assert (await world.ended(await world.ask(DIRECT))).detail == "HTTP 400: no 'red balloon' here"
    assert "HTTP 400" in caplog.text
    assert "balloon" not in caplog.text


REFUSALS_OF_US: list[tuple[ProviderError, Cause]] = [
    (Unauthorized("p", "bad key", status=401), Cause.UNAUTHORIZED),
    (Unauthorized("p", "no credit", status=402), Cause.NO_CREDIT),
    (Unauthorized("p", "forbidden", status=403), Cause.UNAUTHORIZED),
    (Rejected("p", "no such model", status=404), Cause.MODEL_GONE),
]
of_us = pytest.mark.parametrize(("error", "cause"), REFUSALS_OF_US, ids=lambda value: str(getattr(value, "status", "")))


@of_us
async def test_a_refusal_of_this_bot_is_waited_out_and_costs_nothing(world: World, error: ProviderError, cause: Cause):
    world.studio.fail("refuse", error, error)
    job = await world.ask(DIRECT)
    await world.clock.advance(3)
    assert await world.state(job) == (JobState.QUEUED, cause)
    assert (await world.ended(job)).state is JobState.DONE
    assert [at for at, call in world.studio.calls if call == "refuse"] == [0, 60, 180]
    assert await world.attempts() == [("E1", error.status)] * 2 + [("made", None)]
    assert len(world.studio.paid) == 1


@of_us
async def test_and_after_half_an_hour_it_is_refused_free_of_charge(world: World, error: ProviderError, cause: Cause):
    world.studio.fail("refuse", *[error] * 20)
    job = await world.ask(DIRECT)
    ended = await world.ended(job)
    assert how(ended) == (JobState.REFUSED, cause)
    assert 1800 <= world.clock.monotonic() < 1860
    assert [at for at, call in world.studio.calls if call == "refuse"] == [0, 60, 180, *range(420, 1800, 300)]
    assert world.studio.paid == []


@of_us
async def test_one_that_is_well_again_before_that_is_asked_in_time(world: World, error: ProviderError, cause: Cause):
    world.studio.fail("refuse", *[error] * 5)
    job = await world.ask(DIRECT)
    assert await world.clock.until(lambda: world.studio.count("refuse") == 5, 1200)
    assert (await world.ended(job)).state is JobState.DONE
    assert world.clock.monotonic() < 1500


async def test_one_job_that_alone_is_refused_does_not_wait_for_ever(world: World):
    """Others are served in between, so its model gets well again and again."""
    job = await world.ask(DIRECT)
    await world.ended(job)
    refused = Unauthorized("p", "not this prompt", status=403)
    world.studio.fail("refuse", *[refused, None] * 100)
    alone = await world.ask(DIRECT)
    for _ in range(40):
        await world.ask(DIRECT, member=OTHER_MEMBER)
        await world.clock.advance(60)
    assert (await world.ended(alone)).state in (JobState.REFUSED, JobState.DONE)


class TestTooLarge:
    async def ask(self, world: World) -> Job:
        uploads = [Upload("image", "https://cdn.discordapp.com/a.png", 10)]
        return await world.ask("wan22-fast-i2v", uploads=uploads, capability=Capability.IMAGE_TO_VIDEO)

    def too_large(self) -> Rejected:
        return Rejected("p", "body too large", status=413)

    async def test_a_picture_that_is_too_large_for_the_provider_is_made_smaller_once(self, world: World):
        world.studio.fail("refuse", not_sent(), self.too_large())
        job = await self.ask(world)
        assert await world.clock.until(lambda: world.live.get(job.id).request.shrunk, 60)
        assert world.live.get(job.id).cause is None
        ended = await world.ended(job)
        assert ended.state is JobState.DONE
        assert ended.request.shrunk
        assert all(name.endswith("-small.jpg") for name in ended.request.images)
        assert not world.pictures.path(job.request.images[0]).exists()
        assert await world.attempts() == [("E0", None), ("E1", 413), ("made", None)]

    async def test_a_provider_that_is_busy_then_has_waited_for_nothing_else(self, world: World):
        world.studio.fail("refuse", self.too_large(), busy(503))
        job = await self.ask(world)
        assert await world.clock.until(lambda: world.live.get(job.id).cause is Cause.BUSY, 60)
        assert world.live.get(job.id).first_try_at <= world.clock.now()

    async def test_and_not_twice(self, world: World):
        world.studio.fail("refuse", self.too_large(), self.too_large())
        job = await self.ask(world)
        assert how(await world.ended(job)) == (JobState.REFUSED, Cause.REJECTED)
        assert world.studio.paid == []

    async def test_nor_when_it_is_gone(self, world: World):
        world.studio.fail("submit", self.too_large())
        world.studio.handover = 1
        job = await self.ask(world)
        await world.clock.advance(0.5)
        for name in job.request.images:
            world.pictures.forget(name)
        ended = await world.ended(job)
        assert (*how(ended), ended.detail) == (JobState.REFUSED, Cause.REJECTED, "body too large")
        assert await world.attempts() == [("E1", 413)]


UNCERTAIN = [
    Ambiguous("p", "internal error", status=500),
    Ambiguous("p", "bad gateway", status=502),
    Ambiguous("p", "timeout", status=408),
    Ambiguous("p", "cut off"),
    BadResponse("p", "cut off after 2xx"),
]


@pytest.mark.parametrize("error", UNCERTAIN, ids=str)
@both
async def test_what_may_have_been_charged_is_never_sent_again(world: World, model: str, error: ProviderError):
    world.studio.fail("submit" if model == QUEUED else "generate", error)
    job = await world.ask(model)
    ended = await world.ended(job)
    expected = JobState.AMBIGUOUS if isinstance(error, Ambiguous) else JobState.LOST_RESULT
    assert (ended.state, ended.detail) == (expected, error.detail)
    await world.clock.advance(5000)
    assert len(world.studio.paid) == 1
    assert await world.attempts() == [(error.evidence.value, error.status)]


class TestMadeButUnusable:
    async def test_garbage_is_charged_and_lost(self, world: World):
        world.studio.film = GARBAGE
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert how(ended) == (JobState.LOST_RESULT, Cause.UNUSABLE)
        assert ended.detail == "no film at all"
        assert await world.attempts() == [("E3", None)]

    async def test_a_full_disk_is_waited_out_for_a_while(self, world: World):
        world.artifacts.faults.extend([OSError(28, "full")] * 3)
        job = await world.ask(DIRECT)
        assert (await world.ended(job)).state is JobState.DONE

    async def test_a_disk_that_stays_full_loses_the_result(self, world: World):
        world.artifacts.faults.extend([OSError(28, "full")] * 20)
        job = await world.ask(DIRECT)
        assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.STORAGE_FULL)
        assert 10 + 25 <= world.clock.monotonic() <= 10 + 30

    async def test_so_does_one_that_refuses_the_bytes_as_they_come(self, world: World):
        world.studio.fail("generate", OSError(28, "full"))
        job = await world.ask(DIRECT)
        assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.STORAGE_FULL)


def self_hosted(*way):
    return [ScriptedDirect(*way, billed=False)]


class TestSelfHosted:
    """Nobody bills it: after a server error it is asked once more, when it says that it is well."""

    @pytest.fixture
    async def world(self, tmp_path):
        async with running(tmp_path, providers=self_hosted) as world:
            yield world

    async def test_it_is_repeated_once_when_it_is_healthy_again(self, world: World):
        world.studio.fail("generate", Ambiguous("p", "oom", status=500))
        world.studio.fail("healthy", *[not_sent()] * 3)
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert (ended.state, ended.repeated) == (JobState.DONE, True)
        assert world.studio.count("healthy") == 4
        assert await world.attempts() == [("E2", 500), ("made", None)]

    async def test_and_not_a_second_time(self, world: World):
        world.studio.fail("generate", *[Ambiguous("p", "oom", status=500)] * 2)
        job = await world.ask(DIRECT)
        assert how(await world.ended(job)) == (JobState.AMBIGUOUS, Cause.NO_ANSWER)
        assert len(world.studio.paid) == 2

    async def test_nor_when_it_stays_ill(self, world: World):
        world.studio.fail("generate", Ambiguous("p", "oom", status=502))
        world.studio.fail("healthy", *[not_sent() for _ in range(1000)])
        job = await world.ask(DIRECT)
        ended = await world.ended(job)
        assert (*how(ended), ended.detail) == (JobState.AMBIGUOUS, Cause.NO_ANSWER, "oom")
        assert await world.attempts() == [("E2", 502)]
        assert 290 < world.clock.monotonic() < 330

    async def test_a_call_that_a_stop_cuts_is_made_once_more_by_the_next_start(self, world: World, tmp_path: Path):
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        await world.runner.stop(0)
        world.studio.fail("healthy", *[not_sent()] * 3)
        async with running(tmp_path, world.outside, providers=self_hosted) as world:
            ended = await world.ended(job)
            assert (ended.state, ended.repeated) == (JobState.DONE, True)
            assert world.studio.count("healthy") == 4
            assert await world.attempts() == [("E2", None), ("made", None)]

    @pytest.mark.parametrize("answer", [None, Ambiguous("p", "oom", status=500)], ids=["making", "waiting for health"])
    async def test_so_is_one_that_a_kill_cuts_but_not_a_second_time(self, world: World, tmp_path: Path, answer):
        world.studio.seconds = 60
        world.studio.fail("generate", answer)
        world.studio.fail("healthy", *[not_sent() for _ in range(9)])
        job = await world.ask(DIRECT)
        await world.clock.advance(70 if answer else 30)
        world.snapshot(tmp_path / "second")
        world.studio.faults.clear()
        async with running(tmp_path / "second", world.outside, providers=self_hosted) as second:
            await second.clock.advance(30)
            assert await second.state(job) == (JobState.SUBMITTING, Cause.RESTARTED)
            second.snapshot(tmp_path / "third")
        async with running(tmp_path / "third", world.outside, providers=self_hosted) as third:
            assert how(await third.ended(job)) == (JobState.AMBIGUOUS, Cause.RESTARTED)
        assert len(world.studio.paid) == 2

    async def test_nor_after_anything_but_a_server_error(self, world: World):
        world.studio.fail("generate", Ambiguous("p", "cut off"))
        job = await world.ask(DIRECT)
        assert (await world.ended(job)).state is JobState.AMBIGUOUS
        assert len(world.studio.paid) == 1


async def test_a_provider_that_was_taken_out_of_the_configuration_refuses_what_waits_for_it(tmp_path):
    async with running(tmp_path) as world:
        world.studio.fail("refuse", busy(503, retry_after=200))
        job = await world.ask(DIRECT)
        await world.clock.advance(1)
    async with running(tmp_path, world.outside, providers=lambda _studio, _reach: []) as world:
        assert how(await world.ended(job)) == (JobState.REFUSED, Cause.MODEL_GONE)
        assert world.studio.paid == []


class Fewer(ScriptedQueue):
    """The operator has left one model out, or a server has another one now."""

    def models(self) -> Sequence[ModelSpec]:
        return [spec for spec in super().models() if spec.id != QUEUED]

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        if request.model == QUEUED:
            raise Rejected(self.name, "this model is not offered here any more")
        return await super().submit(request, images)


@pytest.mark.parametrize("other", [None, f"{QUEUED}-pro"])
async def test_a_model_that_was_taken_out_of_the_configuration_is_gone_and_may_have_a_stand_in(tmp_path, other):
    async with running(tmp_path) as world:
        world.studio.fail("refuse", busy(503, retry_after=200))
        job = await world.ask()
        await world.clock.advance(1)
    fewer = {"providers": lambda *way: [Fewer(*way)], "fall_back": {QUEUED: [other]} if other else None}
    async with running(tmp_path, world.outside, **fewer) as world:
        ended = await world.ended(job)
        assert how(ended) == ((JobState.DONE, None) if other else (JobState.REFUSED, Cause.MODEL_GONE))
        assert [paid.model for paid in world.studio.paid] == ([other] if other else [])


async def test_a_picture_that_is_gone_is_not_paid_for(world: World):
    uploads = [Upload("image", "https://cdn.discordapp.com/a.png", 10)]
    world.studio.fail("refuse", busy(503, retry_after=20))
    job = await world.ask("wan22-fast-i2v", uploads=uploads, capability=Capability.IMAGE_TO_VIDEO)
    await world.clock.advance(1)
    for name in job.request.images:
        world.pictures.forget(name)
    assert how(await world.ended(job)) == (JobState.REFUSED, Cause.PICTURE_GONE)
    assert world.studio.paid == []


class TestThrownAway:
    async def test_a_result_that_nobody_wants_any_more_is_not_posted(self, world: World):
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        assert (await world.jobs.throw_away(job.id, by())).discard is Cause.BY_MEMBER
        ended = await world.ended(job)
        assert how(ended) == (JobState.CANCELLED, Cause.BY_MEMBER)
        assert ended.ended_at == pytest.approx(world.clock.now(), abs=5)
        assert ended.artifact is None
        assert world.theatre.films == {}
        assert list(world.artifacts.folder.iterdir()) == []
        assert await world.attempts() == [("made", None)]

    async def test_the_member_is_told_when_it_was_a_moderator(self, world: World):
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        await world.jobs.throw_away(job.id, by(MODERATOR))
        assert how(await world.ended(job)) == (JobState.CANCELLED, Cause.BY_MODERATOR)

    async def test_it_is_not_asked_for_again_when_its_provider_refused(self, world: World):
        world.studio.fail("generate", busy(503))
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        await world.jobs.throw_away(job.id, by())
        assert how(await world.ended(job)) == (JobState.CANCELLED, Cause.BY_MEMBER)
        await world.clock.advance(600)
        assert world.studio.count("refuse") == 1


class Late(ScriptedDirect):
    """All of the film has been written before the connection ends."""

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        into.write_bytes(self.studio.film)
        await super().generate(request, images, into)


async def test_a_call_that_is_cut_after_its_last_byte_has_made_a_film(tmp_path: Path):
    async with running(tmp_path, providers=lambda *way: [Late(*way)]) as world:
        job = await world.ask(DIRECT)
        await world.clock.advance(3)
        await world.runner.stop(0)
        assert (await world.ended(job)).state is JobState.DONE
        assert await world.attempts() == [("made", None)]


async def test_a_call_that_is_cut_ends_as_uncertain(world: World):
    job = await world.ask(DIRECT)
    await world.clock.advance(3)
    await world.runner.stop(0)
    assert how(await world.ended(job)) == (JobState.AMBIGUOUS, Cause.RESTARTED)


async def test_there_is_time_to_say_so_to_its_member(world: World):
    job = await world.ask(DIRECT)
    await world.clock.advance(3)
    world.reach.out = lambda: world.clock.sleep(1)
    stopping = asyncio.create_task(world.runner.stop(0))
    await world.clock.advance(3)
    await stopping
    assert (await world.job(job)).told


async def test_a_call_that_has_ended_is_let_go(world: World):
    job = await world.ask(DIRECT)

    def calls() -> int:
        gc.collect()
        tasks = (each for each in gc.get_objects() if isinstance(each, asyncio.Task))
        loop, name = asyncio.get_running_loop(), f"call {job.id}"
        return sum(task.get_loop() is loop and task.get_name() == name for task in tasks)

    await world.clock.advance(3)
    assert calls() == 1
    await world.ended(job)
    assert calls() == 0


@pytest.mark.parametrize(("tries", "pause"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (11, 160)])
def test_patience_doubles_its_pauses(tries: int, pause: float):
    assert next_try(not_sent(), tries, EPOCH, EPOCH, 1800) == EPOCH + pause


@pytest.mark.parametrize(("age", "pause"), [(0, 5), (100, 100), (900, 600)])
def test_a_429_without_a_time_doubles_its_age(age: float, pause: float):
    assert next_try(busy(429), 1, EPOCH, EPOCH + age, 1800) == EPOCH + age + pause


def test_patience_ends_with_the_time_or_with_the_tries():
    refused = Unauthorized("p", "bad key", status=401)
    assert next_try(not_sent(), 13, EPOCH, EPOCH, 1800) is not None
    assert next_try(not_sent(), 14, EPOCH, EPOCH, 1800) is None
    assert next_try(not_sent(), 1, EPOCH, EPOCH + 1796, 1800) == EPOCH + 1800
    assert next_try(not_sent(), 1, EPOCH, EPOCH + 1801, 1800) is None
    assert next_try(refused, 1, EPOCH, EPOCH + 1800, 1800) == EPOCH + 1800
    assert next_try(refused, 1, EPOCH, EPOCH + 1801, 1800) is None
    assert next_try(busy(503), 1, EPOCH, EPOCH + 294, 1800) is not None
    assert next_try(busy(503), 1, EPOCH, EPOCH + 296, 1800) is None
    assert next_try(busy(429, retry_after=9999), 1, EPOCH, EPOCH, 1800) == EPOCH + 600
    assert next_try(busy(429, retry_after=9999), 1, EPOCH, EPOCH + 3001, 1800) is None


async def test_nobody_waits_for_somebody_elses_call(world: World):
    first = await world.ask(DIRECT)
    second = await world.ask(QUEUED)
    await asyncio.sleep(0)
    assert (await world.ended(first)).state is JobState.DONE
    assert (await world.ended(second)).state is JobState.DONE
    assert {content for _, content in world.theatre.films.values()} == {FILM_BYTES}


class TestMorePaidAttempts:
    """`max_paid_attempts` above one is the operator's written choice."""

    @both
    @pytest.mark.parametrize("error", UNCERTAIN, ids=str)
    async def test_what_may_have_been_charged_is_asked_once_more(self, tmp_path, model: str, error: ProviderError):
        async with running(tmp_path, max_paid_attempts=2) as world:
            world.studio.fail("submit" if model == QUEUED else "generate", error)
            job = await world.ask(model)
            ended = await world.ended(job)
            assert (ended.state, ended.charged) == (JobState.DONE, 1)
            assert await world.attempts() == [(error.evidence.value, error.status), ("made", None)]
            assert len(world.theatre.endings[job.id]) == 1

    async def test_its_patience_begins_anew(self, tmp_path):
        async with running(tmp_path, max_paid_attempts=2) as world:
            four = [busy(503, retry_after=70)] * 4
            world.studio.fail("refuse", *four, None, *four)
            world.studio.fail("generate", Ambiguous("p", "cut off"))
            job = await world.ask(DIRECT)
            ended = await world.ended(job)
            assert (*how(ended), ended.tries) == (JobState.DONE, None, 5)

    async def test_and_never_more_often_than_that(self, tmp_path):
        async with running(tmp_path, max_paid_attempts=3) as world:
            world.studio.fail("generate", *[Ambiguous("p", "cut off")] * 9)
            job = await world.ask(DIRECT)
            ended = await world.ended(job)
            assert (*how(ended), ended.charged) == (JobState.AMBIGUOUS, Cause.NO_ANSWER, 2)
            assert len(world.studio.paid) == 3
            assert await world.attempts() == [("E2", None)] * 3

    async def test_a_result_that_its_provider_lost_is_made_again(self, tmp_path):
        async with running(tmp_path, max_paid_attempts=2) as world:
            world.studio.timeline = [(0, InQueue(0)), (5, Failed("out of memory"))]
            job = await world.ask(QUEUED)
            assert await world.clock.until(lambda: world.live.get(job.id).charged == 1, 60)
            waiting = await world.job(job)
            assert (waiting.state, waiting.remote) == (JobState.QUEUED, None)
            ended = await world.ended(job)
            assert (*how(ended), ended.charged) == (JobState.LOST_RESULT, Cause.FAILED, 1)
            assert len(world.studio.paid) == 2

    async def test_a_restart_counts_what_it_cut(self, tmp_path):
        async with running(tmp_path, max_paid_attempts=2) as world:
            job = await world.ask(DIRECT)
            await world.clock.advance(3)
            await world.runner.stop(0)
            assert await world.state(job) == (JobState.QUEUED, Cause.RESTARTED)
        async with running(tmp_path, world.outside, max_paid_attempts=2) as world:
            ended = await world.ended(job)
            assert (ended.state, ended.charged) == (JobState.DONE, 1)
            assert await world.attempts() == [("E2", None), ("made", None)]

    async def test_who_threw_it_away_is_not_charged_again(self, tmp_path):
        async with running(tmp_path, max_paid_attempts=5) as world:
            world.studio.fail("generate", Ambiguous("p", "cut off"))
            job = await world.ask(DIRECT)
            await world.clock.advance(3)
            await world.jobs.throw_away(job.id, by())
            assert how(await world.ended(job)) == (JobState.CANCELLED, Cause.BY_MEMBER)
            assert len(world.studio.paid) == 1

    async def test_nor_is_a_full_disk_of_our_own_paid_for_twice(self, tmp_path):
        async with running(tmp_path, max_paid_attempts=5) as world:
            world.artifacts.faults.extend([OSError(28, "full")] * 20)
            job = await world.ask(DIRECT)
            assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.STORAGE_FULL)
            assert len(world.studio.paid) == 1


class TestDates:
    async def test_a_result_and_every_end_are_dated(self, world: World):
        world.studio.fail("refuse", None, Rejected("chutes", "no", status=422))
        world.studio.fail("generate", None)
        made = await world.ended(await world.ask(DIRECT))
        assert EPOCH < (made.made_at or 0) <= (made.ended_at or 0) <= world.clock.now()
        refused = await world.ended(await world.ask(DIRECT))
        assert (refused.state, refused.ended_at) == (JobState.REFUSED, pytest.approx(world.clock.now(), abs=5))

    async def test_patience_begins_when_the_provider_was_asked_not_when_it_answered(self, world: World):
        world.studio.fail("generate", busy(503))
        job = await world.ask(DIRECT)
        await world.clock.advance(11)
        waiting = await world.job(job)
        assert (waiting.cause, waiting.first_try_at) == (Cause.BUSY, EPOCH)

    async def test_a_claim_that_its_process_slept_over_uses_up_no_try_and_leaves_no_reason(self, world: World):
        world.studio.fail("refuse", not_sent(), TooOld())
        job = await world.ask(DIRECT)
        await world.clock.advance(6)
        again = await world.job(job)
        assert again.cause is None
        assert (await world.ended(job)).state is JobState.DONE
        assert [evidence for evidence, _ in await world.attempts()] == ["E0", "E0", "made"]
        assert (await world.job(job)).tries == 2
