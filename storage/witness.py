"""What has happened here, in a file beside the database: one that knows less has been restored from a backup (R14)."""

import asyncio
import json
import logging
import sqlite3
from dataclasses import astuple, dataclass
from pathlib import Path

from bot.domain.job import Job
from storage import durable
from storage.database import OPENING_SECONDS, Database, load_queries

log = logging.getLogger(__name__)

_LONGEST = 200
# SQLite counts no further.
_MOST = 2**63 - 1
# A stop waits for it.
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """`turns`: starts and stretches of work so far; `attempt`: the last one whose bytes may have left."""

    turns: int
    attempt: int

    def knows(self, other: "Mark") -> bool:
        return self.turns >= other.turns and self.attempt >= other.attempt


class Witness:
    """The file belongs in no backup. The database is always written first, so that it never knows less by itself."""

    def __init__(self, database: Database, path: Path) -> None:
        self._database, self._path = database, path
        self._queries = load_queries("restore.sql")
        self._wanted = self._written = Mark(0, 0)
        self._lock = asyncio.Lock()

    async def hold_if_restored(self) -> int:
        """After a restore nothing goes on by itself: how many unfinished jobs were set HELD. Once, at the start.

        Also without a file, when the database says that there was one: it has come to another machine alone.
        Raises StorageUnavailable.
        """
        seen = await asyncio.to_thread(_read, self._path)
        known = await self._database.read(self._mark)
        if known.turns == 0 if seen is None else known.knows(seen):
            return 0
        self._wanted = self._written = seen or known

        def work(connection: sqlite3.Connection) -> int:
            held: int = self._queries.hold_unfinished(connection)
            self._queries.forget_breakers(connection)
            self._queries.skip_attempts(connection, attempt=self._written.attempt)
            self._queries.first_attempt(connection, attempt=self._written.attempt)
            self._queries.set_turns(connection, turns=max(known.turns, self._written.turns))
            return held

        return await self._database.write(work, OPENING_SECONDS)

    async def turn(self, patience: float = _PATIENCE) -> None:
        """A start, or a while in which something may have changed: a backup from before it is an old one.

        `patience` is in seconds. Raises StorageUnavailable."""
        await self._database.write(self._queries.take_turn, patience)
        await self._reach(await self._database.read(self._mark))

    async def claimed(self, job: Job) -> None:
        """Called before a byte of this attempt leaves."""
        await self._reach(Mark(self._wanted.turns, job.attempt_id or 0))

    async def _reach(self, mark: Mark) -> None:
        self._wanted = Mark(max(self._wanted.turns, mark.turns), max(self._wanted.attempt, mark.attempt))
        async with self._lock:
            wanted = self._wanted
            if self._written.knows(mark):
                return
            try:
                await asyncio.to_thread(durable.write, self._path, json.dumps(astuple(wanted)))
            except OSError as error:
                # The rows are safe; only a restore of today's backup would go unnoticed.
                log.error("%s cannot be written: %s", self._path, error.strerror)  # noqa: TRY400
                return
            self._written = wanted

    def _mark(self, connection: sqlite3.Connection) -> Mark:
        row = self._queries.mark(connection)
        return Mark(row["turns"], row["attempt"])


def _read(path: Path) -> Mark | None:
    """None as well for a file that a broken disk has left unreadable."""
    try:
        with path.open(encoding="ascii") as file:
            turns, attempt = map(int, json.loads(file.read(_LONGEST)))
    except (OSError, ValueError, TypeError, OverflowError):
        return None
    return Mark(turns, attempt) if max(turns, attempt) <= _MOST else None
