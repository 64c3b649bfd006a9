"""A file that grows as an answer arrives, on a disk that may be full for a while."""

import asyncio
from pathlib import Path

_PAUSE = 1.0


class GrowingFile:
    """`path`, replaced. `patience` is how long a disk that takes nothing is waited for, in seconds."""

    def __init__(self, path: Path, patience: float) -> None:
        self._path, self._patience = path, patience
        self._waiting, self._written = bytearray(), 0

    @property
    def size(self) -> int:
        """In bytes, with what waits to be written."""
        return self._written + len(self._waiting)

    def add(self, data: bytes) -> None:
        self._waiting += data

    async def write(self, least: int = 0) -> None:
        """Write what waits, if it is at least that many bytes. Raises OSError when the disk refuses.

        The sender holds on while a full disk is cleared; what it sends may have been paid for.
        """
        if len(self._waiting) < least:
            return
        loop = asyncio.get_running_loop()
        until, data = loop.time() + self._patience, bytes(self._waiting)
        while True:
            try:
                await asyncio.to_thread(_put, self._path, self._written, data)
                break
            except OSError:
                if loop.time() + _PAUSE > until:
                    raise
            await asyncio.sleep(_PAUSE)
        self._written += len(data)
        self._waiting.clear()


def _put(path: Path, at: int, data: bytes) -> None:
    """Again from the same place, should half of it have been written before."""
    with path.open("r+b" if at else "wb") as file:
        file.seek(at)
        file.write(data)
        file.truncate()
