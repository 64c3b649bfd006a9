"""Who has left costs nobody else anything: counted in steps of SQLite's own machine, never in seconds."""

import asyncio

import pytest

from bot.domain.job import JobState
from storage.departures import SqliteDepartures
from storage.rows import to_row
from tests.support.rows import GUILD, OTHER_GUILD, job
from tests.support.store import Shop


async def lived_in(shop: Shop, guild: int, jobs: int) -> None:
    """So many jobs that ended, with an attempt each."""
    ended = [job(guild=guild, state=JobState.DONE, told=True, ended_at=1.0) for _ in range(jobs)]
    await shop.insert("jobs", [to_row(each) for each in ended])
    attempt = {"provider": "pipelet", "capability": "t2v", "model": "m", "request_sha256": "", "started_at": 0.0}
    await shop.insert("attempts", [{**attempt, "job_id": each.id, "guild_id": guild} for each in ended])


async def left(shop: Shop, guild: int = GUILD) -> int:
    ((count,),) = await shop.rows(f"SELECT count(*) FROM jobs WHERE guild_id = {guild}")
    return count


async def begun(shop: Shop, departures: SqliteDepartures) -> asyncio.Task[set[int]]:
    """A guild with many jobs begins to be forgotten."""
    await lived_in(shop, GUILD, 1000)
    await lived_in(shop, OTHER_GUILD, 1)
    await departures.left(GUILD, 5.0)
    forgetting = asyncio.create_task(departures.forget(9.0))
    await asyncio.sleep(0)
    return forgetting


@pytest.fixture
def departures(shop: Shop) -> SqliteDepartures:
    return SqliteDepartures(shop.database)


async def test_who_is_missing_is_found_without_a_look_at_every_job(shop: Shop, departures: SqliteDepartures):
    await lived_in(shop, GUILD, 20)
    few = await shop.steps(departures.only([GUILD], 5.0))
    await lived_in(shop, GUILD, 2000)
    assert await shop.steps(departures.only([GUILD], 5.0)) <= 1.2 * few
    await lived_in(shop, OTHER_GUILD, 2)
    await departures.only([GUILD], 5.0)
    assert await departures.among([GUILD, OTHER_GUILD]) == {OTHER_GUILD: 5.0}


async def test_a_database_without_jobs_misses_nobody(departures: SqliteDepartures):
    await departures.only([], 5.0)
    assert await departures.forget(9.0) == set()


async def test_a_guild_is_forgotten_without_a_look_at_the_others(shop: Shop, departures: SqliteDepartures):
    async def forget(others: int) -> int:
        await lived_in(shop, GUILD, 5)
        await lived_in(shop, OTHER_GUILD, others)
        await departures.left(GUILD, 5.0)
        return await shop.steps(departures.forget(9.0))

    few = await forget(20)
    assert await forget(2000) <= 1.2 * few
    assert await left(shop) == 0


async def test_a_guild_with_many_jobs_is_forgotten_a_little_at_a_time(shop: Shop, departures: SqliteDepartures):
    forgetting = await begun(shop, departures)
    # Whoever writes meanwhile has its turn long before all of them are gone.
    await departures.joined(GUILD + 100)
    assert await left(shop) > 500
    assert await forgetting == {GUILD}
    assert await left(shop) == 0
    assert await left(shop, OTHER_GUILD) == 1


async def test_a_guild_that_comes_back_meanwhile_keeps_the_rest(shop: Shop, departures: SqliteDepartures):
    forgetting = await begun(shop, departures)
    await departures.joined(GUILD)
    assert await forgetting == {GUILD}
    assert await left(shop) > 500
