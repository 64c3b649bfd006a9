"""What keeps a start from its files is told with the fix that helps."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

from bot import unusable

HERE = Path("somewhere")


def without_room() -> sqlite3.OperationalError:
    """What SQLite itself says when a file may not grow."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        try:
            connection.execute("CREATE TABLE films (id)")
        except sqlite3.OperationalError as error:
            return error
    raise AssertionError("there was room")


def test_a_full_disk_wants_room_and_no_other_name():
    full = OSError(errno.ENOSPC, "No space left on device")
    for refusal in (
        unusable.database(HERE, without_room()),
        unusable.database(HERE, full),
        unusable.media(HERE, full),
        unusable.media(HERE, OSError(errno.EDQUOT, "Disk quota exceeded")),
    ):
        assert str(refusal).endswith("; fix: make room on its disk")
        assert "somewhere" in str(refusal)


def test_a_folder_that_may_not_be_written_wants_another_name():
    denied = PermissionError(errno.EACCES, "Permission denied")
    assert str(unusable.database(HERE, denied)).endswith("fix: name a file in a folder that this user may write")
    assert str(unusable.media(HERE, denied)).endswith("fix: name a folder that this user may write")


def test_what_sqlite_cannot_name_may_be_a_full_disk():
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert str(unusable.database(HERE, broken)).endswith("fix: see whether its disk is full or broken")
