"""What an operator reads when a start cannot use the database's file or the media's folder: one line with the fix."""

import errno
import sqlite3
from pathlib import Path

from bot.config import ConfigurationError
from storage.database import is_busy

_ROOM = "make room on its disk"
# SQLite says no more when it cannot map its index on a full disk.
_IO_FIX = "see whether its disk is full or broken"
_FILE = "name a file in a folder that this user may write"


def database(path: Path, why: object) -> ConfigurationError:
    """`why` is what kept it from being opened."""
    # What fails while SQLite works is an OperationalError; this is about what it finds in the file.
    if isinstance(why, sqlite3.DatabaseError) and not isinstance(why, sqlite3.OperationalError):
        return ConfigurationError(
            f"configuration: storage.url: {path} holds no sound SQLite database ({why}); "
            f"fix: name another file, or put a backup in its place and remove the -wal and -shm beside it"
        )
    if isinstance(why, sqlite3.OperationalError) and is_busy(why):
        return ConfigurationError(
            f"configuration: storage.url: {path} is locked by another program; fix: end that program's transaction"
        )
    fix = _ROOM if _full(why) else _IO_FIX if _code(why) == sqlite3.SQLITE_IOERR else _FILE
    return ConfigurationError(f"configuration: storage.url: {path} cannot be opened ({why}); fix: {fix}")


def media(folder: Path, why: OSError) -> ConfigurationError:
    fix = _ROOM if _full(why) else "name a folder that this user may write"
    return ConfigurationError(
        f"configuration: media.directory: {folder} cannot be written ({why.strerror}); fix: {fix}"
    )


def _full(why: object) -> bool:
    return _code(why) == sqlite3.SQLITE_FULL or (isinstance(why, OSError) and why.errno in (errno.ENOSPC, errno.EDQUOT))


def _code(why: object) -> int | None:
    return getattr(why, "sqlite_errorcode", 0) & 0xFF if isinstance(why, sqlite3.OperationalError) else None
