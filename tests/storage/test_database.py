"""Transactions that are whole or not at all, whatever happens to the file and to those who wait."""

import asyncio
import sqlite3
import stat
from importlib.resources import files
from pathlib import Path

import pytest

from bot.domain.errors import RateLimited, Stale, StorageUnavailable
from bot.domain.job import JobState
from storage.database import DamagedError, Database, NewerSchemaError, caution
from tests.support.rows import LIMITS, job, limits
from tests.support.store import Shop, opened


def other(path: Path) -> sqlite3.Connection:
    """Another process at the same file."""
    return sqlite3.connect(path, isolation_level=None, timeout=0)


NEWEST = len(list((files("storage") / "migrations").glob("*.sql")))


class TestOpening:
    async def test_a_folder_is_made_and_the_file_is_its_owners(self, tmp_path: Path):
        path = tmp_path / "new" / "folder" / "matinee.db"
        async with opened(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    async def test_commits_survive_a_loss_of_power(self, shop: Shop):
        read = shop.database.write
        assert await read(lambda connection: tuple(connection.execute("PRAGMA journal_mode").fetchone())) == ("wal",)
        assert await read(lambda connection: tuple(connection.execute("PRAGMA synchronous").fetchone())) == (2,)
        assert await read(lambda connection: tuple(connection.execute("PRAGMA foreign_keys").fetchone())) == (1,)

    async def test_a_newer_schema_is_left_alone(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        with other(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(NewerSchemaError, match=rf"schema 99.*knows {NEWEST}"):
            await Database.open(path)

    async def test_migrations_run_once(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        for _ in range(2):
            async with opened(path) as shop:
                assert await shop.rows("PRAGMA user_version") == [(NEWEST,)]

    async def test_a_migration_that_meets_a_lock_leaves_nothing_behind(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        lock = other(path)
        lock.execute("PRAGMA journal_mode = WAL")
        lock.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable) as refused:
            await Database.open(path)
        assert not refused.value.full
        lock.execute("ROLLBACK")
        lock.close()
        async with opened(path) as shop:
            assert await shop.queued()

    async def test_what_is_no_database_is_refused(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        path.write_bytes(b"a letter to somebody, long enough to be looked at " * 100)
        with pytest.raises(StorageUnavailable):
            await Database.open(path)

    async def test_so_is_a_folder_and_a_place_where_nothing_can_be_made(self, tmp_path: Path):
        (tmp_path / "file").touch()
        for path in (tmp_path, tmp_path / "file" / "matinee.db"):
            with pytest.raises(StorageUnavailable) as refused:
                await Database.open(path)
            assert refused.value.full


class TestReopening:
    async def test_everything_is_found_again(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        async with opened(path) as shop:
            waiting = await shop.queued()
            other_waiting = await shop.queued(member=99)
            await shop.limit(burst=3)
            claimed = await shop.claimed()
        async with opened(path) as shop:
            assert await shop.store.unfinished() == [claimed, other_waiting]
            assert claimed.id == waiting.id
            assert (await shop.policies.policy(claimed.to.guild_id)).own_limits == {"burst": 3}
            assert (await shop.store.waiting(claimed.to.guild_id)).starts == pytest.approx((claimed.started_at,), abs=1)


class TestBusy:
    async def test_an_admission_gives_up_in_time_and_later_ones_work(self, shop: Shop, tmp_path: Path):
        lock = other(tmp_path / "matinee.db")
        lock.execute("BEGIN IMMEDIATE")
        started = asyncio.get_running_loop().time()
        refused = await asyncio.gather(
            *(shop.store.add(job(), LIMITS) for _ in range(3)),
            shop.store.claim("pipelet", 1),
            return_exceptions=True,
        )
        assert [(type(error), error.full) for error in refused] == [(StorageUnavailable, False)] * 4
        assert asyncio.get_running_loop().time() - started < 1.5
        lock.execute("ROLLBACK")
        assert await shop.store.add(job(), LIMITS)
        lock.close()

    async def test_reading_goes_on(self, shop: Shop, tmp_path: Path):
        queued = await shop.queued()
        lock = other(tmp_path / "matinee.db")
        lock.execute("BEGIN IMMEDIATE")
        assert await shop.store.get(queued.id) == queued
        lock.close()

    async def test_what_the_world_has_seen_waits_until_it_can_be_written(self, shop: Shop, tmp_path: Path):
        queued = await shop.queued()
        lock = other(tmp_path / "matinee.db")
        lock.execute("BEGIN IMMEDIATE")
        move = asyncio.create_task(shop.store.move(queued, JobState.CANCELLED))
        await asyncio.sleep(0.9)
        assert not move.done()
        lock.execute("ROLLBACK")
        assert (await move).state is JobState.CANCELLED
        lock.close()

    async def test_a_start_waits_for_another_program(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        lock = other(path)
        lock.execute("BEGIN EXCLUSIVE")
        opening = asyncio.create_task(Database.open(path))
        await asyncio.sleep(0.9)
        assert not opening.done()
        lock.execute("ROLLBACK")
        lock.close()
        database = await opening
        assert (
            await database.read(lambda connection: connection.execute("SELECT count(*) FROM jobs").fetchone()[0]) == 0
        )
        await database.close()


class TestFull:
    async def fill(self, shop: Shop) -> None:
        for _ in range(500):
            await shop.store.add(job(detail="x"), limits(queued_per_member=1000, queued_per_guild=1000))

    async def test_a_full_disk_says_so_and_can_be_left_again(self, shop: Shop):
        queued = await shop.queued()
        pages = await shop.rows("PRAGMA page_count")
        await shop.database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages[0][0] + 2}").fetchall())
        with pytest.raises(StorageUnavailable) as refused:
            await self.fill(shop)
        assert refused.value.full
        assert await shop.store.get(queued.id) == queued
        await shop.database.write(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchall())
        assert await shop.store.add(job(), limits(queued_per_member=1000, queued_per_guild=1000))

    async def test_the_operator_is_told_once_each_time(self, shop: Shop, caplog: pytest.LogCaptureFixture):
        for times in (1, 2):
            pages = await shop.rows("PRAGMA page_count")
            room = f"PRAGMA max_page_count = {pages[0][0] + 2}"
            await shop.database.write(lambda db, room=room: db.execute(room).fetchall())
            with pytest.raises(StorageUnavailable):
                await self.fill(shop)
            assert [record.levelname for record in caplog.records] == ["ERROR"] * times
            await shop.database.write(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchall())

    async def test_a_folder_that_refuses_to_be_written_counts_as_full(self, tmp_path: Path):
        async with opened(tmp_path / "matinee.db") as shop:
            await shop.database.write(lambda db: db.execute("PRAGMA query_only = ON"))
            with pytest.raises(StorageUnavailable) as refused:
                await shop.store.add(job(), LIMITS)
            assert refused.value.full


class TestTogether:
    async def test_one_that_fails_takes_nobody_with_it(self, shop: Shop):
        seen = job()
        taken = await shop.store.add(seen, LIMITS)
        assert taken is not None
        moved = await shop.store.move(taken, JobState.QUEUED)
        results = await asyncio.gather(
            shop.store.add(job(), LIMITS),
            shop.store.move(taken, JobState.CANCELLED),
            shop.store.add(job(), limits(queued_per_member=1)),
            shop.store.add(job(), LIMITS),
            shop.store.move(moved, JobState.CANCELLED),
            return_exceptions=True,
        )
        assert [type(result).__name__ for result in results] == ["Job", "Stale", "RateLimited", "Job", "Job"]
        assert isinstance(results[1], Stale)
        assert isinstance(results[2], RateLimited)
        assert await shop.rows("SELECT count(*) FROM jobs") == [(3,)]

    async def test_a_mistake_of_ours_is_its_callers_only(self, shop: Shop):
        queued = await shop.queued()
        twin = job(nonce=queued.nonce)
        results = await asyncio.gather(
            shop.store.add(twin, LIMITS), shop.store.add(job(), LIMITS), return_exceptions=True
        )
        assert [type(result).__name__ for result in results] == ["IntegrityError", "Job"]

    async def test_a_statement_that_is_none_is_named(self, shop: Shop):
        with pytest.raises(sqlite3.OperationalError, match="syntax"):
            await shop.database.write(lambda connection: connection.execute("INSRT"))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await shop.database.read(lambda connection: connection.execute("SELECT * FROM films"))

    async def test_nobody_writes_by_reading(self, shop: Shop):
        with pytest.raises(StorageUnavailable):
            await shop.database.read(lambda connection: connection.execute("DELETE FROM jobs"))


class TestCancellation:
    async def test_a_caller_who_goes_away_leaves_no_transaction_open(self, shop: Shop):
        async def write(number: int) -> None:
            def work(connection: sqlite3.Connection) -> None:
                connection.execute("INSERT INTO facts (name, value) VALUES (?, 'a')", (f"a{number}",))
                connection.execute("INSERT INTO facts (name, value) VALUES (?, 'b')", (f"b{number}",))

            await shop.database.write(work)

        for number in range(200):
            writing = asyncio.create_task(write(number))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        assert not await shop.database.write(lambda connection: connection.total_changes < 0)
        rows = {name for (name,) in await shop.rows("SELECT name FROM facts")}
        assert {name[1:] for name in rows if name[0] == "a"} == {name[1:] for name in rows if name[0] == "b"}
        assert len(rows) >= 2 * 100
        assert await shop.queued()

    async def test_closing_waits_for_what_was_begun(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        async with opened(path) as shop:
            writing = [asyncio.create_task(shop.store.add(job(member=number), LIMITS)) for number in range(200)]
            await asyncio.sleep(0)
        await asyncio.gather(*writing, return_exceptions=True)
        async with opened(path) as shop:
            assert await shop.rows("SELECT count(*) FROM jobs") == [(200,)]


class TestSoundness:
    async def test_a_damaged_file_is_not_used(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        async with opened(path) as shop:
            for _ in range(200):
                await shop.queued(guild=_)
        body = bytearray(path.read_bytes())
        for place in range(4096 * 20 + 8, len(body), 4096):
            body[place : place + 64] = bytes(64)
        path.write_bytes(body)
        with pytest.raises((DamagedError, StorageUnavailable)):
            await Database.open(path)

    async def test_what_is_wrong_with_it_is_said_in_one_short_line(self, tmp_path: Path):
        path = tmp_path / "matinee.db"
        async with opened(path) as shop:
            await shop.queued()
        body = bytearray(path.read_bytes())
        # The header's number of free pages (https://sqlite.org/fileformat2.html, offset 36).
        body[36:40] = (7).to_bytes(4, "big")
        path.write_bytes(body)
        with pytest.raises(DamagedError, match=r"damaged \(.*[Ff]reelist.*\); fix: put a backup") as refused:
            await Database.open(path)
        assert "\n" not in str(refused.value)

    def test_an_sqlite_with_the_wal_bug_is_named(self):
        assert "3.40.1" in (caution((3, 40, 1)) or "")
        assert caution((3, 51, 3)) is None
