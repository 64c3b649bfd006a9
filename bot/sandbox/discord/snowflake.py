"""Discord's ids: milliseconds since 2015 in the upper 42 bits (reference#snowflakes)."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.sandbox.clock import Clock

EPOCH_MS = 1_420_070_400_000


class Snowflakes:
    """Hands out ids in strictly rising order, dated by the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        dated = (int(self._clock.now() * 1000) - EPOCH_MS) << 22
        self._last = max(dated, self._last + 1)
        return self._last


def iso(seconds: float) -> str:
    """An ISO 8601 time as Discord writes it, microseconds and offset included."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
