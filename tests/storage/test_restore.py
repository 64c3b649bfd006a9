"""A database that comes back from a backup knows less than this machine does, and nothing goes on by itself (R14)."""

import shutil
from pathlib import Path

import pytest

from bot.domain.errors import Evidence
from bot.domain.job import Cause, Job, JobState
from bot.ports import Claim
from storage.job_store import SqliteJobStore
from storage.witness import Witness
from tests.support.rows import LIMITS, job
from tests.support.store import Shop, opened


def witness(shop: Shop, folder: Path) -> Witness:
    return Witness(shop.database, folder / "matinee.witness")


async def start(folder: Path) -> int:
    """How many jobs the next process holds."""
    async with opened(folder / "matinee.db") as shop:
        sees = witness(shop, folder)
        held = await sees.hold_if_restored()
        await sees.turn()
        return held


async def add(shop: Shop) -> None:
    await shop.store.add(job(), LIMITS)


@pytest.fixture
async def backup(tmp_path: Path) -> Path:
    """Made after one start, with a queued job."""
    await start(tmp_path)
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.queued()
    return Path(shutil.copy(tmp_path / "matinee.db", tmp_path / "backup.db"))


async def test_a_restart_holds_nothing(tmp_path: Path, backup: Path):
    assert [await start(tmp_path) for _ in range(3)] == [0, 0, 0]


async def test_an_older_start_is_noticed_once(tmp_path: Path, backup: Path):
    for _ in range(3):
        await start(tmp_path)
    shutil.copy(backup, tmp_path / "matinee.db")
    assert await start(tmp_path) == 1
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.queued()
    assert await start(tmp_path) == 0


async def test_a_start_leaves_no_more_files_open(tmp_path: Path, backup: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        await start(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


async def test_a_call_that_was_made_since_the_backup_is_noticed_though_nobody_started_since(tmp_path: Path):
    async with opened(tmp_path / "matinee.db") as shop:
        await witness(shop, tmp_path).turn()
        await shop.queued()
    backup = shutil.copy(tmp_path / "matinee.db", tmp_path / "backup.db")
    async with opened(tmp_path / "matinee.db") as shop:
        claimed = await shop.claimed()
        assert claimed is not None
        await witness(shop, tmp_path).claimed(claimed)
    shutil.copy(backup, tmp_path / "matinee.db")
    assert await start(tmp_path) == 1


async def test_a_database_that_came_to_another_machine_alone_is_one_from_a_backup(tmp_path: Path, backup: Path):
    (tmp_path / "matinee.witness").unlink()
    assert await start(tmp_path) == 1


async def test_a_new_database_is_none_from_a_backup(tmp_path: Path, backup: Path):
    await start(tmp_path)
    (tmp_path / "matinee.db").unlink()
    assert await start(tmp_path) == 0
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.queued()
    assert await start(tmp_path) == 0


async def test_a_backup_from_before_starts_were_counted_is_an_older_one(tmp_path: Path, backup: Path):
    async with opened(tmp_path / "older.db") as shop:
        await shop.queued()
    await start(tmp_path)
    shutil.copy(tmp_path / "older.db", tmp_path / "matinee.db")
    assert await start(tmp_path) == 1
    assert await start(tmp_path) == 0


async def test_who_has_not_counted_starts_before_holds_nothing(tmp_path: Path):
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.queued()
    assert await start(tmp_path) == 0


@pytest.mark.parametrize("left", ["", "nonsense", "[1]", "[1, 2", "[1, 1e999]", "[1e30, 1]", "\u00e9"])
async def test_a_file_that_cannot_be_read_counts_as_none(tmp_path: Path, backup: Path, left: str):
    (tmp_path / "matinee.witness").write_text(left, "utf-8")
    assert await start(tmp_path) == 1


async def test_every_unfinished_job_is_held_and_says_from_where(tmp_path: Path, backup: Path):
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.claimed()
        await add(shop)
        ended = await shop.store.add(job(), LIMITS)
        assert ended is not None
        await shop.store.move(ended, JobState.ABANDONED, cause=Cause.NOT_CONFIRMED, ended_at=1.0)
    (tmp_path / "matinee.witness").unlink()
    assert await start(tmp_path) == 2
    async with opened(tmp_path / "matinee.db") as shop:
        found = {found.held_from: found for found in await shop.store.unfinished()}
    assert set(found) == {JobState.SUBMITTING, JobState.RECEIVED, None}
    assert found[JobState.RECEIVED].state is JobState.HELD
    assert found[JobState.RECEIVED].cause is Cause.RESTORED
    assert found[None].state is JobState.ABANDONED


@pytest.mark.parametrize("calls", [0, 2])
async def test_numbers_of_attempts_since_the_backup_are_not_used_again(tmp_path: Path, backup: Path, calls: int):
    async with opened(tmp_path / "matinee.db") as shop:
        for _ in range(calls):
            await shop.make(await shop.claimed())
            await shop.queued()
    shutil.copy(tmp_path / "matinee.db", backup)
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.make(await shop.claimed())
        await shop.queued()
        claimed = await shop.claimed()
        assert claimed is not None
        await witness(shop, tmp_path).claimed(claimed)
    shutil.copy(backup, tmp_path / "matinee.db")
    await start(tmp_path)
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.queued()
        again = await shop.claimed()
    assert again is not None
    assert again.attempt_id == (claimed.attempt_id or 0) + 1


async def test_the_last_of_the_calls_to_come_is_written_down_before_anybody_hears_of_one(tmp_path: Path):
    happened: list[object] = []

    async def seen(claimed: Job) -> None:
        happened.append(("written", claimed.attempt_id))

    async with opened(tmp_path / "matinee.db") as shop:
        for _ in range(3):
            await shop.queued()
        store = SqliteJobStore(
            shop.database, LIMITS, shop.clock, lambda heard: happened.append(heard.attempt_id), witness=seen
        )
        claim = await store.claim("pipelet", 9, 9)
        assert await store.claim("pipelet", 9, 9) == Claim((), None)
    first, second, third = [claimed.attempt_id for claimed in claim.jobs]
    assert happened == [("written", third), first, second, third]


async def test_a_held_job_that_tried_out_its_provider_keeps_nobody_from_it(tmp_path: Path):
    async with opened(tmp_path / "matinee.db") as shop:
        await witness(shop, tmp_path).turn()
        await shop.queued()
        await shop.store.settle(await shop.claimed(), Evidence.REFUSED, JobState.REFUSED, status=401)
        await shop.queued()
        shop.clock.time += 61
        assert await shop.claimed() is not None
        await shop.queued()
        assert await shop.claimed() is None
    backup = shutil.copy(tmp_path / "matinee.db", tmp_path / "backup.db")
    await start(tmp_path)
    shutil.copy(backup, tmp_path / "matinee.db")
    async with opened(tmp_path / "matinee.db") as shop:
        assert await witness(shop, tmp_path).hold_if_restored() == 2
        shop.clock.time += 120
        await shop.queued()
        assert await shop.claimed() is not None


async def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with opened(tmp_path / "matinee.db") as shop:
        await shop.queued()
        claimed = await shop.claimed()
        assert claimed is not None
        await Witness(shop.database, tmp_path / "missing" / "matinee.witness").claimed(claimed)
    assert "cannot be written" in caplog.text
