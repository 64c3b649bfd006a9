"""Transactions that meet are committed as one, and stay each their caller's own."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.domain.errors import StorageUnavailable
from storage.database import Database


def put(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return work


def put_and_fail(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        put(number)(connection)
        raise LookupError(number)

    return work


async def numbers(database: Database) -> list[int]:
    return await database.read(lambda connection: [row[0] for row in connection.execute("SELECT * FROM numbers")])


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "matinee.db")
    await database.write(lambda connection: connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)").close())
    yield database
    await database.close()


async def test_one_that_fails_takes_no_other_with_it(database: Database) -> None:
    outcomes = await asyncio.gather(
        *(database.write(work) for work in (put(1), put_and_fail(2), put(3), put(1), put(4))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [int, LookupError, int, sqlite3.IntegrityError, int]
    assert await numbers(database) == [1, 3, 4]


async def test_nor_does_the_first_of_two_take_the_other(database: Database) -> None:
    outcomes = await asyncio.gather(
        *(database.write(work) for work in (put(1), put_and_fail(2))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [int, LookupError]
    assert await numbers(database) == [1]


async def test_those_that_meet_share_a_commit(database: Database, tmp_path: Path) -> None:
    wal = tmp_path / "matinee.db-wal"
    before = wal.stat().st_size
    await asyncio.gather(*(database.write(put(number)) for number in range(100)))
    together = wal.stat().st_size - before
    for number in range(100, 110):
        await database.write(put(number))
    assert together < wal.stat().st_size - before - together


async def test_everybody_hears_of_a_commit_that_was_refused(database: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "matinee.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(
        *(database.write(work, 0) for work in (put(1), put_and_fail(2), put(3))), return_exceptions=True
    )
    other.close()
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 3
    assert await numbers(database) == []


async def test_one_that_has_time_is_tried_again(database: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "matinee.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(database.write(put(1), 30))
    with pytest.raises(StorageUnavailable):
        await database.write(put(2), 0)
    other.close()
    assert await writing == 1
    assert await numbers(database) == [1]


async def test_a_write_whose_caller_left_is_committed(database: Database) -> None:
    writing = asyncio.create_task(database.write(put(1)))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await database.write(put(2))
    assert await numbers(database) == [1, 2]


async def test_a_read_sees_one_moment_however_long_it_takes(database: Database) -> None:
    begun, written = threading.Event(), threading.Event()

    def count_twice(connection: sqlite3.Connection) -> list[int]:
        def count() -> int:
            return connection.execute("SELECT count(*) FROM numbers").fetchone()[0]

        before = count()
        begun.set()
        assert written.wait(10)
        return [before, count()]

    reading = asyncio.create_task(database.read(count_twice))
    assert await asyncio.to_thread(begun.wait, 10)
    await database.write(put(1))
    written.set()
    assert await reading == [0, 0]


async def test_a_read_waits_for_no_writer_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    await database.write(put(1))
    other = sqlite3.connect(tmp_path / "matinee.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO numbers VALUES (2)")
    assert await numbers(database) == [1]
    other.close()
    with pytest.raises(StorageUnavailable):
        await database.read(put(3))
    assert await numbers(database) == [1]
