"""When a request at its provider will be ready, as far as its answers tell."""

import math
from dataclasses import dataclass

from bot.domain.job import InProgress, InQueue, RemoteStatus

# The standard deviation of what is told in whole numbers, and of the difference of two such numbers.
_ROUNDED, _TWICE_ROUNDED = 0.29, 0.41
# Tasks are not all as long as those before them.
_UNEVEN = 0.08
_SUREST, _SHORTEST_RUN = 0.3, 1.0
_CONTRADICTION, _SLOWER = 2.0, 1.2


@dataclass(frozen=True, slots=True)
class Pace:
    """How long requests of a kind take once they have started: the median in seconds, 0 when nobody knows, and the
    standard deviation of its logarithm. `seen` is False as long as none was made here, and a document is all there is.
    """

    run: float
    spread: float = 0.15
    seen: bool = True


@dataclass(slots=True)
class Estimate:
    """`end` (monotonic seconds) is right to about `spread` seconds; None before it has started.

    `silent` counts answers in a row that did not say how far it is.
    """

    begun: float
    end: float | None = None
    spread: float = _SUREST
    silent: int = 0
    # It was last seen waiting, and first seen running.
    _queued_at: float = 0.0
    _running_at: float | None = None
    # The first and the latest place in the provider's queue, and when they were told.
    _first_place: tuple[int, float] | None = None
    _place: tuple[int, float] | None = None
    # The first tasks that were counted, the latest count, when these were told, and the seconds that a task takes.
    _first_tasks: tuple[float, float] | None = None
    _tasks: tuple[int, float] | None = None
    _each: float = 0.0

    def __post_init__(self) -> None:
        self._queued_at = self.begun

    def saw(self, status: RemoteStatus, now: float, pace: Pace) -> None:
        if isinstance(status, InQueue) and self._running_at is None:
            self._queued_at = now
            self._place = (status.position, now)
            self._first_place = self._first_place or self._place
        elif isinstance(status, InProgress):
            self._running_at = self._running_at or now
            run = max(_SHORTEST_RUN, pace.run or now - self.begun)
            if status.done is not None and status.total:
                self.silent = 0
                self._counted(min(status.done, status.total), status.total, now, run, pace.spread)
            else:
                self.silent += 1
                if self._tasks is None:
                    self._begin(self._running_at, run, pace.spread)

    def wait(self, now: float) -> float:
        """Seconds until it starts, should its provider's queue go on as it did; 0 when that is not known."""
        if self._place is None or self._first_place is None or self._place[0] >= self._first_place[0]:
            return 0.0
        (first, since), (place, at) = self._first_place, self._place
        return max(0.0, place * (at - since) / (first - place) - (now - at))

    @property
    def counts(self) -> bool:
        """Whether it was just told how far it is."""
        return self._tasks is not None and not self.silent

    def ran(self, now: float) -> float | None:
        """How long it was made, now that it is ready; None when nobody saw when it started."""
        if self._running_at is None:
            return None
        run = now - (self._queued_at + self._running_at) / 2
        return run if self._running_at - self._queued_at <= run else None

    def _begin(self, running_at: float, run: float, spread: float) -> None:
        self.end = (self._queued_at + running_at) / 2 + run
        self.spread = max(_SUREST, math.hypot(_ROUNDED * (running_at - self._queued_at), spread * run))

    def _counted(self, done: int, total: int, now: float, run: float, spread: float) -> None:
        self._each = self._each or run / total
        tasks = done + 0.5
        if self._tasks is not None and self._tasks[0] == done:
            # It is somewhere between what has passed since it was first told and the next count.
            tasks = done + min(0.95, (now - self._tasks[1]) / self._each / 2 + 0.5)
        else:
            self._tasks = (done, now)
        left = total - tasks
        # It cannot be slower than if it had started right after it was last seen waiting.
        run = min(run, max(_SHORTEST_RUN, (now - self._queued_at) * total / tasks * _SLOWER))
        rest, doubt = run * left / total, max(_SUREST, run * math.hypot(spread * left, _ROUNDED) / total)
        if self._first_tasks is None:
            self._first_tasks = (tasks, now)
        elif (since := tasks - self._first_tasks[0]) >= 1:
            self._each = max(_SHORTEST_RUN / total, (now - self._first_tasks[1]) / since)
            doubt_here = self._each * math.hypot(left * _TWICE_ROUNDED / since, left * _UNEVEN, _ROUNDED)
            rest, doubt = _together(rest, doubt, left * self._each, max(_SUREST, doubt_here))
        self.end, self.spread = now + rest, doubt


def _together(one: float, doubt: float, other: float, other_doubt: float) -> tuple[float, float]:
    """Two estimates of the same, weighed by how sure they are; where they contradict each other, the other one."""
    if abs(one - other) > _CONTRADICTION * math.hypot(doubt, other_doubt):
        return other, other_doubt
    weight, other_weight = doubt**-2, other_doubt**-2
    both = weight + other_weight
    return (one * weight + other * other_weight) / both, both**-0.5
