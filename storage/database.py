"""One writing connection to SQLite; a transaction is one closure on its thread.

SQLite before 3.51.3 can corrupt a WAL that several connections write, and stock Pythons link older ones.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosql
import aiosqlite

from bot.domain.errors import StorageUnavailable

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

_BUSY_MS = 400
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


def load_queries(name: str) -> Any:  # noqa: ANN401  # its methods are the names in the file
    text = (files("storage") / "queries" / name).read_text("utf-8")
    return aiosql.from_str(text, "sqlite3", mandatory_parameters=False)


class Database:
    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open, or create and migrate. The file is readable by its owner only. Raises StorageUnavailable."""
        try:
            await asyncio.to_thread(_create, path)
        except OSError as error:
            raise StorageUnavailable(full=True) from error
        database = cls(await aiosqlite.connect(path, isolation_level=None))
        try:
            await database._run(_prepare)
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        await self._connection.close()

    async def write(self, work: Work[Result], patience: float | None = None) -> Result:
        """Run `work` as one transaction. It commits as a whole even when the caller is cancelled meanwhile.

        While the database is busy or full it is tried again for `patience` seconds, for ever when None: what the
        outside world has already seen must reach the disk. Raises StorageUnavailable when patience ends.
        """
        deadline = None if patience is None else asyncio.get_running_loop().time() + patience
        pause = 0.02
        while True:
            try:
                return await self._run(lambda connection: _transact(connection, work))
            except StorageUnavailable:
                if deadline is not None and asyncio.get_running_loop().time() + pause > deadline:
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret
            pause = min(pause * 2, 5.0)

    async def read(self, work: Work[Result]) -> Result:
        return await self._run(work)

    async def _run(self, work: Work[Result]) -> Result:
        # aiosqlite's public calls are one statement each; a transaction made of them can be torn by cancellation,
        # so the whole closure goes to its thread through the door that those calls use themselves.
        def guarded() -> Result:
            try:
                return work(self._connection._conn)
            except sqlite3.OperationalError as error:
                raise _translate(error) from error

        result: Result = await self._connection._execute(guarded)  # type: ignore[no-untyped-call]
        return result


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)


def _transact(connection: sqlite3.Connection, work: Work[Result]) -> Result:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _translate(error: sqlite3.OperationalError) -> Exception:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _BUSY:
        return StorageUnavailable(full=False)
    if primary in _FULL:
        return StorageUnavailable(full=True)
    return error


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    # WAL with NORMAL loses acknowledged commits when the power goes; FULL does not.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    _migrate(connection)


def _migrate(connection: sqlite3.Connection) -> None:
    scripts = sorted(
        (entry for entry in (files("storage") / "migrations").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(scripts):
        raise NewerSchemaError(version, len(scripts))
    for number, script in enumerate(scripts, start=1):
        if number > version:
            connection.executescript(f"BEGIN;\n{script.read_text('utf-8')}\nPRAGMA user_version = {number};\nCOMMIT;")


class NewerSchemaError(Exception):
    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema {found}, this version of Matinee knows {known}: install the newer one"
        )
