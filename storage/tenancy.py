"""One process at a time has a database and its media: a second one would take the first one's open calls for lost."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_PAUSE = 0.1


class InUseError(Exception):
    """Another process has it."""


@asynccontextmanager
async def sole_tenant(database: Path, patience: float) -> AsyncIterator[None]:
    """Hold the lock beside `database`; the kernel drops it when this process ends, however it ends.

    Whoever has it now gets `patience` seconds to stop. Raises InUseError after that, and OSError when the folder
    cannot be written.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    with database.with_name(f"{database.name}.lock").open("ab") as file:
        while not _locked(file.fileno()):
            if loop.time() >= deadline:
                raise InUseError
            await asyncio.sleep(_PAUSE)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
