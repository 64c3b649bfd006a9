"""A request that waits at its provider: asked after, called back, fetched."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from bot.domain.errors import BadResponse, Evidence, ProviderError, Rejected, Unauthorized, Unavailable
from bot.domain.job import (
    Cancelled,
    Cause,
    Completed,
    Failed,
    InProgress,
    InQueue,
    Job,
    JobState,
    RemoteHandle,
    RemoteStatus,
    Unknown,
)
from bot.ports import Place
from tests.support.outside import GARBAGE, RecordingDelivery, ScriptedQueue
from tests.support.rows import GUILD, MODERATOR, limits
from tests.support.world import QUEUED, STUCK_SECONDS, Outside, World, by, running


def outage(retry_after: float | None = None) -> Unavailable:
    return Unavailable("pipelet", "bad gateway", evidence=Evidence.REFUSED, status=502, retry_after=retry_after)


def how(job: Job) -> tuple[JobState, Cause | None]:
    return job.state, job.cause


async def test_every_answer_reaches_the_queue_message(world: World):
    world.studio.timeline = [(0, InQueue(2)), (9, InProgress(1, 8)), (50, InProgress(6, 8)), (110, Completed())]
    job = await world.ask()
    await world.ended(job)
    seen = [progress for _, _, progress in world.theatre.shown[job.id] if progress is not None]
    assert seen[:3] == [InQueue(2), InProgress(1, 8), InProgress(6, 8)]
    assert len(seen) == world.studio.count("poll") - 1


async def test_a_word_that_no_document_knows_is_asked_on(world: World, caplog: pytest.LogCaptureFixture):
    world.studio.timeline = [(0, Unknown("WARMING_UP")), (30, Completed())]
    job = await world.ask()
    assert (await world.ended(job)).state is JobState.DONE
    assert "WARMING_UP" in caplog.text


async def test_a_failed_request_counts_as_charged(world: World):
    world.studio.timeline = [(0, InQueue(0)), (5, Failed("nsfw: refused"))]
    ended = await world.ended(await world.ask())
    assert how(ended) == (JobState.LOST_RESULT, Cause.FAILED)
    assert ended.detail == "nsfw: refused"
    assert await world.attempts() == [("E3", None)]


async def test_one_that_the_provider_cancelled_says_so(world: World):
    world.studio.timeline = [(0, InQueue(0)), (5, Cancelled())]
    assert how(await world.ended(await world.ask())) == (JobState.CANCELLED, Cause.BY_PROVIDER)


async def test_and_counts_against_the_budget_because_nobody_says_that_it_was_free(tmp_path: Path):
    async with running(tmp_path, prices={QUEUED: 1}, limits=limits(spend_per_day=1)) as world:
        world.studio.timeline = [(0, InQueue(0)), (5, InProgress(1, 4)), (40, Cancelled())]
        assert (await world.ended(await world.ask())).state is JobState.CANCELLED
        assert await world.attempts() == [("E2", None)]
        next_one = await world.ask()
        await world.clock.advance(3600)
        assert (await world.job(next_one)).state is JobState.QUEUED


TROUBLE: list[ProviderError] = [
    outage(),
    outage(retry_after=20),
    Unauthorized("pipelet", "no", status=401),
    Unauthorized("pipelet", "no credit", status=402),
    Rejected("pipelet", "gone", status=404),
    Rejected("pipelet", "bad request", status=400),
    BadResponse("pipelet", "not JSON"),
]


@pytest.mark.parametrize("error", TROUBLE, ids=str)
@pytest.mark.parametrize("call", ["poll", "fetch"])
async def test_trouble_with_a_question_costs_time_only(world: World, error: ProviderError, call: str):
    world.studio.fail(call, error, error)
    job = await world.ask()
    assert (await world.ended(job)).state is JobState.DONE
    assert len(world.studio.paid) == 1


async def test_a_retry_after_is_waited_for(world: World):
    world.studio.fail("poll", outage(retry_after=400))
    await world.ended(await world.ask())
    first, second, *_ = [at for at, call in world.studio.calls if call == "poll"]
    assert 400 <= second - first < 410


@pytest.mark.parametrize("call", ["poll", "fetch"])
async def test_a_request_that_nobody_knows_any_more_is_lost(world: World, call: str):
    world.studio.fail(call, *[Rejected("pipelet", "not found", status=404)] * 3)
    job = await world.ask()
    assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.RESULT_GONE)
    asked = [at for at, name in world.studio.calls if name == call]
    assert len(asked) == 3
    assert 40 <= asked[-1] - asked[0] <= 60


@pytest.mark.parametrize("call", ["poll", "fetch"])
async def test_not_found_counts_only_three_times_in_a_row(world: World, call: str):
    gone = Rejected("pipelet", "not found", status=404)
    other = outage() if call == "fetch" else None
    world.studio.fail(call, gone, gone, other, gone, gone)
    world.studio.timeline = [(0, InQueue(0)), (300, Completed())]
    assert (await world.ended(await world.ask())).state is JobState.DONE


class TestFetching:
    @pytest.mark.parametrize(
        "error", [Rejected("pipelet", "HTTP 302", status=302), BadResponse("pipelet", "HTTP 400", status=400)], ids=str
    )
    async def test_a_mistake_of_ours_is_repeated_for_ten_minutes(self, world: World, error: ProviderError):
        world.studio.fail("fetch", *[error] * 2000)
        job = await world.ask()
        assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.RESULT_GONE)
        asked = [at for at, name in world.studio.calls if name == "fetch"]
        assert 600 <= asked[-1] - asked[0] <= 620

    async def test_and_costs_nothing_when_somebody_mends_it(self, world: World):
        world.studio.fail("fetch", *[BadResponse("pipelet", "HTTP 400", status=400)] * 30)
        assert (await world.ended(await world.ask())).state is JobState.DONE

    async def test_a_film_that_does_not_play_is_fetched_again(self, world: World):
        world.studio.film = GARBAGE
        job = await world.ask()
        assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.UNUSABLE)
        assert world.studio.count("fetch") == 3

    async def test_and_is_taken_when_it_does(self, world: World):
        world.studio.fail("fetch", *[BadResponse("pipelet", "cut off")] * 2)
        assert (await world.ended(await world.ask())).state is JobState.DONE

    async def test_an_outage_counts_as_lost_once_it_lasts(self, world: World):
        world.studio.fail("fetch", *[outage() for _ in range(2000)])
        job = await world.ask()
        assert how(await world.ended(job)) == (JobState.LOST_RESULT, Cause.RESULT_GONE)
        first = next(at for at, call in world.studio.calls if call == "fetch")
        assert STUCK_SECONDS < world.clock.monotonic() - first < STUCK_SECONDS + 60

    async def test_a_full_disk_is_waited_for_until_it_counts_as_stuck(self, world: World):
        world.artifacts.faults.extend([OSError(28, "full")] * 20)
        assert how(await world.ended(await world.ask())) == (JobState.DONE, None)
        world.artifacts.faults.extend([OSError(28, "full")] * 10_000)
        assert how(await world.ended(await world.ask())) == (JobState.LOST_RESULT, Cause.STORAGE_FULL)


class WellAgain(ScriptedQueue):
    """Its outage ends when a request is called back."""

    async def cancel(self, handle: RemoteHandle) -> bool:
        self.studio.faults["poll"].clear()
        return await super().cancel(handle)


class TestStuck:
    async def test_what_never_started_is_called_back_and_costs_nothing(self, world: World):
        world.studio.timeline = [(0, InQueue(5))]
        ended = await world.ended(await world.ask())
        assert how(ended) == (JobState.REFUSED, Cause.STUCK)
        assert ended.detail == "45 minutes"
        assert STUCK_SECONDS < world.clock.monotonic() < STUCK_SECONDS + 60
        assert world.studio.requests["r0"].cancelled

    async def test_what_had_started_is_lost(self, world: World):
        world.studio.timeline = [(0, InProgress(1, 4))]
        assert how(await world.ended(await world.ask())) == (JobState.LOST_RESULT, Cause.STUCK)

    async def test_nor_is_it_free_when_nobody_answers(self, world: World):
        world.studio.fail("poll", *[outage() for _ in range(2000)])
        world.studio.fail("cancel", outage())
        assert how(await world.ended(await world.ask())) == (JobState.LOST_RESULT, Cause.STUCK)

    async def test_what_is_ready_when_it_is_to_be_called_back_is_fetched(self, tmp_path: Path):
        async with running(tmp_path, providers=lambda *outside: [WellAgain(*outside)]) as world:
            world.studio.timeline = [(0, InProgress(1, 4)), (1000, Completed())]
            world.studio.fail("poll", *[outage() for _ in range(2000)])
            assert how(await world.ended(await world.ask())) == (JobState.DONE, None)
            assert world.studio.count("cancel") == 1

    @pytest.mark.parametrize("call", ["poll", "fetch"])
    async def test_a_machine_that_slept_has_a_moment_to_find_its_network_again(self, world: World, call: str):
        world.studio.timeline = [(0, InQueue(1)), (60, InProgress(1, 4)), (170, Completed())]
        world.studio.fail("fetch", outage())
        job = await world.ask()
        await world.clock.until(lambda: world.studio.count("poll" if call == "poll" else "fetch") > 0, 400)
        world.studio.fail(call, *[outage() for _ in range(5 if call == "poll" else 4)])
        await world.clock.leap(8 * 3600)
        assert how(await world.ended(job)) == (JobState.DONE, None)

    async def test_a_lost_answer_to_the_last_cancel_is_settled_by_the_status(self, world: World):
        world.studio.timeline = [(0, InQueue(5))]
        world.studio.fail("cancel answer", outage())
        assert how(await world.ended(await world.ask())) == (JobState.REFUSED, Cause.STUCK)

    async def test_anything_new_counts_as_movement(self, world: World):
        world.studio.timeline = [(minutes * 60, InQueue(200 - minutes)) for minutes in range(0, 180, 40)]
        world.studio.timeline += [(170 * 60, InProgress(1, 2)), (200 * 60, Completed())]
        assert (await world.ended(await world.ask(), within=13_000)).state is JobState.DONE

    async def test_going_back_and_forth_does_not(self, world: World):
        world.studio.timeline = [(second, InProgress(second // 7 % 5, 24)) for second in range(0, 9000, 7)]
        assert how(await world.ended(await world.ask(), within=5000)) == (JobState.LOST_RESULT, Cause.STUCK)

    async def test_nor_does_a_place_that_is_further_away_each_time(self, world: World):
        world.studio.timeline = [(second, InQueue(second)) for second in range(0, 9000, 7)]
        assert how(await world.ended(await world.ask(), within=5000)) == (JobState.REFUSED, Cause.STUCK)


class TestCancelling:
    async def test_before_its_provider_began_it_is_cancelled_and_told_at_once(self, world: World):
        world.studio.timeline = [(0, InQueue(5))]
        job = await world.ask()
        await world.clock.advance(100)
        asked = world.studio.count("poll")
        after = await world.jobs.cancel(job.id, by())
        assert how(after) == (JobState.CANCELLED, Cause.BY_MEMBER)
        assert how(await world.ended(job, within=1)) == (JobState.CANCELLED, Cause.BY_MEMBER)
        assert await world.attempts() == [("withdrawn", None)]
        await world.clock.advance(1000)
        assert world.studio.count("poll") == asked

    async def test_thrown_away_while_it_is_made_it_is_asked_after_until_its_end(self, world: World):
        world.studio.timeline = [(0, InProgress(1, 4)), (60, Completed())]
        job = await world.ask()
        await world.clock.advance(10)
        await world.jobs.throw_away(job.id, by())
        assert how(await world.ended(job, within=100)) == (JobState.CANCELLED, Cause.BY_MEMBER)

    @pytest.mark.parametrize("pressed_after", [1, 10, 50])
    async def test_what_its_provider_cancels_after_it_had_begun_is_not_free(self, world: World, pressed_after: float):
        ends_after = 1.5 if pressed_after == 1 else 50
        world.studio.timeline = [(0, InProgress(1, 4)), (ends_after, Cancelled())]
        job = await world.ask()
        await world.clock.advance(pressed_after)
        await world.jobs.cancel(job.id, by())
        assert how(await world.ended(job)) == (JobState.CANCELLED, Cause.BY_PROVIDER)
        assert await world.attempts() == [("E2", None)]

    async def test_it_was_a_start_all_the_same(self, world: World):
        await world.policies.set_limits(GUILD, MODERATOR, {"jobs_per_hour": 1, "burst": 1})
        world.studio.timeline = [(0, InQueue(5))]
        job = await world.ask()
        await world.clock.advance(10)
        await world.jobs.cancel(job.id, by())
        second = await world.ask()
        await world.clock.advance(1000)
        assert (await world.job(second)).state is JobState.QUEUED

    async def test_afterwards_it_runs_on_and_is_delivered(self, world: World):
        world.studio.timeline = [(0, InProgress(1, 4)), (60, Completed())]
        job = await world.ask()
        await world.clock.advance(10)
        assert (await world.jobs.cancel(job.id, by())).state is JobState.SUBMITTED
        assert (await world.ended(job)).state is JobState.DONE

    async def test_a_lost_answer_is_settled_by_the_status(self, world: World):
        world.studio.timeline = [(0, InQueue(5))]
        world.studio.fail("cancel answer", outage())
        job = await world.ask()
        await world.clock.advance(10)
        assert how(await world.jobs.cancel(job.id, by())) == (JobState.CANCELLED, Cause.BY_MEMBER)

    async def test_and_by_a_later_one_when_that_is_lost_too(self, world: World):
        world.studio.timeline = [(0, InQueue(5))]
        world.studio.fail("cancel answer", outage())
        job = await world.ask()
        await world.clock.advance(10)
        world.studio.fail("poll", outage())
        assert (await world.jobs.cancel(job.id, by(MODERATOR))).state is JobState.SUBMITTED
        assert how(await world.ended(job)) == (JobState.CANCELLED, Cause.BY_MODERATOR)

    async def test_one_that_the_provider_could_not_take_is_tried_again(self, world: World):
        world.studio.timeline = [(0, InQueue(5))]
        job = await world.ask()
        await world.clock.advance(10)
        world.studio.fail("cancel", outage(), outage())
        cancelling = asyncio.create_task(world.jobs.cancel(job.id, by()))
        await world.clock.advance(3)
        assert how(await cancelling) == (JobState.CANCELLED, Cause.BY_MEMBER)

    async def test_but_not_for_ever(self, world: World):
        world.studio.timeline = [(0, InQueue(5)), (100, Completed())]
        job = await world.ask()
        await world.clock.advance(10)
        world.studio.fail("cancel", *[outage()] * 9)
        cancelling = asyncio.create_task(world.jobs.cancel(job.id, by()))
        await world.clock.advance(5)
        assert (await cancelling).state is JobState.SUBMITTED
        assert (await world.ended(job)).state is JobState.DONE

    async def test_pressing_twice_cancels_once(self, world: World):
        world.studio.timeline = [(0, InQueue(5))]
        job = await world.ask()
        await world.clock.advance(10)
        first, second = await asyncio.gather(
            world.jobs.cancel(job.id, by()), world.jobs.cancel(job.id, by()), return_exceptions=True
        )
        assert how(first) == how(second) == (JobState.CANCELLED, Cause.BY_MEMBER)
        await world.clock.advance(100)
        assert {told.state for told in world.theatre.endings[job.id]} == {JobState.CANCELLED}

    async def test_a_film_that_is_ready_first_wins(self, world: World):
        world.studio.timeline = [(0, InQueue(0)), (20, Completed())]
        job = await world.ask()
        await world.clock.until(lambda: world.studio.count("fetch") > 0, 100)
        with pytest.raises(Exception, match="too_late"):
            await world.jobs.cancel(job.id, by())
        assert (await world.ended(job)).state is JobState.DONE

    async def test_nothing_can_be_called_back_while_it_is_handed_over(self, world: World):
        world.studio.handover = 5
        job = await world.ask()
        await world.clock.advance(3)
        assert (await world.jobs.cancel(job.id, by())).state is JobState.SUBMITTING
        assert world.studio.count("cancel") == 0
        assert (await world.ended(job)).state is JobState.DONE


async def test_sixty_requests_a_second_are_the_most_that_one_provider_sees(tmp_path):
    many = limits(burst=500, active_per_guild=500, queued_per_guild=500)
    async with running(tmp_path, limits=many) as world:
        world.providers[0].concurrency = 500
        world.studio.timeline = [(0, InQueue(5))]
        for member in range(150):
            await world.ask(member=member)
        await world.clock.advance(45)
        asked = [at for at, call in world.studio.calls if call == "poll"]
        assert len(asked) >= 150
        assert all(later - first >= 1 - 1e-6 for first, later in zip(asked, asked[60:], strict=False))


async def test_a_film_of_ninety_seconds_is_fetched_when_it_is_ready(world: World):
    steps = [(8 + 82 * step / 24, InProgress(step, 24)) for step in range(24)]
    world.studio.timeline = [(0, InQueue(1)), *steps, (90, Completed())]
    await world.ended(await world.ask())
    assert world.studio.count("poll") <= 8
    assert 90 <= next(at for at, call in world.studio.calls if call == "fetch") < 92


def too_many(retry_after: float | None = None) -> Unavailable:
    return Unavailable("pipelet", "slow down", evidence=Evidence.REFUSED, status=429, retry_after=retry_after)


def polls(world: World) -> list[float]:
    return [at for at, call in world.studio.calls if call == "poll"]


class TestAProviderAsAWhole:
    """What one answer says of the provider holds for every job that waits there."""

    async def waiting(self, world: World, jobs: int) -> list[Job]:
        world.providers[0].concurrency = jobs
        world.studio.timeline = [(0, InQueue(5)), (300, Completed())]
        return [await world.ask(member=member) for member in range(jobs)]

    async def test_one_that_says_how_long_it_wants_to_hear_nothing_hears_nothing(self, world: World):
        world.studio.fail("poll", too_many(retry_after=200))
        jobs = await self.waiting(world, 20)
        await world.clock.advance(200)
        assert len(polls(world)) == 1
        assert [(await world.ended(job)).state for job in jobs] == [JobState.DONE] * 20

    async def test_one_that_says_too_many_is_asked_less_often_afterwards(self, world: World):
        world.studio.fail("poll", too_many())
        await self.waiting(world, 40)
        await world.clock.advance(10)
        gaps = [later - first for first, later in pairwise(polls(world)[1:])]
        assert len(gaps) > 20
        assert gaps[0] >= 1 / 25 - 1e-6

    async def test_a_refused_key_is_tried_by_one_question_a_minute_and_costs_no_job(self, world: World):
        world.studio.fail("poll", *[Unauthorized("pipelet", "no", status=403)] * 50)
        jobs = await self.waiting(world, 20)
        await world.clock.advance(STUCK_SECONDS + 200)
        asked = polls(world)
        assert 45 <= len(asked) <= 50
        assert all(later - first >= 60 - 1e-6 for first, later in pairwise(asked))
        assert [(await world.ended(job)).state for job in jobs] == [JobState.DONE] * 20

    async def test_nor_does_one_that_is_refused_when_it_is_fetched(self, world: World):
        world.studio.fail("fetch", *[Unauthorized("pipelet", "no", status=401)] * 60)
        job = await world.ask()
        assert (await world.ended(job, within=7000)).state is JobState.DONE
        assert world.clock.monotonic() > STUCK_SECONDS

    @pytest.mark.parametrize("call", ["poll", "fetch"])
    async def test_an_empty_account_is_asked_on_and_costs_no_job(self, world: World, call: str):
        no_credit = Unavailable("pipelet", "HTTP 402", evidence=Evidence.REFUSED, status=402)
        world.studio.fail(call, *[no_credit] * 250)
        world.studio.timeline = [(0, InQueue(5)), (300, Completed())]
        job = await world.ask()
        assert (await world.ended(job, within=7000)).state is JobState.DONE
        assert world.clock.monotonic() > STUCK_SECONDS + 600

    async def test_an_outage_does_not_say_that_a_refused_key_is_taken_again(self, world: World):
        silent = Unavailable("pipelet", "no route", evidence=Evidence.NOT_SENT)
        world.studio.fail("poll", Unauthorized("pipelet", "no", status=401), *[silent] * 8)
        await self.waiting(world, 20)
        await world.clock.advance(500)
        gaps = [later - first for first, later in pairwise(polls(world))]
        assert all(gap >= 60 - 1e-6 for gap in gaps[:8])

    async def test_a_film_is_not_fetched_while_the_provider_wants_to_hear_nothing(self, world: World):
        world.studio.timeline = [(0, InQueue(0)), (40, Completed())]
        first, second = await world.ask(), await world.ask()
        world.studio.fail("fetch", too_many(retry_after=100))
        assert [(await world.ended(job)).state for job in (first, second)] == [JobState.DONE] * 2
        times = [at for at, call in world.studio.calls if call == "fetch"]
        assert times[1] - times[0] >= 100 - 1e-6

    async def test_jobs_that_were_submitted_together_are_not_asked_after_together(self, world: World):
        await self.waiting(world, 20)
        await world.clock.advance(90)
        second = polls(world)[20:40]
        assert second[-1] - second[0] > 3


@dataclass
class RefusingOne(ScriptedQueue):
    """Does not let us see the first request, or fetch its film: it was another account's."""

    call: str = "poll"

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        self._refuse(handle, "poll")
        return await super().poll(handle)

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        self._refuse(handle, "fetch")
        await super().fetch(handle, into)

    def _refuse(self, handle: RemoteHandle, call: str) -> None:
        if (handle.request_id, call) == ("r0", self.call):
            raise Unauthorized(self.name, "forbidden", status=403)


@pytest.mark.parametrize("call", ["poll", "fetch"])
async def test_one_request_that_alone_is_refused_keeps_nobody_else_waiting_and_ends(tmp_path: Path, call: str):
    async with running(tmp_path, providers=lambda *way: [RefusingOne(*way, call=call)]) as world:
        alone = await world.ask()
        await world.ended(await world.ask())
        for _ in range(20):
            await world.ended(await world.ask())
        started, asked = world.clock.monotonic(), world.studio.count("poll")
        assert (await world.ended(await world.ask())).state is JobState.DONE
        assert world.clock.monotonic() - started < 2 * world.studio.seconds
        assert world.studio.count("poll") - asked < 10
        ended = await world.ended(alone)
        assert ended.state is JobState.LOST_RESULT
        assert ended.ended_at - ended.created_at < 2 * STUCK_SECONDS


@dataclass
class SlowToFetch(ScriptedQueue):
    """The answer to a fetch takes half a minute."""

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        self.studio.note("begin to fetch")
        await self.studio.clock.sleep(30)
        await super().fetch(handle, into)


class TestManyFilmsThatAreReadyTogether:
    async def fetched_at(self, folder: Path, error: ProviderError, errors: int) -> list[float]:
        """When the fetches began after the first that failed; all end well."""
        many = limits(burst=60, active_per_guild=60)
        async with running(folder, limits=many, providers=lambda *outside: [SlowToFetch(*outside)]) as world:
            world.providers[0].concurrency = 60
            world.studio.timeline = [(0, InQueue(5)), (100, Completed())]
            world.studio.fail("fetch", *[error] * errors)
            jobs = [await world.ask(member=member) for member in range(30)]
            assert [(await world.ended(job, within=7000)).state for job in jobs] == [JobState.DONE] * 30
            refused = next(at for at, call in world.studio.calls if call == "fetch")
            return [at - refused for at, call in world.studio.calls if call == "begin to fetch" and at > refused]

    async def test_are_not_fetched_while_the_provider_wants_to_hear_nothing(self, tmp_path: Path):
        assert min(await self.fetched_at(tmp_path, too_many(retry_after=500), 1)) >= 500 - 1e-6

    async def test_show_by_one_fetch_a_minute_whether_a_refused_key_is_taken_again(self, tmp_path: Path):
        times = await self.fetched_at(tmp_path, Unauthorized("pipelet", "no", status=401), 40)
        assert all(later - first >= 60 - 1e-6 for first, later in pairwise(times[:15]))


@pytest.mark.parametrize(
    "error", [BadResponse("pipelet", "bad request", status=400), Rejected("pipelet", "HTTP 302", status=302)], ids=str
)
async def test_a_question_that_the_provider_calls_wrong_or_sends_elsewhere_is_asked_for_ten_minutes(
    world: World, error: ProviderError
):
    world.studio.fail("poll", *[error] * 200)
    world.studio.timeline = [(0, InProgress(1, 4))]
    ended = await world.ended(await world.ask())
    assert how(ended) == (JobState.LOST_RESULT, Cause.STUCK)
    assert ended.detail == "10 minutes"
    assert 600 <= world.clock.monotonic() < 640


async def test_after_a_start_it_is_asked_at_once_and_then_as_seldom_as_before(tmp_path: Path):
    async with running(tmp_path) as world:
        world.studio.timeline = [(0, InQueue(1)), (4000, Completed())]
        await world.ask()
        await world.clock.advance(300)
    async with running(tmp_path, world.outside) as world:
        await world.clock.advance(300)
    first, second, *_ = [at for at, call in world.studio.calls if call == "poll" and at >= 300]
    assert first == 300
    assert second > 340


async def test_after_a_start_all_are_asked_at_once_and_none_is_lost(tmp_path: Path):
    many = limits(burst=500, active_per_guild=500, queued_per_guild=500)
    async with running(tmp_path, limits=many) as world:
        world.providers[0].concurrency = 500
        world.studio.timeline = [(0, InQueue(5)), (400, Completed())]
        jobs = [await world.ask(member=member) for member in range(200)]
        await world.clock.advance(30)
        asked = world.studio.count("poll")
    async with running(tmp_path, world.outside, limits=many) as world:
        await world.clock.advance(0.1)
        assert world.studio.count("poll") - asked == len(jobs)
        assert [(await world.ended(job)).state for job in jobs] == [JobState.DONE] * len(jobs)


class Clumsy(RecordingDelivery):
    """Cannot put a provider's progress into words."""

    def show(self, job: Job, place: Place | None = None, progress: RemoteStatus | None = None) -> None:
        if progress is not None:
            raise ZeroDivisionError


async def test_a_progress_that_cannot_be_shown_costs_no_job(tmp_path: Path):
    class Stage(World):
        def open_delivery(self) -> RecordingDelivery:
            return Clumsy(self.theatre, self.reach, self.artifacts)

    world = Stage(tmp_path, Outside())
    await world.open()
    try:
        await world.start()
        assert (await world.ended(await world.ask())).state is JobState.DONE
    finally:
        await world.close()
