"""Files that survive a power cut: the name appears only once the bytes are down (R12)."""

import hashlib
import os
from pathlib import Path

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
    probe = folder / f"{os.getpid()}.part"
    probe.touch()
    # The file system's own time: a shared one may go by another clock.
    now = probe.stat().st_mtime
    probe.unlink()
    for part in folder.glob("*.part*"):
        if part.stat().st_mtime < now - STALE_SECONDS:
            part.unlink(missing_ok=True)
