"""Nothing is kept of a guild that the bot was thrown out of 30 days ago (Discord's error table)."""

import pytest

from bot.domain.errors import NotAllowed
from bot.domain.job import JobState
from bot.jobs.service import Draft
from storage.departures import SqliteDepartures
from tests.support.rows import GUILD, MODERATOR, OTHER_GUILD
from tests.support.world import DIRECT, QUEUED, World, by

DAY = 86_400.0
MONTH = 30 * DAY


async def known(world: World) -> set[str]:
    """The tables in which something of the guild is left."""
    tables = ("jobs", "attempts", "policies", "audit", "departures")

    def work(connection):
        of_guild = "SELECT count(*) FROM {} WHERE guild_id = ?"
        return {table for table in tables if connection.execute(of_guild.format(table), [GUILD]).fetchone()[0]}

    return await world.database.read(work)


async def lived_in(world: World) -> None:
    """Two jobs that ended, one of them of a Retry, and a rule."""
    for where in (QUEUED, DIRECT):
        await world.ended(await world.ask(where))
    await world.policies.set_limits(GUILD, MODERATOR, {"burst": 2})
    await world.ended(await world.ask(QUEUED, guild=OTHER_GUILD))


async def test_of_a_guild_that_was_left_nothing_remains_after_thirty_days(world: World):
    await lived_in(world)
    await world.guilds.left(GUILD)
    left = world.clock.now()
    await world.guilds.forget(left + MONTH - 1)
    assert await known(world) == {"jobs", "attempts", "policies", "audit", "departures"}
    await world.guilds.forget(left + MONTH + 1)
    assert await known(world) == set()
    assert (await world.policies.limits(GUILD)).burst == world.policies.operator.burst


async def test_and_nobody_elses_is_touched(world: World):
    await lived_in(world)
    other = await world.ask(QUEUED, guild=OTHER_GUILD)
    await world.guilds.left(GUILD)
    await world.guilds.forget(world.clock.now() + MONTH + 1)
    assert (await world.ended(other)).state is JobState.DONE


async def test_who_lets_the_bot_in_again_keeps_everything(world: World):
    await lived_in(world)
    await world.guilds.left(GUILD)
    await world.guilds.joined(GUILD)
    await world.guilds.forget(world.clock.now() + 2 * MONTH)
    assert await known(world) == {"jobs", "attempts", "policies", "audit"}


async def test_a_start_sees_which_guilds_have_gone_and_which_have_come_back(world: World):
    await lived_in(world)
    await world.guilds.only([OTHER_GUILD])
    assert "departures" in await known(world)
    await world.guilds.only([GUILD, OTHER_GUILD])
    assert "departures" not in await known(world)


async def test_the_first_day_without_the_bot_counts(world: World):
    await lived_in(world)
    await world.guilds.left(GUILD)
    left = world.clock.now()
    await world.clock.advance(DAY)
    await world.guilds.only([OTHER_GUILD])
    await world.guilds.forget(left + MONTH + 1)
    assert await known(world) == set()


async def test_the_newest_attempt_of_all_stays_until_there_is_another(world: World):
    await world.ended(await world.ask(QUEUED))
    await world.ended(job := await world.ask(QUEUED))
    await world.guilds.left(GUILD)
    later = world.clock.now() + MONTH + 1
    await world.guilds.forget(later)
    assert await known(world) == {"jobs", "attempts", "departures"}
    assert await world.rows("SELECT id FROM jobs") == [(job.id,)]
    await world.ended(await world.ask(QUEUED, guild=OTHER_GUILD))
    await world.guilds.forget(later)
    assert await known(world) == set()


async def test_a_retry_goes_with_what_it_repeats(world: World):
    first = await world.ended(await world.ask(QUEUED))
    await world.ended(await world.queue(Draft(first.request, first.provider, first.to), retry_of=first.id))
    await world.ended(await world.ask(QUEUED, guild=OTHER_GUILD))
    await world.guilds.left(GUILD)
    await world.guilds.forget(world.clock.now() + MONTH + 1)
    assert await known(world) == set()


async def test_a_job_that_has_not_ended_is_not_forgotten(world: World):
    ended, open_one = await world.ended(await world.ask(QUEUED)), await world.ask(QUEUED)
    await SqliteDepartures(world.database).left(GUILD, world.clock.now())
    await world.guilds.forget(world.clock.now() + MONTH + 1)
    assert await world.store.get(ended.id) is None
    assert (await world.ended(open_one)).state is JobState.DONE


async def test_housekeeping_sees_to_it_every_hour(world: World):
    await lived_in(world)
    await SqliteDepartures(world.database).left(GUILD, world.clock.now() - MONTH)
    await world.clock.advance(3700)
    assert await known(world) == set()


async def test_a_wall_clock_set_forward_forgets_nobody(world: World):
    await lived_in(world)
    await world.guilds.left(GUILD)
    world.clock.set_wall_clock(2 * MONTH)
    await world.clock.advance(3700)
    assert await known(world) == {"jobs", "attempts", "policies", "audit", "departures"}


async def test_a_guild_that_comes_back_later_starts_anew(world: World):
    await lived_in(world)
    (job,) = (await world.rows("SELECT id FROM jobs WHERE guild_id = 11"))[0]
    await world.guilds.left(GUILD)
    await world.guilds.forget(world.clock.now() + MONTH + 1)
    await world.guilds.joined(GUILD)
    with pytest.raises(NotAllowed):
        await world.jobs.find(job, by())
    assert (await world.ended(await world.ask(QUEUED))).state is JobState.DONE
