"""When waiting jobs will start: the schedule itself, played ahead with the times that such jobs usually take."""

import heapq
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.limits import GuildLimits

# Of the usual time, what is left of a job that has taken longer already.
_OVERDUE = 0.2


@dataclass(frozen=True, slots=True)
class Crowd:
    """A provider as all guilds share it: so many `places`, `taken` now, each for `seconds` on the average.

    `waiting` is the number of jobs of each guild that takes its turns there.
    """

    places: int
    taken: int
    seconds: float
    waiting: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Turn:
    """A job that waits. It may not start before `earliest`; infinity: nobody knows when."""

    member_id: int
    provider: str
    seconds: float
    earliest: float = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A job of the guild that is at its provider."""

    member_id: int
    started_at: float
    seconds: float

    def ends_at(self, now: float) -> float:
        return max(self.started_at + self.seconds, now + _OVERDUE * self.seconds)


class _Slots:
    """Places that are free again when what is in them ends."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ends: list[float] = []

    def free_at(self, now: float) -> float:
        return now if len(self._ends) < self._size else self._ends[0]

    def take(self, end: float) -> None:
        heapq.heappush(self._ends, end)
        while len(self._ends) > self._size:
            heapq.heappop(self._ends)


class _Round:
    """One guild's starts at a provider, among everybody else's: round m is a start of each guild that has m waiting."""

    def __init__(self, crowd: Crowd, guild_id: int) -> None:
        self._crowd = crowd
        self._others = sorted(count for guild, count in crowd.waiting.items() if guild != guild_id)
        self._before, self._rounds, self._own = 0, 0, 0

    def next_start(self, now: float) -> float:
        """Of the guild's next job there, if only the provider's places kept it waiting."""
        while self._rounds <= self._own:
            self._rounds += 1
            self._before += len(self._others) - bisect_left(self._others, self._rounds)
        crowd = self._crowd
        ahead = self._before + self._own + 1 - max(0, crowd.places - crowd.taken)
        return now + max(0, ahead) * crowd.seconds / crowd.places

    def take(self) -> None:
        self._own += 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What a guild's next starts depend on. `starts` are its past ones that count against its rate, oldest first."""

    guild_id: int
    limits: GuildLimits
    starts: Sequence[float]
    running: Sequence[Run]
    crowds: Mapping[str, Crowd]


def start_times(waiting: Iterable[Turn], standing: Standing, now: float) -> list[float]:
    """When each of them, in the order of their turns, will start (epoch seconds); infinity where nobody can know."""
    limits, rate = standing.limits, standing.limits.rate
    full_at = rate.full_at(standing.starts, now)
    guild = _Slots(limits.active_per_guild)
    members: dict[int, _Slots] = defaultdict(lambda: _Slots(limits.active_per_member))
    rounds = {provider: _Round(crowd, standing.guild_id) for provider, crowd in standing.crowds.items()}
    for run in standing.running:
        for slots in (guild, members[run.member_id]):
            slots.take(run.ends_at(now))
    times = []
    for turn in waiting:
        own, there = members[turn.member_id], rounds.get(turn.provider)
        if there is None or turn.earliest == math.inf:
            times.append(math.inf)
            continue
        bounds = (rate.allows_at(full_at), guild.free_at(now), own.free_at(now), there.next_start(now))
        times.append(max(now, turn.earliest, *bounds))
        full_at = rate.after(full_at, times[-1])
        there.take()
        for slots in (guild, own):
            slots.take(times[-1] + turn.seconds)
    return times
