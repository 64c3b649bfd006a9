"""Whose turn it is to be asked after at one provider, within what all its requests together may ask."""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

# Ten thousand requests under way cost one provider less than 60 questions a second.
PER_SECOND = 50.0
AT_ONCE = 48
# When not all who are due can be asked, who waits for its turn there lets pass who is being made for so many seconds.
_COURTESY = 100.0
# A provider that says "too many" is asked half as often, and every answer makes it a little more again.
_SLOWEST, _RECOVERY = 1.0, 1.02


@dataclass(slots=True)
class Agenda(Generic[T]):
    """Who is due first is asked first, but that what is being made goes first for a while. All times are monotonic
    seconds.

    At most `at_once` questions are under way and `per_second` begin in any second, but for those of a process that
    has just started (`put_first`): nobody knows how its requests stand.
    """

    per_second: float = PER_SECOND
    at_once: int = AT_ONCE
    under_way: int = 0
    # Our key is refused: one question at a time shows when it is taken again.
    refused: bool = False
    _rate: float = field(init=False)
    _slot: float = 0.0
    _open_at: float = 0.0
    _first: deque[T] = field(default_factory=deque)
    _near: list[tuple[float, int, T]] = field(default_factory=list)
    _far: list[tuple[float, int, T]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._rate = self.per_second

    @property
    def starting(self) -> bool:
        """Whether somebody who was put first waits still."""
        return bool(self._first)

    def put_first(self, item: T) -> None:
        self._first.append(item)

    def put(self, item: T, due: float, *, near: bool = False) -> None:
        """`near`: it is being made, and may be ready when it is due."""
        heapq.heappush(self._near if near else self._far, (due, next(self._order), item))

    def take(self, now: float) -> T | None:
        """Whose turn it is now. The question counts as under way until `done`."""
        if self.wait(now) != 0:
            return None
        self.under_way += 1
        if self._first:
            item = self._first.popleft()
            if self._rate == self.per_second:
                return item
        else:
            item = heapq.heappop(self._line(now))[2]
        self._slot = max(self._slot, now) + 1 / self._rate
        return item

    def wait(self, now: float) -> float | None:
        """Seconds until there is something to take; None when only an answer or a new request can bring it."""
        most = 1 if self.refused else self.at_once
        dues = [now] if self._first else [line[0][0] for line in (self._near, self._far) if line]
        if self.under_way >= most or not dues:
            return None
        ready = max(self._open_at, min(dues))
        if not self._first or self._rate < self.per_second:
            ready = max(ready, self._slot)
        return max(0.0, ready - now)

    def _line(self, now: float) -> list[tuple[float, int, T]]:
        """The one whose first is asked now; somebody is due."""
        if not self._near or self._near[0][0] > now:
            return self._far
        return self._far if self._far and self._far[0][0] + _COURTESY < self._near[0][0] else self._near

    def done(self) -> None:
        self.under_way -= 1

    def answered(self) -> None:
        self._rate = min(self.per_second, self._rate * _RECOVERY)

    def opens_in(self, now: float) -> float:
        return max(0.0, self._open_at - now)

    def close(self, now: float, seconds: float) -> None:
        """Nobody is asked for so long."""
        self._open_at = max(self._open_at, now + seconds)

    def slow_down(self, now: float, seconds: float) -> None:
        """And then fewer in a second than before; what was under way together counts once."""
        if now >= self._open_at:
            self._rate = max(_SLOWEST, self._rate / 2)
        self.close(now, seconds)
