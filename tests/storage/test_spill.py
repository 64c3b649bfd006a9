"""What a provider has answered outlives a process that could not commit it (S9)."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.domain.errors import Stale
from bot.domain.job import Job, JobState, RemoteHandle
from storage.job_store import SqliteJobStore
from storage.spill import Spill
from tests.support.store import Shop, opened

HANDLE = RemoteHandle("wan22-fast-t2v", "r1")


def with_spill(shop: Shop, folder: Path) -> SqliteJobStore:
    return SqliteJobStore(shop.database, shop.operator, shop.clock, shop.seen.append, spill=Spill(folder / "spill"))


def files(folder: Path) -> list[Path]:
    return list((folder / "spill").glob("*")) if (folder / "spill").exists() else []


async def until_spilled(folder: Path) -> Path:
    async with asyncio.timeout(10):
        while not [file for file in files(folder) if file.suffix == ".json"]:
            await asyncio.sleep(0.02)
    return files(folder)[0]


@dataclass
class Locked:
    """A job whose request id cannot be committed now, because another program has the database."""

    shop: Shop
    job: Job
    moving: "asyncio.Task[Job]"
    lock: sqlite3.Connection


@asynccontextmanager
async def locked(folder: Path, meanwhile: JobState | None = None) -> AsyncIterator[Locked]:
    """`meanwhile`: where somebody else has moved the job."""
    async with opened(folder / "matinee.db") as shop:
        store = with_spill(shop, folder)
        await shop.queued()
        claimed = await shop.claimed()
        assert claimed is not None
        if meanwhile is not None:
            await shop.store.move(claimed, meanwhile)
        with closing(sqlite3.connect(folder / "matinee.db", isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            moving = asyncio.create_task(store.move(claimed, JobState.SUBMITTED, remote=HANDLE))
            yield Locked(shop, claimed, moving, lock)


@pytest.fixture
async def stopped(tmp_path: Path) -> tuple[Path, Job]:
    """A folder as a process leaves it that was killed while another program held the database, and its job."""
    alive, dead = tmp_path / "alive", tmp_path / "dead"
    alive.mkdir()
    async with locked(alive) as it:
        file = await until_spilled(alive)
        assert (file.stat().st_mode | file.parent.stat().st_mode) & 0o077 == 0
        shutil.copytree(alive, dead)
        it.lock.close()
        assert (await it.moving).remote == HANDLE
        assert files(alive) == [], "it is in the database now"
        return dead, it.job


async def test_the_next_start_knows_it(stopped: tuple[Path, Job]):
    folder, claimed = stopped
    async with opened(folder / "matinee.db") as shop:
        (found,) = await with_spill(shop, folder).unfinished()
        assert (found.id, found.state, found.remote) == (claimed.id, JobState.SUBMITTED, HANDLE)
        assert files(folder) == []


async def test_without_it_only_the_row_is_believed(stopped: tuple[Path, Job]):
    folder, _ = stopped
    async with opened(folder / "matinee.db") as shop:
        (found,) = await shop.store.unfinished()
        assert found.state is JobState.SUBMITTING


async def test_a_job_that_has_moved_on_is_left_alone(stopped: tuple[Path, Job]):
    folder, claimed = stopped
    async with opened(folder / "matinee.db") as shop:
        ended = await shop.store.move(claimed, JobState.AMBIGUOUS)
        (found,) = await with_spill(shop, folder).unfinished()
        assert found == ended
        assert files(folder) == []


@pytest.mark.parametrize("left", ["", "{", '{"job": 1}', "[]", "[" * 100_000], ids=lambda left: left[:10])
async def test_a_file_that_cannot_be_read_stops_no_start(stopped: tuple[Path, Job], left: str):
    folder, claimed = stopped
    for file in files(folder):
        file.write_text(left, "utf-8")
    async with opened(folder / "matinee.db") as shop:
        (found,) = await with_spill(shop, folder).unfinished()
        assert (found.id, found.state) == (claimed.id, JobState.SUBMITTING)


async def test_who_is_cancelled_while_it_waits_leaves_it_for_the_next_start(tmp_path: Path):
    async with locked(tmp_path) as it:
        await until_spilled(tmp_path)
        it.moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await it.moving
    assert len(files(tmp_path)) == 1


async def test_it_finds_room_beside_what_others_left(tmp_path: Path):
    (tmp_path / "spill").mkdir()
    async with locked(tmp_path) as it:
        await until_spilled(tmp_path)
        it.lock.close()
        await it.moving


async def test_a_move_that_comes_too_late_leaves_nothing(tmp_path: Path):
    async with locked(tmp_path, meanwhile=JobState.AMBIGUOUS) as it:
        await until_spilled(tmp_path)
        it.lock.close()
        with pytest.raises(Stale):
            await it.moving
    assert files(tmp_path) == []


async def test_a_folder_that_cannot_be_written_stops_no_move(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "spill").write_text("a file")
    async with locked(tmp_path) as it:
        async with asyncio.timeout(10):
            while "cannot be written" not in caplog.text:
                await asyncio.sleep(0.02)
        it.lock.close()
        assert (await it.moving).remote == HANDLE
