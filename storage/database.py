"""One writing connection to SQLite and one that only reads; a transaction is one closure on its connection's thread.

SQLite before 3.51.3 can corrupt a WAL that several connections write, and stock Pythons link older ones.
"""

import asyncio
import contextlib
import functools
import logging
import random
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosql
import aiosqlite

from bot.domain.errors import StorageUnavailable

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]
Meanwhile = Callable[[], Awaitable[None]]

# https://sqlite.org/wal.html, "The WAL-reset bug".
_SAFE_WITH_OTHERS = (3, 51, 3)
_BUSY_MS = 400
# A start waits for another program's transaction, a backup's say: who is not started again would stay away.
OPENING_SECONDS = 15.0
# All of their callers go on at once, and keep the event loop from everybody else.
_MOST_TOGETHER = 64
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


@functools.cache
def load_queries(name: str) -> Any:  # noqa: ANN401  # its methods are the names in the file
    text = (files("storage") / "queries" / name).read_text("utf-8")
    return aiosql.from_str(text, "sqlite3", mandatory_parameters=False)


class Database:
    """Reads never wait for the disk, and writes that meet while it is busy share its next turn."""

    def __init__(self, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._writer, self._reader = writer, reader
        self._waiting: deque[_Write] = deque()
        self._turns: asyncio.Task[None] | None = None
        self._full = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open, or create and migrate. The file is readable by its owner only.

        Raises StorageUnavailable, whose cause says why, NewerSchemaError and DamagedError.
        """
        try:
            await asyncio.to_thread(_create, path)
            async with contextlib.AsyncExitStack() as undo:
                writer = await undo.enter_async_context(aiosqlite.connect(path, isolation_level=None))
                await _run(writer, _prepare)
                reader = await undo.enter_async_context(aiosqlite.connect(path, isolation_level=None))
                await _run(reader, _prepare_reader)
                undo.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise StorageUnavailable(full=True) from error
        return cls(writer, reader)

    async def close(self) -> None:
        """After everything that was given to `write` before."""
        if self._turns is not None:
            await asyncio.wait([self._turns])
        try:
            await self._reader.close()
        finally:
            await self._writer.close()

    async def write(
        self, work: Work[Result], patience: float | None = None, meanwhile: Meanwhile | None = None
    ) -> Result:
        """Run `work` as one transaction. It commits as a whole even when the caller is cancelled meanwhile.

        While the database is busy or full it is tried again for `patience` seconds, for ever when None: what the
        outside world has already seen must reach the disk. `meanwhile` is done once, after a first try in vain.
        Raises StorageUnavailable when patience ends.
        """
        deadline = None if patience is None else asyncio.get_running_loop().time() + patience
        pause = 0.02
        while True:
            try:
                return await self._commit(work)
            except StorageUnavailable as error:
                if error.full and not self._full:
                    log.error("the database cannot be written: %s", error.__cause__)  # noqa: TRY400
                self._full = self._full or error.full
                if deadline is not None and asyncio.get_running_loop().time() + pause > deadline:
                    raise
            if meanwhile is not None:
                await meanwhile()
                meanwhile = None
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret
            pause = min(pause * 2, 5.0)

    async def read(self, work: Work[Result]) -> Result:
        """Run `work` on what has been committed, as one snapshot."""
        return await _run(self._reader, lambda connection: _snapshot(connection, work))

    async def _commit(self, work: Work[Result]) -> Result:
        write = _Write(work, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns(), name="commit")
        await write.done
        result: Result = write.outcome()
        self._full = False
        return result

    async def _take_turns(self) -> None:
        while self._waiting:
            together = [self._waiting.popleft() for _ in range(min(_MOST_TOGETHER, len(self._waiting)))]
            try:
                await _run(self._writer, functools.partial(_transact, writes=together))
            except Exception as error:  # noqa: BLE001  # it is raised to each of the callers
                for write in together:
                    write.error = error
            for write in together:
                if not write.done.cancelled():
                    write.done.set_result(None)


class _Write:
    """A transaction that waits for its turn, and what became of it: `done` wakes its caller, who may have gone."""

    def __init__(self, work: Work[Any], done: "asyncio.Future[None]") -> None:
        self._work, self.done = work, done
        self._result: Any = None
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> bool:
        """As a part of a transaction; False when it has failed half-way, and all of that must be undone."""
        self.error, before = None, connection.total_changes
        try:
            self._result = self._work(connection)
        except Exception as error:  # noqa: BLE001  # it is raised to the caller
            self.error = error
            return connection.in_transaction and connection.total_changes == before
        return True

    def outcome(self) -> Any:  # noqa: ANN401  # the work's own result
        if isinstance(self.error, sqlite3.OperationalError):
            raise _translate(self.error) from self.error
        if self.error is not None:
            raise self.error
        return self._result


async def _run(owner: aiosqlite.Connection, work: Work[Result]) -> Result:
    # aiosqlite's public calls are one statement each; a transaction made of them can be torn by cancellation,
    # so the whole closure goes to its thread through the door that those calls use themselves.
    def guarded() -> Result:
        try:
            return work(owner._conn)
        except sqlite3.OperationalError as error:
            raise _translate(error) from error

    result: Result = await owner._execute(guarded)  # type: ignore[no-untyped-call]
    return result


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)


def _transact(connection: sqlite3.Connection, writes: Sequence[_Write]) -> None:
    """All of them in one transaction; when one fails half-way, each in its own."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        kept = all(write.run(connection) for write in writes)
        if kept:
            connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if not kept and len(writes) > 1:
        for write in writes:
            try:
                _transact(connection, [write])
            except sqlite3.Error as error:
                write.error = error


def _snapshot(connection: sqlite3.Connection, work: Work[Result]) -> Result:
    connection.execute("BEGIN")
    try:
        return work(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another program has the file now."""
    return _primary(error) in _BUSY


def _primary(error: sqlite3.OperationalError) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _translate(error: sqlite3.OperationalError) -> Exception:
    if is_busy(error):
        return StorageUnavailable(full=False)
    if _primary(error) in _FULL:
        return StorageUnavailable(full=True)
    return error


def caution(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """What the operator has to know about this SQLite; None when there is nothing."""
    if version >= _SAFE_WITH_OTHERS:
        return None
    return (
        f"SQLite {'.'.join(map(str, version))} can corrupt a database that two programs write or checkpoint "
        f"(fixed in 3.51.3): Matinee keeps to one writing connection; let no other one, such as Litestream, write it"
    )


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {round(OPENING_SECONDS * 1000)}")
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise DamagedError(found)
    connection.execute("PRAGMA journal_mode = WAL")
    # WAL with NORMAL loses acknowledged commits when the power goes; FULL does not.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    _migrate(connection)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")


def _prepare_reader(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA query_only = ON")


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


class UnusableDatabaseError(Exception):
    """The file can be opened, but must not be used."""


class DamagedError(UnusableDatabaseError):
    def __init__(self, found: str) -> None:
        super().__init__(f"the database is damaged ({' '.join(found.split())[:100]}); fix: put a backup in its place")


class NewerSchemaError(UnusableDatabaseError):
    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema {found}, this version of Matinee knows {known}; fix: install the newer one"
        )
