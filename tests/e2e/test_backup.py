"""A day-old copy of the database comes back: nothing is asked for or posted until a moderator says so (R14)."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from e2e_kit import Scene, eventually, private, scene

MODEL = "wan22-fast-t2v"
# A job that is under way when the copy is made, and is made and posted after it.
SLOW = 40


def copy_of(it: Scene, to: Path) -> Path:
    with closing(sqlite3.connect(it.database)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def put_back(it: Scene, copy: Path) -> None:
    for rest in ("-wal", "-shm"):
        it.database.with_name(it.database.name + rest).unlink(missing_ok=True)
    copy.replace(it.database)


async def test_what_a_backup_believes_unfinished_waits_for_a_moderator(tmp_path: Path) -> None:
    async with scene(tmp_path, speed=SLOW) as it:
        owner = it.discord.member("mara", it.guild)
        kept, dropped = await it.ask(model=MODEL), await it.ask(model=MODEL, member=it.ben)
        for job_id in (kept, dropped):
            await it.reaches(job_id, "submitted")
        copy = copy_of(it, tmp_path / "backup.db")
        for job_id in (kept, dropped):
            await it.film(job_id, 60)
            await it.told(job_id)
        since = await it.ask(model=MODEL, member=it.chen)
        await it.reaches(since, "submitted")
        assert await it.stop(signal.SIGKILL) == -signal.SIGKILL
        put_back(it, copy)
        paid, films = len(it.providers.generations), len(it.films())

        await it.start()
        await eventually(lambda: [row["state"] for row in it.jobs()] == ["held", "held"])
        assert since not in {row["id"] for row in it.jobs()}
        assert (len(it.providers.generations), len(it.films())) == (paid, films)
        listed = private(await owner.slash(it.channel, "admin held list"))
        assert kept in listed
        assert dropped in listed
        private(await owner.slash(it.channel, "admin held drop", job=dropped))
        assert (await it.told(dropped))["state"] == "cancelled"
        private(await owner.slash(it.channel, "admin held release", job=kept))
        # What it was paid for stands in the copy: the film is fetched again, and nothing is paid again.
        assert (await it.told(kept, 60))["state"] == "done"
        assert len(it.providers.generations) == paid
        # Work goes on, with numbers that no call before the restore has had.
        later = await it.ask(model=MODEL)
        assert (await it.told(later, 60))["state"] == "done"
        assert len(it.providers.generations) == paid + 1
        assert await it.stop() == 0
