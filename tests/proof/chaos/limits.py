"""Whether more was started than allowed, read off the providers' own account."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tests.proof.chaos.crowd import Crowd
from tests.proof.chaos.house import CONCURRENCY, LIMITS
from tests.proof.chaos.truth import Truth

# From the start that the limiter counts to the provider's acceptance, as long as nothing stands still.
_ON_THE_WAY = 2.0

Span = tuple[float, float]


def overshoot(truth: Truth, crowd: Crowd, stood_still: float) -> Iterator[str]:
    """`stood_still`: the longest that the bot was stopped, in seconds: a start may reach the provider so much later.

    Only what became a film counts as held: what a killed process had begun goes on at the provider, unknown to anybody.
    """
    held: dict[tuple[str, object], list[Span]] = defaultdict(list)
    starts: dict[int, list[float]] = defaultdict(list)
    for mark, generations in truth.made.items():
        if (ask := crowd.asks.get(mark)) is None:
            continue
        done = any(told.films for _, told in truth.of_mark(mark)) and len(generations) == 1
        for each in generations:
            starts[ask.seat.guild_id].append(each.accepted_at)
            if done and each.finished_at is not None:
                span = (each.accepted_at, each.finished_at)
                held["provider", each.provider].append(span)
                held["guild", ask.seat.guild_id].append(span)
                held["member", ask.seat.member.user.username].append(span)
    most = {"guild": LIMITS["active_per_guild"], "member": LIMITS["active_per_member"]}
    for (kind, name), spans in held.items():
        allowed = CONCURRENCY[str(name)] if kind == "provider" else most[kind]
        if (reached := at_once(spans)) > allowed:
            yield f"{kind} {name} had {reached} at once, {allowed} are allowed"
    for guild, times in starts.items():
        if (worst := worst_window(sorted(times), stood_still + _ON_THE_WAY)) > 0:
            yield f"guild {guild} had {worst:.1f} starts too many in a window"


def at_once(spans: Iterable[Span]) -> int:
    reached = now = 0
    for _, change in sorted((moment, change) for begin, end in spans for moment, change in ((begin, 1), (end, -1))):
        now += change
        reached = max(reached, now)
    return reached


def worst_window(times: Sequence[float], slack: float) -> float:
    """By how many starts the fullest window exceeds burst + rate * (window + slack)."""
    a_second = LIMITS["jobs_per_hour"] / 3600
    return max(
        last - first + 1 - LIMITS["burst"] - a_second * (times[last] - times[first] + slack)
        for first in range(len(times))
        for last in range(first, len(times))
    )
