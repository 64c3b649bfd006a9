"""Files past their time go; providers that can describe their models are asked again; a guild's rules are kept."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from bot.domain.errors import (
    Ambiguous,
    DeliveryError,
    Evidence,
    NoSuchModel,
    StorageUnavailable,
    Unauthorized,
    Unavailable,
    Undeliverable,
)
from bot.domain.generation import Asked, Capability
from bot.domain.job import JobState
from bot.jobs.housekeeping import DAY
from bot.jobs.policy import Policies
from bot.jobs.service import Upload
from bot.ports import GuildPolicy
from storage.policy_store import SqlitePolicyStore
from storage.rows import to_row
from tests.support.rows import FILM, GUILD, LIMITS, MEMBER, MODERATOR, job, request
from tests.support.store import Shop
from tests.support.world import DIRECT, KEEP_DAYS, World, by, running

PICTURE = Upload("image", "https://cdn.discordapp.com/a.png", 10)


async def made(world: World) -> tuple[Path, Path]:
    """The film and the picture of a job that ended."""
    job = await world.ended(await world.ask("wan22-fast-i2v", capability=Capability.IMAGE_TO_VIDEO, uploads=[PICTURE]))
    assert job.artifact is not None
    return world.artifacts.path(job.artifact), world.pictures.path(job.request.images[0])


class TestSweeping:
    async def test_files_stay_for_as_long_as_they_are_promised(self, world: World):
        film, picture = await made(world)
        await world.clock.advance(KEEP_DAYS * DAY - 60)
        assert film.exists()
        assert picture.exists()
        await world.clock.advance(1200)
        assert not film.exists()
        assert not picture.exists()

    async def test_they_are_looked_for_once(self, world: World):
        await made(world)
        await world.clock.advance(KEEP_DAYS * DAY + 3600)
        assert await world.store.expired(world.clock.now()) == []
        assert [row[0] for row in await world.rows("SELECT state FROM jobs")] == ["done"]

    async def test_a_thousand_that_wait_for_it_go_in_one_sweep_some_at_a_time(self, world: World):
        ended = [job(state=JobState.DONE, told=True, ended_at=1.0, artifact=FILM) for _ in range(1000)]
        await Shop(world.database).insert("jobs", [to_row(each) for each in ended])
        assert 0 < len(await world.store.expired(2.0)) < 1000
        await world.housekeeping.sweep()
        assert await world.store.expired(2.0) == []

    async def test_one_that_cannot_be_removed_leaves_the_others_alone(self, world: World):
        stubborn, _ = await made(world)
        await world.clock.advance(1)
        film, _ = await made(world)
        stubborn.unlink()
        stubborn.mkdir()
        await world.clock.advance(KEEP_DAYS * DAY + 3600)
        assert stubborn.exists()
        assert not film.exists()

    async def test_a_picture_that_a_retry_shares_stays_for_as_long_as_the_retry_wants_it(self, world: World):
        world.studio.fail("submit", Ambiguous("pipelet", "cut off"))
        first = await world.ask("wan22-fast-i2v", capability=Capability.IMAGE_TO_VIDEO, uploads=[PICTURE])
        await world.ended(first)
        await world.clock.advance(KEEP_DAYS * DAY + 300)
        world.studio.fail("refuse", *[Unauthorized("pipelet", "no credit", status=402)] * 3)
        retry = await world.queue(await world.jobs.draft_retry(first.id, by(), 2**20), retry_of=first.id)
        await world.clock.advance(350)
        assert await world.store.expired(world.clock.now() - KEEP_DAYS * DAY) == []
        assert (await world.job(retry)).state is JobState.QUEUED
        assert (await world.ended(retry)).state is JobState.DONE
        picture = world.pictures.path(retry.request.images[0])
        assert picture.exists()
        await world.clock.advance(KEEP_DAYS * DAY + 1200)
        assert not picture.exists()

    async def test_a_clock_that_is_set_forward_takes_no_film_away_before_its_time(self, world: World):
        world.theatre.fail("deliver", DeliveryError(Undeliverable.CHANNEL_GONE))
        kept = await world.ended(await world.ask(DIRECT))
        film = world.artifacts.path(kept.artifact)
        world.clock.set_wall_clock(30 * DAY)
        await world.clock.advance(KEEP_DAYS * DAY - 60)
        assert film.exists()
        await world.clock.advance(1200)
        assert not film.exists()

    async def test_nor_one_that_was_wrong_at_the_start_and_is_put_right(self, tmp_path: Path, world: World):
        film, _ = await made(world)
        world.snapshot(tmp_path / "next")
        world.clock.set_wall_clock(30 * DAY)
        async with running(tmp_path / "next", world.outside) as later:
            await later.clock.advance(60)
            world.clock.set_wall_clock(-30 * DAY)
            await later.clock.advance(KEEP_DAYS * DAY - 300)
            assert (later.artifacts.folder / film.name).exists()
            await later.clock.advance(1500)
            assert not (later.artifacts.folder / film.name).exists()

    @pytest.mark.parametrize("trouble", [StorageUnavailable(full=False), RuntimeError("a mistake of ours")])
    async def test_trouble_does_not_end_it(self, world: World, trouble: Exception):
        film, _ = await made(world)
        expired, failures = world.store.expired, [trouble]

        async def failing_once(before: float):
            if failures:
                raise failures.pop()
            return await expired(before)

        world.store.expired = failing_once
        await world.clock.advance(KEEP_DAYS * DAY + 3600)
        assert not film.exists()
        assert failures == []


class TestTidying:
    async def test_an_old_file_that_no_row_knows_goes(self, world: World):
        film, picture = await made(world)
        waiting = await world.ask("wan22-fast-i2v", capability=Capability.IMAGE_TO_VIDEO, uploads=[PICTURE])
        strangers = [film.with_name("v-gone.mp4"), picture.with_name("gone.jpg"), film.with_name("notes.txt")]
        for file in (film, picture, *strangers, world.pictures.path(waiting.request.images[0])):
            file.touch()
            os.utime(file, (0, 0))
        young = picture.with_name("young.jpg")
        young.touch()
        stubborn = film.with_name("v-0.mp4")
        stubborn.mkdir()
        os.utime(stubborn, (0, 0))
        await world.housekeeping.tidy()
        assert stubborn.exists()
        assert [file.exists() for file in strangers] == [False, False, True]
        assert all(file.exists() for file in (film, picture, young, world.pictures.path(waiting.request.images[0])))


class TestRefreshing:
    async def test_every_provider_is_asked_and_one_that_is_ill_keeps_its_models(self, world: World):
        world.studio.fail("refresh", Unavailable("pipelet", "down", evidence=Evidence.NOT_SENT))
        await world.housekeeping.refresh()
        assert world.studio.count("refresh") == 2
        assert world.catalog.models()


class TestPolicies:
    async def test_every_change_leaves_who_what_when_before_and_after(self, world: World):
        policies = world.policies
        await policies.set_limits(GUILD, MODERATOR, {"burst": 3})
        await policies.set_limits(GUILD, MODERATOR, {"burst": 2})
        await policies.block(GUILD, MODERATOR, MEMBER, "spam", None)
        await policies.unblock(GUILD, MODERATOR, MEMBER)
        await policies.pause(GUILD, MODERATOR, "tea")
        await policies.resume(GUILD, MODERATOR)
        rows = await world.rows("SELECT guild_id, moderator_id, at, verb, before, after FROM audit ORDER BY id")
        assert {row[:3] for row in rows} == {(GUILD, MODERATOR, world.clock.now())}
        told = [(verb, before, after) for *_, verb, before, after in rows]
        block = {"member_id": MEMBER, "reason": "spam", "until": None, "by": MODERATOR}
        assert [(verb, json.loads(before), json.loads(after)) for verb, before, after in told] == [
            ("limits set", {"own_limits": {}}, {"own_limits": {"burst": 3}}),
            ("limits set", {"own_limits": {"burst": 3}}, {"own_limits": {"burst": 2}}),
            ("block", {"blocks": []}, {"blocks": [block]}),
            ("unblock", {"blocks": [block]}, {"blocks": []}),
            ("pause", {"pause": None}, {"pause": "tea"}),
            ("resume", {"pause": "tea"}, {"pause": None}),
        ]

    async def test_one_that_was_read_before_a_change_and_comes_after_it_is_not_in_force(self, world: World):
        changed = asyncio.Event()

        class Slow(SqlitePolicyStore):
            async def policy(self, guild_id: int) -> GuildPolicy:
                found = await super().policy(guild_id)
                await changed.wait()
                return found

        policies = Policies(Slow(world.database), LIMITS, world.clock)
        reading = asyncio.create_task(policies.of(GUILD))
        await world.clock.settle()
        await policies.pause(GUILD, MODERATOR, "tea")
        changed.set()
        assert (await reading).pause == "tea"
        assert (await policies.of(GUILD)).pause == "tea"

    async def test_they_hold_in_the_next_process(self, tmp_path: Path):
        async with running(tmp_path) as world:
            await world.policies.set_limits(GUILD, MODERATOR, {"burst": 3, "jobs_per_hour": 1.5})
            await world.policies.deny_model(GUILD, MODERATOR, DIRECT)
            await world.policies.set_default(GUILD, MODERATOR, Capability.TEXT_TO_VIDEO, "wan22-fast-t2v-pro")
            await world.policies.allow_channel(GUILD, MODERATOR, 77)
            await world.policies.block(GUILD, MODERATOR, MEMBER, "spam", 5.5)
            before = await world.policies.of(GUILD)
        async with running(tmp_path) as world:
            assert await world.policies.of(GUILD) == before


class TestCatalog:
    async def test_usual_times_are_the_documents(self, world: World):
        assert world.catalog.usual_seconds(request()) == 90
        assert world.catalog.usual_seconds(request(size=3)) == 180
        with pytest.raises(NoSuchModel):
            world.catalog.usual_seconds(request("of-an-older-version"))

    async def test_those_who_can_do_it_are_named(self, world: World):
        asked = Asked(Capability.TEXT_TO_VIDEO, "x", duration=6)
        able = world.catalog.able(asked, frozenset({DIRECT}), "wan22-fast-t2v")
        assert able == ("wan22-fast-t2v-premium", "wan22-fast-t2v-pro")
        assert world.catalog.provider("nobody") is None


async def test_the_film_of_a_job_stays_while_the_job_is_open(world: World):
    world.studio.seconds = 4 * KEEP_DAYS * DAY
    job = await world.ask(DIRECT)
    await world.clock.advance(2 * KEEP_DAYS * DAY)
    assert (await world.job(job)).state is JobState.SUBMITTING
