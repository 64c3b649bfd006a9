"""How often this bot may IDENTIFY, over all restarts: whoever does it 1,000 times a day has their token reset."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Protocol

from bot.domain.errors import StorageUnavailable
from bot.ports import Clock

log = logging.getLogger(__name__)

_FACT = "identifies"
_HOUR = 3600.0
# However far away it seems: the wall clock that dates it may be set.
_LONGEST_REST = 60.0
_STORAGE_PAUSE = 5.0


class Facts(Protocol):
    """Values that outlive the process. Both raise StorageUnavailable."""

    async def fact(self, name: str) -> str | None: ...
    async def save_fact(self, name: str, value: str) -> None: ...


class Identifies:
    """At most `per_hour` within any hour for each shard. A RESUME is none."""

    def __init__(self, facts: Facts, clock: Clock, per_hour: int) -> None:
        self._facts, self._clock, self._per_hour = facts, clock, per_hour
        self._one_by_one = asyncio.Lock()
        self._left, self._reset_at = 1, 0.0
        self._announced = 0.0

    def heard(self, left: int, reset_after: float) -> None:
        """What Discord itself still allows (topics/gateway#session-start-limit); `reset_after` is in seconds."""
        self._left, self._reset_at = left, self._clock.monotonic() + reset_after

    async def room(self, shards: int) -> None:
        """Returns when one more fits. Logs once until when that takes."""
        while True:
            try:
                if await self._waited(shards):
                    return
            except StorageUnavailable:
                log.warning("storage is busy, connecting to Discord waits for it")
                await self._clock.sleep(_STORAGE_PAUSE)

    async def spend(self, shards: int) -> None:
        """One more will be sent now: written down first, when there is room for it."""
        async with self._one_by_one:
            while True:
                await self.room(shards)
                try:
                    await self._save([*await self._within_the_hour(), self._clock.now()])
                except StorageUnavailable:
                    await self._clock.sleep(_STORAGE_PAUSE)
                else:
                    self._left -= 1
                    return

    async def _waited(self, shards: int) -> bool:
        """Whether there is room; if not, some of the wait is over."""
        now, spent, most = self._clock.now(), await self._within_the_hour(), self._per_hour * shards
        until = spent[-most] + _HOUR if len(spent) >= most else now
        if self._left <= 0:
            until = max(until, now + self._reset_at - self._clock.monotonic())
        if until <= now:
            return True
        if until > self._announced + 1:
            self._announced = until
            at = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
            log.warning("no IDENTIFY is left for now: connecting to Discord waits until %s", at)
        await self._clock.sleep(min(until - now, _LONGEST_REST))
        return False

    async def _within_the_hour(self) -> list[float]:
        now = self._clock.now()
        known: list[float] = json.loads(await self._facts.fact(_FACT) or "[]")
        spent = sorted(min(at, now) for at in known if at > now - _HOUR)
        if any(at > now for at in known):
            # The wall clock was set back: they count from now on.
            await self._save(spent)
        return spent

    async def _save(self, spent: list[float]) -> None:
        await self._facts.save_fact(_FACT, json.dumps(spent))
