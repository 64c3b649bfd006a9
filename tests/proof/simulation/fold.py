"""The limits, counted from nothing but what the providers saw: when each start reached them, and until when it ran."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tests.proof.simulation.crowd import Change
from tests.proof.simulation.process import CONCURRENCY, OPERATOR
from tests.proof.simulation.studios import Work
from tests.support.clock import EPOCH

if TYPE_CHECKING:
    from tests.proof.simulation.day import Theatre

_HOUR = 3600.0
# A start is counted when it is committed, and reaches its provider a moment later.
_ON_THE_WAY = 60.0


def overshoot(theatre: "Theatre") -> list[str]:
    works = sorted(theatre.studio.works, key=lambda work: work.at)
    changes = theatre.crowd.believed.limits
    found = []
    for guild, mine in _by(works, 0).items():
        found += _bucket(guild, mine, changes.get(int(guild[1:]), []))
        found += _at_once(guild, mine, _most("active_per_guild", changes.get(int(guild[1:]), [])))
    for member, mine in _by(works, 1).items():
        guild = int(mine[0].prompt.split()[0][1:])
        found += _at_once(member, mine, _most("active_per_member", changes.get(guild, [])))
    for provider, most in CONCURRENCY.items():
        found += _at_once(provider, [work for work in works if work.provider == provider], lambda _at, most=most: most)
    return found


def _by(works: Iterable[Work], word: int) -> dict[str, list[Work]]:
    groups: dict[str, list[Work]] = defaultdict(list)
    for work in works:
        groups[work.prompt.split()[word]].append(work)
    return groups


def _allowed(name: str, changes: Sequence[Change], since: float, until: float) -> float:
    """The loosest value that can have been in force between the two times."""
    possible = {getattr(OPERATOR, name)}
    for change in changes:
        if change.at > until:
            break
        if change.certain_from is not None and change.certain_from <= since:
            possible.clear()
        possible.add(change.limits[name])
    return max(possible)


def _most(name: str, changes: Sequence[Change]) -> Callable[[float], float]:
    return lambda at: _allowed(name, changes, at - _ON_THE_WAY, at)


def _bucket(guild: str, works: Sequence[Work], changes: Sequence[Change]) -> list[str]:
    """Any window holds at most a full bucket and what has run into it, in true time, whatever the clocks said."""
    for first in range(len(works)):
        for last in range(first, min(len(works), first + 60)):
            since, until = works[first].at, works[last].at
            window = (until - since + _ON_THE_WAY) / _HOUR
            rate = _allowed("jobs_per_hour", changes, since - _ON_THE_WAY, until)
            burst = _allowed("burst", changes, since - _ON_THE_WAY, until)
            most = burst + rate * window
            if last - first + 1 > most:
                return [
                    f"{guild}: {last - first + 1} starts in {until - since:.0f} s from {since:.0f}, allowed {most:.1f}"
                ]
    return []


def _at_once(who: str, works: Sequence[Work], most: Callable[[float], float]) -> list[str]:
    """Starts and ends in order; whoever ends when another starts has made room."""
    moments = [(work.at, 1, work) for work in works] + [(work.busy_until, 0, work) for work in works]
    running: dict[Work, None] = {}
    for at, starts, work in sorted(moments, key=lambda moment: (moment[0], moment[1])):
        if not starts:
            running.pop(work, None)
            continue
        if work.busy_until > at:
            running[work] = None
        if len(running) > most(at):
            return [f"{who}: {len(running)} at once at {at:.0f}, allowed {most(at):g}: {[w.number for w in running]}"]
    return []


__all__ = ["EPOCH", "overshoot"]
