"""A guild that lets the bot in again hears how its jobs ended while nobody there could be told."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.domain.errors import Ambiguous, Evidence, Unavailable
from bot.domain.job import Cause, InQueue, Job, JobState
from tests.support.rows import GUILD, OTHER_GUILD
from tests.support.world import DIRECT, QUEUED, World, by, running

DAY = 86_400.0
WAITS = [(0.0, InQueue(3))]
DOWN = Unavailable("pipelet", "no answer", evidence=Evidence.NOT_SENT)


async def has_a_place(world: World, **asked: int) -> Job:
    """A job that its provider has not begun."""
    world.studio.timeline = WAITS
    job = await world.ask(QUEUED, **asked)
    await world.clock.advance(5)
    assert (await world.job(job)).state is JobState.SUBMITTED
    return job


async def test_what_was_cancelled_because_the_bot_was_gone_is_told_now(world: World):
    elsewhere, job = await world.ask(DIRECT, guild=OTHER_GUILD), await has_a_place(world)
    await world.guilds.left(GUILD)
    await world.ended(job)
    before = len(world.theatre.endings[job.id])
    await world.guilds.joined(GUILD)
    await world.clock.settle()
    told = world.theatre.endings[job.id]
    assert len(told) == before + 1
    assert (told[-1].state, told[-1].job.cause) == (JobState.CANCELLED, Cause.GUILD_LEFT)
    assert (await world.job(job)).told
    assert (await world.ended(elsewhere)).state is JobState.DONE
    assert len(world.theatre.endings[elsewhere.id]) == 1


async def test_what_ended_otherwise_or_long_ago_is_not_told_again(world: World):
    own, old, made = await has_a_place(world), await has_a_place(world), await world.ask(DIRECT)
    await world.jobs.cancel(own.id, by())
    await world.ended(made)
    await world.clock.advance(100)
    await world.guilds.left(GUILD)
    await world.ended(old)
    await world.clock.advance(DAY + 1)
    counts = {job.id: len(world.theatre.endings[job.id]) for job in (own, old, made)}
    await world.guilds.joined(GUILD)
    await world.clock.settle()
    assert {name: len(told) for name, told in world.theatre.endings.items()} == counts


async def test_it_hears_so_once_though_every_new_connection_names_the_guild_again(world: World):
    job = await has_a_place(world)
    await world.guilds.left(GUILD)
    await world.ended(job)
    before = len(world.theatre.endings[job.id])
    for _ in range(3):
        await world.guilds.joined(GUILD)
        await world.guilds.only([GUILD])
        await world.clock.settle()
    assert len(world.theatre.endings[job.id]) == before + 1


async def test_a_start_that_finds_itself_in_the_guild_again_tells_too(world: World):
    job = await has_a_place(world)
    await world.guilds.only([])
    await world.ended(job)
    before = len(world.theatre.endings[job.id])
    await world.guilds.only([GUILD])
    await world.clock.settle()
    assert len(world.theatre.endings[job.id]) == before + 1


async def test_what_failed_while_the_bot_was_gone_is_told_too(world: World):
    world.studio.fail("generate", Ambiguous("chutes", "no answer"))
    job = await world.ask(DIRECT)
    await world.clock.advance(1)
    await world.guilds.left(GUILD)
    assert (await world.ended(job)).state is JobState.AMBIGUOUS
    before = len(world.theatre.endings[job.id])
    await world.clock.advance(DAY / 2)
    await world.guilds.joined(GUILD)
    await world.clock.settle()
    assert len(world.theatre.endings[job.id]) == before + 1


@pytest.mark.parametrize("at_a_start", [False, True])
async def test_who_lets_the_bot_in_again_before_its_jobs_are_called_back_has_not_left(world: World, at_a_start: bool):
    job = await has_a_place(world)
    world.studio.fail("cancel", DOWN, DOWN)
    leaving = asyncio.create_task(world.guilds.only([]) if at_a_start else world.guilds.left(GUILD))
    await world.clock.advance(0.5)
    assert (await world.job(job)).state is JobState.SUBMITTED
    await world.guilds.joined(GUILD)
    await world.clock.advance(30)
    await leaving
    assert (await world.ended(job)).cause is Cause.GUILD_LEFT
    assert await world.rows("SELECT * FROM departures") == []


async def test_who_was_being_told_at_the_time_is_told_again(tmp_path: Path):
    lock, told = sqlite3.connect(tmp_path / "matinee.db", isolation_level=None), list[str]()

    def busy(point: str) -> None:
        if point == "outside:tell" and not told:
            lock.execute("BEGIN IMMEDIATE")
        told.extend([point] if point == "outside:tell" else [])

    async with asyncio.timeout(20), running(tmp_path, points=busy) as world:
        await has_a_place(world)
        leaving = asyncio.create_task(world.guilds.left(GUILD))
        while not told:
            await asyncio.sleep(0.01)
        joining = asyncio.create_task(world.guilds.joined(GUILD))
        await asyncio.sleep(0.1)
        lock.close()
        await asyncio.gather(leaving, joining)
        await world.clock.settle()
        assert len(told) == 2
