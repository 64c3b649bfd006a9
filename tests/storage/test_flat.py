"""The next turn costs the same however many wait: counted in steps of SQLite's own machine, never in seconds."""

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from bot.domain.job import JobState
from storage.rows import to_row
from tests.support.rows import job, limits
from tests.support.store import Shop, opened

CLAIMS = 40


async def crowd(shop: Shop, jobs: int, guilds: int, **facts: Any) -> None:
    """So many queued jobs over so many guilds, as rows; the lanes are made of them at the first claim."""
    rows = []
    for number in range(jobs):
        queued = job(guild=1 + number % guilds, member=number, state=JobState.QUEUED, queued_at=float(number), **facts)
        rows.append(to_row(queued))
    names = [*rows[0]]
    insert = f"INSERT INTO jobs ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
    await shop.database.write(lambda connection: connection.executemany(insert, rows))


async def steps(shop: Shop, claims: int) -> list[int]:
    counted: list[int] = []

    def step() -> int:
        counted[-1] += 1
        return 0

    for _ in range(claims):
        counted.append(0)
        await shop.database.write(lambda connection: connection.set_progress_handler(step, 1))
        await shop.claimed(concurrency=10**6)
        await shop.database.write(lambda connection: connection.set_progress_handler(None, 0))
    return counted


async def cost(path: Path, jobs: int, guilds: int) -> float:
    async with opened(path, limits(active_per_guild=10**6)) as shop:
        await crowd(shop, jobs, guilds)
        await shop.claimed()
        return median(await steps(shop, CLAIMS))


async def test_a_claim_among_a_hundred_times_as_many_costs_the_same(tmp_path: Path):
    few, many = await cost(tmp_path / "few.db", 100, 10), await cost(tmp_path / "many.db", 10_000, 500)
    assert many <= 1.2 * few, (few, many)


async def test_so_does_one_in_a_guild_in_which_all_wait(tmp_path: Path):
    few, many = await cost(tmp_path / "few.db", 50, 1), await cost(tmp_path / "many.db", 5000, 1)
    assert many <= 1.2 * few, (few, many)


@pytest.mark.parametrize("bound", [{"active_per_guild": 1}, {"burst": 1, "jobs_per_hour": 1}])
async def test_guilds_that_may_not_start_are_looked_at_once(tmp_path: Path, bound: dict[str, float]):
    async with opened(tmp_path / "matinee.db", limits(**bound)) as shop:
        await crowd(shop, 900, 300)
        for _ in range(300):
            await shop.claimed()
        looked = await steps(shop, 6)
        assert await shop.rows("SELECT count(*) FROM lanes WHERE until IS NULL") == [(0,)]
        # A hundred lanes each, and no lane a second time.
        assert min(looked[:3]) > 5 * max(looked[3:])


async def test_no_statement_of_a_claim_reads_a_whole_table(shop: Shop):
    await crowd(shop, 100, 10)
    seen: list[str] = []
    await shop.database.write(lambda connection: connection.set_trace_callback(seen.append))
    await shop.claimed()
    seen.clear()
    claimed = await shop.claimed()
    await shop.make(claimed)
    await shop.queued()
    await shop.database.write(lambda connection: connection.set_trace_callback(None))
    for sql in [each for each in seen if each.split()[0] in ("SELECT", "UPDATE", "INSERT", "DELETE", "--")]:
        plan = await shop.rows(f"EXPLAIN QUERY PLAN {sql}")
        scans = [detail for *_, detail in plan if detail.startswith("SCAN") and "json_each" not in detail]
        assert not scans, (sql, scans)
    assert len(seen) > 15
