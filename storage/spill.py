"""Moves of jobs that the database could not take, one file each beside it: the next start makes them (S9, S15).

What a provider or Discord has answered is known only here then, and asking again could cost again.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.domain.job import Job
from storage import durable
from storage.database import Meanwhile
from storage.rows import changes

log = logging.getLogger(__name__)

_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Spilled:
    """A move from `state` at `epoch`; `changes` are columns of the job's row."""

    job: str
    state: str
    epoch: int
    changes: dict[str, Any]


class Spill:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def beside(self, old: Job, new: Job, commit: Callable[[Meanwhile], Awaitable[Job]]) -> Job:
        """The commit of a move. What it is given writes the move down; that stays if this process stops first."""
        spilled = False

        async def put_aside() -> None:
            nonlocal spilled
            spilled = True
            await self._put(old, new)

        try:
            return await commit(put_aside)
        except asyncio.CancelledError:
            spilled = False
            raise
        finally:
            if spilled:
                await self.drop(old.id)

    async def _put(self, old: Job, new: Job) -> None:
        try:
            await asyncio.to_thread(self._write, Spilled(old.id, old.state.value, old.epoch, changes(old, new)))
        except OSError as error:
            # It is in memory, and tried for ever; only a stop before that is over would lose it.
            log.error("%s cannot be written: %s", self._folder, error.strerror)  # noqa: TRY400

    async def drop(self, job_id: str) -> None:
        """It is in the database, or will never be. A file that stays is seen through by the epoch in it."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._path(job_id).unlink)

    async def left(self) -> list[Spilled]:
        """What an earlier process has left."""
        return await asyncio.to_thread(self._read)

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"

    def _write(self, spilled: Spilled) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        durable.write(self._path(spilled.job), json.dumps(asdict(spilled)))

    def _read(self) -> list[Spilled]:
        found = []
        for file in sorted(self._folder.glob("*.json")):
            try:
                with file.open(encoding="utf-8") as written:
                    found.append(Spilled(**json.loads(written.read(_LONGEST))))
            except (OSError, ValueError, TypeError, RecursionError):
                log.warning("%s cannot be read, and is left", file)
        return found
