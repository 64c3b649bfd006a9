"""What wakes a loop that has nothing to do."""

import asyncio

from bot.ports import Clock


class Bell:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """One that rings while nobody rests ends the next rest at once."""
        self._rung.set()

    async def rest(self, seconds: float | None = None) -> None:
        """Until it rings, at most for `seconds`."""
        alarm = None
        if seconds is not None and not self._rung.is_set():
            alarm = asyncio.create_task(self._clock.sleep(max(0.0, seconds)))
            alarm.add_done_callback(self._alarmed)
        try:
            await self._rung.wait()
        finally:
            self._rung.clear()
            if alarm is not None:
                alarm.cancel()

    def _alarmed(self, alarm: asyncio.Task[None]) -> None:
        if not alarm.cancelled():
            self._rung.set()
