"""Waiting jobs that are looked after in one round each, however they came to wait, and whatever is in the way."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.domain.errors import Rejected, StorageUnavailable, Unauthorized
from bot.domain.generation import Capability, Frame
from bot.domain.job import Cause, Job, JobState
from bot.jobs.service import Upload
from bot.ports import Picture, Provider
from bot.providers._chutes_models import MODELS as CHUTES_MODELS
from bot.texts.progress import queue_message
from tests.support.clock import VirtualClock
from tests.support.outside import Reaching, ScriptedDirect, ScriptedQueue, Studio
from tests.support.rows import GUILD, MODERATOR, OTHER_GUILD, limits
from tests.support.world import (
    DIRECT,
    QUEUED,
    WAIT_SECONDS,
    Outside,
    PlainPictures,
    WatchedDatabase,
    World,
    by,
    running,
)

WAN, FAST = "wan2.1-14b", "wan22-fast-t2v"
GONE = Rejected("chutes", "no such model", status=404)
NO_CREDIT = Unauthorized("chutes", "no credit", status=402)
ONE_AN_HOUR = {"jobs_per_hour": 1, "burst": 1}


class Mistake(Exception):
    """A bug of ours."""


class Chutes(ScriptedDirect):
    """With the models that the documents describe."""

    def models(self):
        return CHUTES_MODELS


def both(studio: Studio, reach: Reaching) -> list[Provider]:
    return [ScriptedQueue(studio, reach), Chutes(studio, reach)]


def only_pipelet(studio: Studio, reach: Reaching) -> list[Provider]:
    return [ScriptedQueue(studio, reach)]


def standing_in(folder: Path):
    return running(folder, providers=both, fall_back={WAN: [FAST]})


async def waiting(world: World, model: str, count: int = 1, guild: int = GUILD, **asked) -> list[Job]:
    """Jobs in a guild that may start one an hour, and has."""
    await world.policies.set_limits(guild, MODERATOR, ONE_AN_HOUR)
    await world.ended(await world.ask(QUEUED, guild=guild))
    jobs = [await world.ask(model, guild=guild, **asked) for _ in range(count)]
    await world.clock.advance(2)
    return jobs


async def models(world: World, jobs: list[Job]) -> list[str]:
    return [(await world.job(job)).request.model for job in jobs]


def words(world: World, job: Job) -> str:
    _, place, _ = world.theatre.shown[job.id][-1]
    return queue_message(world.live.get(job.id) or job, place).content


class TestProvidersThatAreNotConfiguredAnyMore:
    async def test_a_job_that_comes_to_wait_for_one_long_after_the_start_is_refused_too(self, tmp_path: Path):
        outside = Outside()
        async with running(tmp_path, outside) as world:
            job = await world.ask(DIRECT, acknowledge=False)
        # Discord has taken the first answer, and that process did not live to hear of it.
        outside.theatre.acknowledged[job.id] = 500
        outside.theatre.fail("find", Mistake())
        async with running(tmp_path, outside, providers=only_pipelet) as world:
            ended = await world.ended(job, within=120)
            assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.MODEL_GONE)

    async def test_one_that_could_not_be_refused_at_first_is_within_a_minute(self, tmp_path: Path):
        outside, failures = Outside(), [Mistake()]

        def point(name: str) -> None:
            if name == "before:refused" and failures:
                raise failures.pop()

        async with running(tmp_path, outside) as world:
            (job,) = await waiting(world, DIRECT)
        async with running(tmp_path, outside, providers=only_pipelet, points=point) as world:
            ended = await world.ended(job, within=70)
            assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.MODEL_GONE)
            assert failures == []


class TestOneRound:
    async def test_all_that_wait_are_handed_over(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            jobs = await waiting(world, WAN, 12)
            world.studio.fail("refuse", GONE)
            await world.ask(WAN, guild=OTHER_GUILD)
            await world.clock.advance(3)
            assert await models(world, jobs) == [FAST] * 12

    async def test_all_whose_patience_ends_are_refused(self, tmp_path: Path):
        async with running(tmp_path) as world:
            jobs = await waiting(world, DIRECT, 4)
            world.studio.fail("refuse", *[NO_CREDIT] * 40)
            await world.ask(DIRECT, guild=OTHER_GUILD)
            since = world.clock.now()
            await world.clock.advance(WAIT_SECONDS + 3)
            for job in jobs:
                ended = await world.job(job)
                assert (ended.state, ended.cause) == (JobState.REFUSED, Cause.NO_CREDIT)
                assert since + WAIT_SECONDS <= ended.ended_at < since + WAIT_SECONDS + 2

    async def test_everybody_reads_of_a_trouble_that_others_had(self, tmp_path: Path):
        async with running(tmp_path) as world:
            (job,) = await waiting(world, DIRECT)
            assert "Waiting" not in words(world, job)
            world.studio.fail("refuse", GONE)
            await world.ask(DIRECT, guild=OTHER_GUILD)
            await world.clock.advance(5)
            assert "Chutes does not offer chutes-model" in words(world, job)

    async def test_one_of_them_finds_out_whether_the_trouble_is_over(self, tmp_path: Path):
        async with standing_in(tmp_path) as world:
            world.studio.fail("refuse", GONE)
            await world.ended(await world.ask(WAN, guild=OTHER_GUILD))
            await world.clock.advance(90)
            jobs = await waiting(world, WAN, 3)
            assert await models(world, jobs) == [WAN, FAST, FAST]

    async def test_what_nobody_can_stand_in_for_is_not_tried_again_until_something_changes(self, tmp_path: Path):
        large, small = "skyreels-v2-14b-540p", "skyreels-v2-1.3b-540p"
        async with running(tmp_path, providers=both, fall_back={large: [small]}) as world:
            uploads = [Upload(name, f"https://cdn.discordapp.com/{name}.png", 10) for name in ("image", "last_image")]
            asked = {"uploads": uploads, "capability": Capability.IMAGE_TO_VIDEO, "last_image": True}
            (job,) = await waiting(world, large, **asked)
            world.pictures.forget(job.request.images[1])
            world.studio.fail("refuse", GONE)
            await world.ask(large, guild=OTHER_GUILD)
            await world.clock.advance(10)
            fitted_at = world.pictures.folder.stat().st_mtime_ns
            for _ in range(3):
                await world.ended(await world.ask(QUEUED, guild=OTHER_GUILD))
            assert world.pictures.folder.stat().st_mtime_ns == fitted_at


class SlowPictures(PlainPictures):
    """Fitting one takes a second of `clock`."""

    clock: VirtualClock
    fitting = False

    async def again(self, name: str, frames: Sequence[Frame] = (), *, small: bool = False) -> Picture:
        self.fitting = True
        await self.clock.sleep(1)
        return await super().again(name, frames, small=small)


class SlowWorld(World):
    def open_pictures(self) -> SlowPictures:
        pictures = SlowPictures(self.folder / "inputs")
        pictures.clock = self.clock
        return pictures


async def test_who_is_cancelled_while_its_picture_is_fitted_leaves_no_picture_of_either_size(tmp_path: Path):
    world = SlowWorld(tmp_path, Outside(), providers=both, fall_back={WAN: ["wan22-fast-i2v"]})
    await world.open()
    try:
        await world.start()
        uploads = [Upload("image", "https://cdn.discordapp.com/a.png", 10)]
        (job,) = await waiting(world, WAN, uploads=uploads, capability=Capability.IMAGE_TO_VIDEO)
        world.studio.fail("refuse", GONE)
        await world.ask(WAN, guild=OTHER_GUILD)
        assert await world.clock.until(lambda: world.pictures.fitting, 10)
        await world.jobs.cancel(job.id, by())
        await world.clock.advance(5)
        assert await world.state(job) == (JobState.CANCELLED, Cause.BY_MEMBER)
        assert [path.name for path in world.pictures.folder.iterdir()] == list(job.request.images)
    finally:
        await world.close()


class TestPatience:
    async def test_begins_when_the_member_was_told_that_it_waits(self, tmp_path: Path):
        async with running(tmp_path) as world:
            await waiting(world, QUEUED)
            world.studio.fail("refuse", *[NO_CREDIT] * 40)
            await world.ask(DIRECT, guild=OTHER_GUILD)
            job = await world.ask(DIRECT, acknowledge=False)
            await world.clock.advance(300)
            told_at = world.clock.now()
            await world.acknowledge(job)
            await world.clock.advance(WAIT_SECONDS - 40)
            await world.ended(await world.ask(QUEUED, guild=OTHER_GUILD))
            assert (await world.ended(job)).ended_at == pytest.approx(told_at + WAIT_SECONDS, abs=3)


class Reading(WatchedDatabase):
    """Counts what is read. When `broken`, only a start can read what is unfinished."""

    reads, broken = 0, False

    async def read(self, *arguments, **named):
        self.reads += 1
        if self.broken and self.reads > 1:
            raise StorageUnavailable(full=False)
        return await super().read(*arguments, **named)


class ReadingWorld(World):
    async def open_database(self) -> Reading:
        return await Reading.open(self.folder / "matinee.db")


@asynccontextmanager
async def reading(folder: Path, outside: Outside, **named):
    world = ReadingWorld(folder, outside, **named)
    await world.open()
    try:
        yield world
    finally:
        await world.close()


async def test_a_disk_that_cannot_be_read_keeps_nothing_alive_that_its_guild_may_not_pay(tmp_path: Path):
    outside = Outside()
    async with running(tmp_path, outside, limits=limits(spend_per_day=10), prices={DIRECT: 6}) as world:
        (job,) = await waiting(world, DIRECT)
    async with reading(tmp_path, outside, limits=limits(spend_per_day=1), prices={DIRECT: 6}) as world:
        world.database.broken = True
        await world.start()
        await world.clock.advance(5)
        assert world.database.reads < 60
        world.database.broken = False
        assert (await world.ended(job, within=5)).cause is Cause.TOO_EXPENSIVE


async def test_while_nothing_happens_nobody_is_looked_after(tmp_path: Path):
    async with reading(tmp_path, Outside()) as world:
        await world.start()
        await world.ended(await world.ask(DIRECT))
        await world.clock.advance(120)
        before = world.database.reads
        await world.clock.advance(600)
        assert world.database.reads - before < 30
