"""When waiting jobs will start: the schedule itself, played ahead with the times that such jobs usually take."""

import heapq
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from bot.domain.limits import GuildLimits

# Of the usual time, what is left of a job that has taken longer already.
_OVERDUE = 0.2


@dataclass(frozen=True, slots=True)
class Crowd:
    """A provider as all guilds share it: so many `places`, `taken` now, each for `seconds` on the average.

    `waiting` is the number of jobs of each guild that takes its turns there, `weights` are those other than 1.
    """

    places: int
    taken: int
    seconds: float
    waiting: Mapping[int, int]
    weights: Mapping[int, float] = field(default_factory=dict)
    # Of the guilds of each weight: how many wait in each, the fewest first, and the sums of those.
    _counts: Sequence[tuple[float, Sequence[int], Sequence[int]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        counts = defaultdict[float, list[int]](list)
        for guild, count in self.waiting.items():
            counts[self.weights.get(guild, 1)].append(count)
        of_weights = [(weight, sorted(each)) for weight, each in counts.items()]
        found = [(weight, each, list(accumulate(each, initial=0))) for weight, each in of_weights]
        object.__setattr__(self, "_counts", found)

    def before(self, guild_id: int, own: int) -> float:
        """Starts of others until the guild's start number `own`: each of them has started as often, or as often as its
        weight says, if so many jobs wait there."""
        starts = -float(min(own, self.waiting.get(guild_id, 0)))
        for weight, counts, sums in self._counts:
            most = own * weight / self.weights.get(guild_id, 1)
            fewer = bisect_left(counts, most)
            starts += sums[fewer] + most * (len(counts) - fewer)
        return starts


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
    """One guild's starts at a provider, among everybody else's."""

    def __init__(self, crowd: Crowd, guild_id: int) -> None:
        self._crowd, self._guild_id, self._own = crowd, guild_id, 0

    def next_start(self, now: float) -> float:
        """Of the guild's next job there, if only the provider's places kept it waiting."""
        crowd, own = self._crowd, self._own + 1
        ahead = crowd.before(self._guild_id, own) + own - max(0, crowd.places - crowd.taken)
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


class _Guild:
    """One guild's limits while its jobs start."""

    def __init__(self, standing: Standing, now: float) -> None:
        limits = standing.limits
        self._now, self._rate = now, limits.rate
        self._full_at = limits.rate.full_at(standing.starts, now)
        self._slots = _Slots(limits.active_per_guild)
        self._members: dict[int, _Slots] = defaultdict(lambda: _Slots(limits.active_per_member))
        self._rounds = {provider: _Round(crowd, standing.guild_id) for provider, crowd in standing.crowds.items()}
        for run in standing.running:
            self._take(run.member_id, run.ends_at(now))

    def _take(self, member_id: int, end: float) -> None:
        self._slots.take(end)
        self._members[member_id].take(end)

    def shared(self) -> float:
        """When the guild's next job may start, whichever it is."""
        return max(self._now, self._rate.allows_at(self._full_at), self._slots.free_at(self._now))

    def own(self, turn: Turn) -> float:
        """When this job may start, as far as its member and its provider go."""
        there = self._rounds.get(turn.provider)
        start = math.inf if there is None else there.next_start(self._now)
        return max(self._now, turn.earliest, self._members[turn.member_id].free_at(self._now), start)

    def start(self, turn: Turn, at: float) -> None:
        self._full_at = self._rate.after(self._full_at, at)
        self._rounds[turn.provider].take()
        self._take(turn.member_id, at + turn.seconds)


def start_times(waiting: Sequence[Turn], standing: Standing, now: float) -> list[float]:
    """When each of them, in the order of their turns, will start (epoch seconds); infinity where nobody can know."""
    times = [math.inf] * len(waiting)
    guild = _Guild(standing, now)
    # What keeps one job only is not waited for by those behind it: they pass.
    later = [(guild.own(turn), number) for number, turn in enumerate(waiting)]
    heapq.heapify(later)
    ready: list[int] = []
    while ready or (later and later[0][0] < math.inf):
        at = guild.shared() if ready else max(guild.shared(), later[0][0])
        while later and later[0][0] <= at:
            heapq.heappush(ready, heapq.heappop(later)[1])
        number = heapq.heappop(ready)
        if (own := guild.own(waiting[number])) > at:
            heapq.heappush(later, (own, number))
        else:
            times[number] = at
            guild.start(waiting[number], at)
    return times
