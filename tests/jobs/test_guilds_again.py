"""A guild that lets the bot in again hears how its jobs ended while nobody there could be told."""

from bot.domain.job import Cause, JobState
from tests.support.rows import GUILD, OTHER_GUILD
from tests.support.world import DIRECT, QUEUED, World, by

DAY = 86_400.0


async def test_what_was_cancelled_because_the_bot_was_gone_is_told_now(world: World):
    job, elsewhere = await world.ask(QUEUED), await world.ask(QUEUED, guild=OTHER_GUILD)
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
    own, old, made = await world.ask(QUEUED), await world.ask(QUEUED), await world.ask(DIRECT)
    await world.jobs.cancel(own.id, by())
    await world.ended(made)
    await world.guilds.left(GUILD)
    await world.ended(old)
    await world.clock.advance(DAY + 1)
    counts = {job.id: len(world.theatre.endings[job.id]) for job in (own, old, made)}
    await world.guilds.joined(GUILD)
    await world.clock.settle()
    assert {name: len(told) for name, told in world.theatre.endings.items()} == counts


async def test_it_hears_so_once_though_every_new_connection_names_the_guild_again(world: World):
    job = await world.ask(QUEUED)
    await world.guilds.left(GUILD)
    await world.ended(job)
    before = len(world.theatre.endings[job.id])
    for _ in range(3):
        await world.guilds.joined(GUILD)
        await world.guilds.only([GUILD])
        await world.clock.settle()
    assert len(world.theatre.endings[job.id]) == before + 1


async def test_a_start_that_finds_itself_in_the_guild_again_tells_too(world: World):
    job = await world.ask(QUEUED)
    await world.guilds.only([])
    await world.ended(job)
    before = len(world.theatre.endings[job.id])
    await world.guilds.only([GUILD])
    await world.clock.settle()
    assert len(world.theatre.endings[job.id]) == before + 1
