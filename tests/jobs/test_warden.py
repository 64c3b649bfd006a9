"""Jobs whose provider fails: they wait, are told, go to a stand-in, or are refused in time."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import texts
from bot.domain.errors import (
    Ambiguous,
    BadResponse,
    Evidence,
    ProviderError,
    Rejected,
    StorageUnavailable,
    Unauthorized,
    Unavailable,
)
from bot.domain.generation import Aspect, Capability, Quality
from bot.domain.job import Cause, Job, JobState
from bot.jobs.service import Upload
from bot.providers._chutes_models import MODELS as CHUTES_MODELS
from bot.texts.progress import queue_message
from tests.support.clock import EPOCH
from tests.support.crashes import lives
from tests.support.outside import ScriptedDirect, ScriptedQueue
from tests.support.rows import GUILD, MEMBER, MODERATOR, OTHER_GUILD, OTHER_MEMBER, limits
from tests.support.world import DIRECT, QUEUED, Outside, World, by, running

WAN, FAST, PRO = "wan2.1-14b", "wan22-fast-t2v", "wan22-fast-t2v-pro"


class Chutes(ScriptedDirect):
    """With the models that the documents describe."""

    def models(self):
        return CHUTES_MODELS


def gone() -> Rejected:
    return Rejected("chutes", "no such model", status=404)


def refused(status: int = 401) -> Unauthorized:
    return Unauthorized("chutes", "bad key", status=status)


def not_sent() -> Unavailable:
    return Unavailable("chutes", "connection refused", evidence=Evidence.NOT_SENT)


def two(*way):
    return [ScriptedQueue(*way), Chutes(*way)]


def standing_in(folder: Path, **named):
    return running(folder, providers=two, fall_back={WAN: [FAST, PRO]}, **named)


def asked(world: World) -> list[float]:
    return [at for at, call in world.studio.calls if call == "refuse"]


def shown(world: World, job: Job) -> str:
    """The queue message as it stands."""
    state, place, _ = world.theatre.shown[job.id][-1]
    assert state is JobState.QUEUED
    return queue_message(world.live.get(job.id) or job, place).content


class TestWaiting:
    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (refused(401), "Chutes does not accept this bot's key or account"),
            (refused(402), "Chutes finds no credit in this bot's account"),
            (gone(), "Chutes does not offer chutes-model"),
        ],
    )
    async def test_who_waits_is_told_for_whom_until_when_and_that_it_is_free(
        self, world: World, error: ProviderError, words: str
    ):
        world.studio.fail("refuse", *[error] * 3)
        first = await world.ask(DIRECT)
        await world.clock.advance(20)
        later = await world.ask(DIRECT, member=OTHER_MEMBER)
        await world.clock.advance(20)
        for job, end in ((first, EPOCH + 1800), (later, EPOCH + 1820)):
            content = shown(world, job)
            assert f"Waiting: {words}. Next try <t:{EPOCH + 60:.0f}:R>." in content
            assert f"dropped <t:{end:.0f}:R> and costs nothing" in content
        assert asked(world) == [0]

    async def test_the_first_message_says_so_already(self, world: World):
        world.studio.fail("refuse", gone())
        await world.ask(DIRECT)
        await world.clock.advance(1)
        draft_job = await world.ask(DIRECT, acknowledge=False)
        place = await world.jobs.place(draft_job)
        assert place.outage is not None
        assert place.outage.trouble.cause is Cause.MODEL_GONE

    async def test_a_model_that_keeps_failing_is_left_alone_and_others_are_not(self, world: World):
        world.studio.fail("generate", *[Ambiguous("p", "cut off")] * 5)
        failed = [await world.ask(DIRECT) for _ in range(5)]
        for job in failed:
            assert (await world.ended(job)).state is JobState.AMBIGUOUS
        waiting, other = await world.ask(DIRECT), await world.ask(QUEUED)
        await world.clock.advance(10)
        assert "keeps failing at chutes-model" in shown(world, waiting)
        assert (await world.job(other)).state is not JobState.QUEUED
        for job in (waiting, other):
            assert (await world.ended(job)).state is JobState.DONE
        assert asked(world)[6:] == [pytest.approx(80)]

    async def test_one_goes_through_and_the_others_follow_its_result(self, world: World):
        world.studio.fail("refuse", refused())
        jobs = [await world.ask(DIRECT)]
        await world.clock.advance(5)
        jobs += [await world.ask(DIRECT) for _ in range(6)]
        await world.clock.advance(60)
        assert asked(world) == [0, 60]
        for job in jobs:
            assert (await world.ended(job, within=60)).state is JobState.DONE
        assert len(world.studio.paid) == 7

    async def test_they_follow_at_once_where_a_request_waits_at_its_provider(self, world: World):
        """Whoever takes one of them does not refuse this bot any more, however long its queue is."""
        world.studio.fail("refuse", Unauthorized("pipelet", "no credit", status=402))
        world.studio.seconds = 1200
        jobs = [await world.ask(QUEUED)]
        await world.clock.advance(5)
        jobs += [await world.ask(QUEUED) for _ in range(3)]
        await world.clock.advance(120)
        assert {(await world.job(job)).state for job in jobs} == {JobState.SUBMITTED}
        for job in jobs:
            assert (await world.ended(job)).state is JobState.DONE

    async def test_its_message_says_that_one_is_being_tried(self, world: World):
        world.studio.fail("refuse", refused())
        await world.ask(DIRECT)
        await world.clock.advance(5)
        waiting = await world.ask(DIRECT)
        await world.clock.advance(58)
        assert "It is being tried again now." in shown(world, waiting)

    async def test_a_restart_changes_nothing(self, tmp_path: Path):
        async with running(tmp_path) as world:
            world.studio.fail("refuse", *[refused()] * 2)
            job = await world.ask(DIRECT)
            await world.clock.advance(70)
            assert asked(world) == [0, 60]
        async with running(tmp_path, world.outside) as world:
            await world.clock.advance(100)
            assert asked(world) == [0, 60]
            assert (await world.ended(job)).state is JobState.DONE
            assert asked(world) == [0, 60, 180]

    async def test_after_half_an_hour_all_are_refused_in_their_turn(self, world: World):
        world.studio.fail("refuse", *[refused(402)] * 40)
        early = await world.ask(DIRECT)
        await world.clock.advance(600)
        late = await world.ask(DIRECT, guild=OTHER_GUILD)
        await world.clock.advance(1230)
        assert await world.state(early) == (JobState.REFUSED, Cause.NO_CREDIT)
        assert (await world.job(late)).state is JobState.QUEUED
        ended = await world.ended(late)
        assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.NO_CREDIT)
        assert 2400 <= world.clock.monotonic() < 2430
        notice = texts.notice(ended).content
        assert "Chutes finds no credit in this bot's account" in notice
        assert "Nothing was spent" in notice
        assert "choose a model of another provider" in notice
        assert world.studio.paid == []

    async def test_who_waits_can_be_cancelled(self, world: World):
        world.studio.fail("refuse", *[refused()] * 9)
        job = await world.ask(DIRECT)
        await world.clock.advance(5)
        await world.jobs.cancel(job.id, by())
        ended = await world.ended(job)
        assert (ended.state, ended.cause) == (JobState.CANCELLED, Cause.BY_MEMBER)
        await world.clock.advance(4000)
        assert asked(world) == [0]

    async def test_retry_after_holds_back_a_models_jobs_and_nobody_elses(self, world: World):
        busy = Unavailable("p", "busy", evidence=Evidence.REFUSED, status=503, retry_after=100)
        world.studio.fail("refuse", busy)
        first = await world.ask(DIRECT)
        await world.clock.advance(1)
        second, other = await world.ask(DIRECT), await world.ask(QUEUED)
        for job in (first, second, other):
            assert (await world.ended(job)).state is JobState.DONE
        assert asked(world) == pytest.approx([0, 1, 100, 100])

    async def test_a_cold_start_is_no_outage(self, world: World):
        cold = Unavailable("p", "cold", evidence=Evidence.REFUSED, status=503)
        world.studio.fail("refuse", *[cold] * 8)
        jobs = [await world.ask(DIRECT) for _ in range(4)]
        for job in jobs:
            assert (await world.ended(job)).state is JobState.DONE
        assert world.clock.monotonic() < 60

    async def test_our_own_restarts_are_not_held_against_a_provider(self, tmp_path: Path):
        async with running(tmp_path, providers=lambda *way: [ScriptedDirect(*way, concurrency=6)]) as world:
            jobs = [await world.ask(DIRECT) for _ in range(6)]
            await world.clock.advance(3)
            await world.runner.stop(0)
            assert {(await world.ended(job)).state for job in jobs} == {JobState.AMBIGUOUS}
        async with running(tmp_path, world.outside) as world:
            assert (await world.ended(await world.ask(DIRECT), within=30)).state is JobState.DONE


def busy() -> Unavailable:
    return Unavailable("p", "busy", evidence=Evidence.REFUSED, status=503)


class TestStandInsForABusyModel:
    """No breaker opens for 503: who is refused at every try goes to a stand-in before it is dropped."""

    async def test_one_that_works_makes_it(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", *[busy()] * 5)
            ended = await world.ended(await world.ask(WAN))
            assert (ended.state, ended.cause) == (JobState.DONE, None)
            assert (ended.request.model, ended.asked_model, ended.tries) == (FAST, WAN, 1)
            assert await world.attempts() == [("E1", 503)] * 5 + [("made", None)]
            assert len(world.studio.paid) == 1

    async def test_so_does_the_next_one_but_the_first_is_not_begun_with_again(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", *[busy()] * 99)
            ended = await world.ended(await world.ask(WAN))
            assert (ended.state, ended.cause, ended.request.model) == (JobState.REFUSED, Cause.BUSY, PRO)
            models = await world.rows("SELECT model, count(*) FROM attempts GROUP BY model ORDER BY min(id)")
            assert models == [(WAN, 5), (FAST, 5), (PRO, 5)]
            assert len(asked(world)) == 15
            assert world.studio.paid == []

    async def test_one_that_does_not_work_is_passed_over(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", gone())
            waiting = await world.ask(FAST)
            await world.clock.advance(5)
            await world.jobs.cancel(waiting.id, by())
            world.studio.fail("refuse", *[busy()] * 5)
            assert (await world.ended(await world.ask(WAN))).request.model == PRO

    async def test_never_once_something_may_have_been_paid(self, tmp_path: Path):
        async with standing_in(tmp_path, max_paid_attempts=2) as world:
            world.studio.fail("generate", Ambiguous("p", "cut off"))
            world.studio.fail("refuse", None, *[busy()] * 5)
            ended = await world.ended(await world.ask(WAN))
            assert (ended.state, ended.cause, ended.request.model) == (JobState.REFUSED, Cause.BUSY, WAN)

    async def test_nor_when_the_disk_cannot_say_who_could(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", *[busy()] * 5)
            job, troubles = await world.ask(WAN), world.store.troubles

            async def unreadable():
                if (await world.job(job)).tries >= 5:
                    raise StorageUnavailable(full=False)
                return await troubles()

            world.store.troubles = unreadable
            ended = await world.ended(job)
            assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.BUSY)


class TestStandIns:
    async def test_another_model_makes_it_and_everybody_reads_so(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", gone())
            job = await world.ask(WAN, aspect=Aspect.PORTRAIT, duration=5)
            ended = await world.ended(job, within=120)
            assert (ended.state, ended.provider, ended.asked_model) == (JobState.DONE, "pipelet", WAN)
            (made,) = world.studio.paid
            assert (made.model, made.prompt, made.size_label) == (FAST, "a red balloon", "portrait standard")
            assert made.duration == 5
            assert await world.attempts() == [("E1", 404), ("made", None)]
            words = f"Made by {FAST} in place of {WAN}"
            assert words in texts.ending(ended).content
            assert words in texts.result(ended, ended.artifact).content
            assert f"{FAST} in place of {WAN}" in texts.queue_list([ended], [])[0]
            assert world.clock.monotonic() < 60

    async def test_who_waits_for_its_turn_reads_at_once_who_will_make_it(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            await world.policies.set_limits(GUILD, MODERATOR, {"jobs_per_hour": 1, "burst": 1})
            await world.ended(await world.ask(QUEUED))
            waiting = await world.ask(WAN)
            await world.clock.advance(5)
            world.studio.fail("refuse", gone())
            await world.ask(WAN, guild=OTHER_GUILD)
            await world.clock.advance(5)
            assert (await world.job(waiting)).request.model == FAST
            assert f"Made by {FAST} in place of {WAN}" in shown(world, waiting)

    async def test_the_next_one_when_that_one_fails_too(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", gone(), gone())
            ended = await world.ended(await world.ask(WAN), within=120)
            assert (ended.state, ended.request.model, ended.asked_model) == (JobState.DONE, PRO, WAN)

    async def test_one_that_gets_well_again_makes_what_waited_in_vain(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", refused(401))
            await world.ask(FAST)
            await world.clock.advance(3)
            world.studio.fail("refuse", *[gone()] * 3)
            waiting = await world.ask(WAN)
            await world.clock.advance(30)
            assert (await world.job(waiting)).request.model == WAN
            world.studio.faults.clear()
            ended = await world.ended(waiting, within=200)
            assert ended.state is JobState.DONE
            assert ended.request.model == FAST

    async def test_with_nobody_left_it_waits_and_is_refused(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", *[gone()] * 60)
            ended = await world.ended(await world.ask(WAN))
            assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.MODEL_GONE)
            assert world.clock.monotonic() < 3 * 1900
            assert world.studio.paid == []

    async def test_the_model_that_was_asked_for_is_tried_again_by_one_job(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", gone())
            first = await world.ask(WAN)
            await world.clock.advance(90)
            second = await world.ask(WAN)
            third = await world.ask(WAN)
            models = [(await world.ended(job)).request.model for job in (first, second, third)]
            assert models == [FAST, WAN, FAST]
            assert (await world.ended(await world.ask(WAN))).request.model == WAN

    async def test_never_once_something_may_have_been_paid(self, tmp_path: Path):
        async with standing_in(tmp_path, max_paid_attempts=3) as world:
            world.studio.fail("generate", *[Ambiguous("p", "cut off")] * 6)
            jobs = [await world.ask(WAN) for _ in range(5)]
            await world.clock.advance(300)
            ended = [await world.ended(job) for job in jobs]
            assert {job.request.model for job in ended} == {WAN}

    @pytest.mark.parametrize(
        "own",
        [{"fps": 30}, {"steps": 20}, {"guidance": 3.0}, {"duration": 7.5, "fps": 16}, {"negative_prompt": "rain"}],
        ids=str,
    )
    async def test_what_was_asked_for_by_name_is_not_left_out(self, tmp_path: Path, own):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", gone())
            job = await world.ask(WAN, **own)
            await world.clock.advance(30)
            assert (await world.job(job)).request.model == WAN
            assert (await world.ended(job)).request.model == WAN

    async def test_a_shape_or_length_that_the_stand_in_does_not_make_is_not_swapped_for_another(self, tmp_path: Path):
        async with running(tmp_path, providers=two, fall_back={WAN: ["skyreels"], FAST: [WAN]}) as world:
            world.studio.fail("refuse", gone(), gone())
            square = await world.ask(WAN, aspect=Aspect.SQUARE, quality=Quality.HIGH)
            short = await world.ask(FAST, duration=1)
            await world.clock.advance(30)
            assert [(await world.job(job)).request.model for job in (square, short)] == [WAN, FAST]

    async def test_nor_is_a_model_used_that_its_guild_has_switched_off(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            await world.policies.deny_model(GUILD, MODERATOR, FAST)
            world.studio.fail("refuse", gone())
            assert (await world.ended(await world.ask(WAN), within=120)).request.model == PRO

    async def test_until_it_is_switched_on_again(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            for model in (FAST, PRO):
                await world.policies.deny_model(GUILD, MODERATOR, model)
            world.studio.fail("refuse", gone())
            jobs = [await world.ask(WAN)]
            await world.clock.advance(5)
            jobs.append(await world.ask(WAN))
            await world.clock.advance(5)
            await world.policies.allow_model(GUILD, MODERATOR, PRO)
            await world.clock.advance(5)
            assert {(await world.job(job)).request.model for job in jobs} == {PRO}

    async def test_a_picture_goes_along_and_is_fitted_to_the_other_model(self, tmp_path: Path):
        async with running(tmp_path, providers=two, fall_back={WAN: ["wan22-fast-i2v"]}) as world:
            world.studio.fail("refuse", gone())
            uploads = [Upload("image", "https://cdn.discordapp.com/a.png", 10)]
            job = await world.ask(WAN, uploads=uploads, capability=Capability.IMAGE_TO_VIDEO)
            ended = await world.ended(job, within=120)
            assert (ended.state, ended.request.model) == (JobState.DONE, "wan22-fast-i2v")
            assert ended.request.images != job.request.images
            assert world.pictures.path(ended.request.images[0]).exists()
            assert not world.pictures.path(job.request.images[0]).exists()

    async def test_of_two_pictures_that_cannot_both_be_fitted_none_is_left_over(self, tmp_path: Path):
        large, small = "skyreels-v2-14b-540p", "skyreels-v2-1.3b-540p"
        async with running(tmp_path, providers=two, fall_back={large: [small]}) as world:
            uploads = [Upload(name, f"https://cdn.discordapp.com/{name}.png", 10) for name in ("image", "last_image")]
            job = await world.ask(
                large, uploads=uploads, capability=Capability.IMAGE_TO_VIDEO, last_image=True, acknowledge=False
            )
            await world.policies.pause(GUILD, MODERATOR, "wait")
            await world.acknowledge(job)
            first, last = job.request.images
            world.pictures.forget(last)
            world.studio.fail("refuse", gone())
            await world.ask(large, guild=OTHER_GUILD)
            await world.clock.advance(30)
            assert (await world.job(job)).request == job.request
            assert [path.name for path in world.pictures.folder.iterdir()] == [first]

    async def test_a_provider_that_is_not_configured_any_more_has_its_jobs_made_elsewhere(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", Unavailable("p", "busy", evidence=Evidence.REFUSED, status=503, retry_after=99))
            job = await world.ask(WAN)
            await world.clock.advance(1)
        fall_back = {WAN: [FAST]}
        async with running(
            tmp_path, world.outside, providers=lambda *way: [ScriptedQueue(*way)], fall_back=fall_back
        ) as world:
            ended = await world.ended(job, within=120)
            assert (ended.state, ended.request.model, ended.asked_model) == (JobState.DONE, FAST, WAN)

    async def test_a_late_press_on_cancel_still_finds_its_job(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", gone())
            world.studio.seconds = 300
            job = await world.ask(WAN)
            before = await world.job(job)
            await world.clock.advance(2)
            assert (await world.job(job)).provider == "pipelet"
            await world.jobs.cancel(before.id, by())
            assert (await world.ended(job)).state is JobState.CANCELLED


PRICES = {DIRECT: 6, FAST: 2, PRO: 20}


class TestPrices:
    async def waiting(self, world: World, *models: str) -> list[Job]:
        jobs = [await world.ask(model, acknowledge=False) for model in models]
        await world.policies.pause(GUILD, MODERATOR, "wait")
        for job in jobs:
            await world.acknowledge(job)
        await world.clock.advance(5)
        return jobs

    async def test_what_costs_more_than_a_lowered_limit_is_refused_free_of_charge(self, tmp_path: Path):
        async with running(tmp_path, limits=limits(spend_per_day=10), prices=PRICES) as world:
            dear, cheap = await self.waiting(world, DIRECT, FAST)
            await world.policies.set_limits(GUILD, MODERATOR, {"spend_per_day": 6})
            await world.clock.advance(5)
            assert (await world.job(dear)).state is JobState.QUEUED
            await world.policies.set_limits(GUILD, MODERATOR, {"spend_per_day": 5.5})
            ended = await world.ended(dear, within=5)
            assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.TOO_EXPENSIVE)
            assert (await world.job(cheap)).state is JobState.QUEUED
            assert await world.attempts() == []
            notice = texts.notice(ended)
            assert "It costs `6` for one try" in notice.content
            assert "`5.5` is the most that this guild may spend in 24 hours. Nothing was spent." in notice.content
            assert notice.buttons == ()

    async def test_also_when_the_operator_lowered_it_between_two_starts(self, tmp_path: Path):
        async with running(tmp_path, limits=limits(spend_per_day=10), prices=PRICES) as world:
            (job,) = await self.waiting(world, DIRECT)
        async with running(tmp_path, world.outside, limits=limits(spend_per_day=1), prices=PRICES) as world:
            assert (await world.ended(job, within=5)).cause is Cause.TOO_EXPENSIVE

    async def test_also_when_it_comes_to_wait_only_afterwards(self, tmp_path: Path):
        async with running(tmp_path, limits=limits(spend_per_day=10), prices=PRICES) as world:
            job = await world.ask(DIRECT, acknowledge=False)
            await world.policies.set_limits(GUILD, MODERATOR, {"spend_per_day": 1})
            await world.clock.advance(5)
            await world.acknowledge(job)
            assert (await world.ended(job, within=5)).cause is Cause.TOO_EXPENSIVE

    async def test_nobody_stands_in_whom_the_guild_cannot_pay(self, tmp_path: Path):
        fall_back = {DIRECT: [PRO, FAST]}
        capped = limits(spend_per_day=10)
        async with running(tmp_path, limits=capped, prices=PRICES, fall_back=fall_back) as world:
            world.studio.fail("refuse", gone())
            ended = await world.ended(await world.ask(DIRECT), within=120)
            assert (ended.state, ended.request.model) == (JobState.DONE, FAST)


trouble = st.sampled_from([None, None, gone(), refused(401), refused(402), not_sent()])
costly = st.sampled_from([None, None, Ambiguous("p", "cut off"), BadResponse("p", "garbage")])
wanted = st.fixed_dictionaries(
    {"model": st.sampled_from([DIRECT, QUEUED]), "member": st.sampled_from([MEMBER, OTHER_MEMBER])}
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    asks=st.lists(wanted, min_size=1, max_size=6),
    troubles=st.lists(trouble, max_size=14),
    costs=st.lists(costly, max_size=4),
    kills=st.lists(st.integers(0, 25), max_size=2),
)
async def test_whatever_fails_nobody_stands_in_for_what_may_have_been_paid(asks, troubles, costs, kills):
    outside = Outside()
    outside.studio.fail("refuse", *troubles)
    for call in ("generate", "submit"):
        outside.studio.fail(call, *costs)
    with tempfile.TemporaryDirectory() as folder:
        await lives(Path(folder), kills, outside, *asks, fall_back={DIRECT: [QUEUED], QUEUED: [PRO]})
        async with running(Path(folder) / str(len(kills)), outside, start=False) as world:
            attempts = await world.rows("SELECT job_id, model, evidence FROM attempts ORDER BY id")
            for job in [await world.job(name) for (name,) in await world.rows("SELECT id FROM jobs")]:
                paid = [model for name, model, evidence in attempts if name == job.id and evidence not in ("E0", "E1")]
                assert set(paid) <= {job.request.model}
                assert job.asked_model in (None, DIRECT, QUEUED)


async def test_ten_thousand_that_wait_cost_little(world: World):
    """One look at all of them lets the event loop breathe in between."""
    world.studio.fail("refuse", *[refused()] * 99)
    first = await world.ask(DIRECT)
    await world.clock.advance(5)
    waiting = await world.job(first)
    for number in range(10_000):
        world.live.update(_copy(waiting, number))
    loop, longest = asyncio.get_running_loop(), 0.0

    async def heart() -> None:
        nonlocal longest
        while True:
            begun = loop.time()
            await asyncio.sleep(0)
            longest = max(longest, loop.time() - begun)

    beating = asyncio.create_task(heart())
    begun = loop.time()
    assert await world.warden.look() > 0
    took = loop.time() - begun
    beating.cancel()
    assert took < 2
    assert longest < 0.1


def _copy(job: Job, number: int) -> Job:
    return job._replace(id=f"copy{number:06}")
