"""Files that survive a power cut: the name appears only once the bytes are down (R12)."""

import os
from pathlib import Path


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


def make(folder: Path) -> None:
    """The folder, for this user only; what an earlier run left half-written in it is removed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)
