"""How fast a guild may start jobs, how many it may hold, and whose turn it is: pure functions of rows and a time."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of the clocks: `wall` epoch seconds, `boot` the machine's uptime, `steady` what limits count in.

    Steady time passes by what both clocks agree on and never goes back, across restarts too: a clock that is set
    forward grants nothing as long as the other one is right. A clock that is set back costs what passed since the last
    reading, and a machine that was off the time off: a guild then waits longer, but gets nothing twice.
    """

    steady: float
    wall: float
    boot: float

    def at(self, wall: float, boot: float) -> Self:
        """The later moment at which the clocks read so. A `boot` below ours is another start of the machine."""
        up = boot - self.boot if boot >= self.boot else boot
        return replace(self, steady=self.steady + max(0.0, min(wall - self.wall, up)), wall=wall, boot=boot)

    def wall_at(self, steady: float) -> float:
        """The epoch time at which the steady time will be `steady`, if nobody sets a clock."""
        return self.wall + (steady - self.steady)

    def steady_at(self, wall: float) -> float:
        return self.steady + (wall - self.wall)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: in any window of w hours at most burst + jobs_per_hour x w starts."""

    jobs_per_hour: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds until one start comes back."""
        return HOUR / self.jobs_per_hour

    @property
    def memory(self) -> float:
        """Seconds of past starts that `next_start` wants: an empty bucket is full again long before."""
        return 24 * HOUR + self.burst * self.interval

    def next_start(self, starts: Sequence[float], now: float) -> float:
        """When the next job may start: `now`, or later. `starts` are those of the last `memory` seconds, oldest first.

        What happened before is taken at its worst, an empty bucket, so the limit holds without older rows; a guild
        that was idle for one refill within the day gets the exact answer.
        """
        return max(now, self.allows_at(self.full_at(starts, now)))

    def after(self, full_at: float, start: float) -> float:
        """When the bucket would be full again after one more start."""
        return max(full_at, start) + self.interval

    def allows_at(self, full_at: float) -> float:
        """From when on a bucket that would be full at that time allows one more start."""
        return full_at - (self.burst - 1) * self.interval

    def full_at(self, starts: Sequence[float], now: float) -> float:
        """The bucket as one number: the time at which it would be full again (the virtual schedule of GCRA)."""
        full_at = now - self.memory + self.burst * self.interval
        for start in starts:
            full_at = self.after(full_at, start)
        return full_at


@dataclass(frozen=True, slots=True)
class GuildLimits:
    """What a guild may use. The operator's are the ceiling of every guild's own.

    `spend_per_day` is in the operator's currency, of any 24 hours.
    """

    jobs_per_hour: float
    burst: int
    active_per_guild: int
    active_per_member: int
    queued_per_member: int
    queued_per_guild: int
    spend_per_day: float = math.inf

    @property
    def rate(self) -> RateLimit:
        return RateLimit(self.jobs_per_hour, self.burst)

    def within(self, own: Mapping[str, float]) -> Self:
        """These limits with a guild's own ones, none of them above."""
        if not own:
            return self
        lower = {f.name: min(getattr(self, f.name), own[f.name]) for f in fields(self) if f.name in own}
        return replace(self, **lower)


def turns(waiting: Iterable[tuple[str, int]], ring: Iterable[int]) -> list[str]:
    """Job ids in the order in which they will start: members take turns.

    `waiting` is (job id, member id), oldest first; `ring` has all of their members, who is next comes first.
    """
    queues: dict[int, deque[str]] = defaultdict(deque)
    for job_id, member_id in waiting:
        queues[member_id].append(job_id)
    members = deque(member for member in ring if member in queues)
    order: list[str] = []
    while members:
        member = members.popleft()
        order.append(queues[member].popleft())
        if queues[member]:
            members.append(member)
    return order
