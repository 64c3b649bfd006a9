"""Files that survive a power cut: the name appears only once the bytes are down (R12)."""

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Set
from pathlib import Path

log = logging.getLogger(__name__)

# Until then, what a stopped bot had received is still looked at (`left_over`); other processes may share the folder.
STALE_SECONDS = 7 * 86400


def put(part: Path, final: Path) -> None:
    """Give a written file its name. Raises OSError when the disk refuses."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(final)
    directory = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make(folder: Path) -> None:
    """The folder, for this user only; what was left half-written in it a week ago or earlier is removed.

    Raises OSError when it cannot be written to.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_halves(folder)


def _forget_halves(folder: Path) -> None:
    before = _now(folder) - STALE_SECONDS
    for part in folder.glob("*.part*"):
        # What another process, or another thread, is done with goes meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if part.stat().st_mtime < before:
                part.unlink()


def forget_strangers(folder: Path, ours: re.Pattern[str], seconds: float, known: Set[str]) -> None:
    """Remove files with names like `ours`, written so long ago, that are not `known` by what is before a dot; and what
    was left half-written a week ago or earlier."""
    _forget_halves(folder)
    before = _now(folder) - seconds
    for file in folder.iterdir():
        strange = ours.fullmatch(file.name) is not None and file.name.partition(".")[0] not in known
        try:
            if strange and file.stat().st_mtime < before:
                file.unlink()
        except OSError:
            log.exception("a file that no row knows stays", extra={"file": file.name})


def _now(folder: Path) -> float:
    """The file system's own time: a shared one may go by another clock."""
    probe = folder / f"{os.getpid()}.part"
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink()
    return now
