"""How fast a guild may start jobs, and whose turn it is."""

from collections import Counter, defaultdict
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.limits import HOUR, GuildLimits, Moment, RateLimit, turns
from tests.support.rows import LIMITS

rates = st.builds(RateLimit, jobs_per_hour=st.floats(0.5, 2000), burst=st.integers(1, 40))
gaps = st.lists(st.floats(0, 3 * HOUR) | st.floats(0, 30) | st.just(0.0), max_size=60)

# A history within the day: what was before it is not taken at its worst.
brisk = st.builds(RateLimit, jobs_per_hour=st.floats(20, 2000), burst=st.integers(1, 10))
short = st.lists(st.floats(0, 600) | st.just(0.0), max_size=40)


def remembered(rate: RateLimit, starts: list[float], now: float) -> list[float]:
    """What the database hands out: rows of the last `memory` seconds, and nothing else survives a restart."""
    return sorted(start for start in starts if start > now - rate.memory)


class Bucket:
    """A token bucket as everybody draws it."""

    def __init__(self, rate: RateLimit, at: float) -> None:
        self._rate, self._tokens, self._at = rate, float(rate.burst), at

    def ready(self, now: float) -> float:
        self._refill(now)
        return now if self._tokens >= 1 else now + (1 - self._tokens) * self._rate.interval

    def take(self, now: float) -> None:
        self._refill(now)
        self._tokens -= 1

    def _refill(self, now: float) -> None:
        self._tokens = min(self._rate.burst, self._tokens + (now - self._at) / self._rate.interval)
        self._at = now


def most_beyond(rate: RateLimit, starts: list[float]) -> float:
    """By how much the worst window breaks the limit; a window is best chosen from one start to another."""
    worst = float("-inf")
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            allowed = rate.burst + rate.jobs_per_hour * (starts[last] - starts[first]) / HOUR
            worst = max(worst, last - first + 1 - allowed)
    return worst


@given(rate=rates, waits=gaps, origin=st.sampled_from([0.0, 1_800_000_000.0]))
def test_no_window_holds_more_starts_than_burst_and_rate_allow(rate: RateLimit, waits: list[float], origin: float):
    now, starts = origin, []
    for wait in waits:
        now = rate.next_start(remembered(rate, starts, now + wait), now + wait)
        starts.append(now)
    assert most_beyond(rate, starts) < 1e-3


def test_nor_do_three_days_of_starts_as_fast_as_they_may_come():
    rate, now, starts = RateLimit(jobs_per_hour=2, burst=3), 1_800_000_000.0, []
    while not starts or now < starts[0] + 72 * HOUR:
        now = rate.next_start(remembered(rate, starts, now), now)
        starts.append(now)
    assert most_beyond(rate, starts) < 1e-3


def test_who_was_idle_for_long_may_start_all_at_once_however_slow_the_rate():
    rate, now, starts = RateLimit(jobs_per_hour=0.5, burst=40), 1_800_000_000.0, []
    for _ in range(40):
        assert rate.next_start(starts, now) == now
        starts.append(now)
    assert rate.next_start(starts, now) == now + 2 * HOUR


def test_steady_time_passes_by_what_both_clocks_agree_on_each_time():
    moment = Moment(steady=0, wall=0, boot=0).at(wall=10, boot=10)
    assert moment.at(wall=20, boot=12) == Moment(steady=12, wall=20, boot=12)
    assert moment.at(wall=5, boot=20) == Moment(steady=10, wall=5, boot=20)
    assert moment.at(wall=20, boot=3) == Moment(steady=13, wall=20, boot=3)


@given(rate=rates, waits=gaps, jumps=st.lists(st.floats(-10 * HOUR, 0), min_size=60, max_size=60))
def test_nor_when_somebody_sets_the_clock_back(rate: RateLimit, waits: list[float], jumps: list[float]):
    now, starts = 1_800_000_000.0, []
    for wait, jump in zip(waits, jumps, strict=False):
        now += wait + (jump if wait > HOUR else 0)
        now = rate.next_start(remembered(rate, starts, now), now)
        starts.append(now)
    assert most_beyond(rate, sorted(starts)) < 1e-3


@given(rate=rates, waits=st.lists(st.floats(0, 600) | st.just(0.0), max_size=80))
def test_it_is_the_textbook_bucket_for_a_guild_that_was_idle_before(rate: RateLimit, waits: list[float]):
    now, starts = 1_800_000_000.0, []
    bucket = Bucket(rate, now)
    for wait in waits:
        wanted = now + wait
        if wanted - 1_800_000_000.0 > 24 * HOUR:
            break
        now = rate.next_start(remembered(rate, starts, wanted), wanted)
        assert now == pytest.approx(bucket.ready(wanted), abs=1e-3)
        bucket.take(now)
        starts.append(now)


@given(rate=brisk, waits=short)
def test_the_moment_that_was_promised_is_kept(rate: RateLimit, waits: list[float]):
    now, starts = 1_800_000_000.0, []
    for wait in waits:
        now += wait
        promised = rate.next_start(remembered(rate, starts, now), now)
        assert rate.next_start(remembered(rate, starts, promised), promised) - promised < 1e-3
        now = promised
        starts.append(now)


@given(rate=brisk, waits=short, idle=st.floats(0, 300))
def test_a_bucket_played_ahead_is_every_next_start_in_turn(rate: RateLimit, waits: list[float], idle: float):
    now, starts = 1_800_000_000.0, []
    for wait in waits:
        now = rate.next_start(starts, now + wait)
        starts.append(now)
    now += idle
    full_at, virtual = rate.full_at(starts, now), list(starts)
    for _ in range(8):
        now = max(now, rate.allows_at(full_at))
        full_at = rate.after(full_at, now)
        virtual.append(rate.next_start(virtual, max([now, *virtual[-1:]])))
        assert now == pytest.approx(virtual[-1], abs=1e-3)


def test_a_busy_guild_still_gets_its_rate_after_days():
    rate = RateLimit(jobs_per_hour=12, burst=5)
    now, starts = 1_800_000_000.0, []
    while now < 1_800_000_000.0 + 50 * HOUR:
        now = rate.next_start(remembered(rate, starts, now), now)
        starts.append(now)
    assert len(starts) > 50 * 12 - 5
    assert most_beyond(rate, starts[-200:]) < 1e-3


class TestTurns:
    waiting = st.lists(st.integers(0, 6), max_size=40).map(
        lambda members: [(f"j{number}", member) for number, member in enumerate(members)]
    )
    ring = st.permutations(range(7))

    @given(waiting=waiting, ring=ring)
    def test_every_job_has_exactly_one_turn_and_a_members_own_stay_in_order(self, waiting, ring):
        order = turns(waiting, ring)
        assert Counter(order) == Counter(job_id for job_id, _ in waiting)
        member_of = dict(waiting)
        for member in set(member_of.values()):
            own = [job_id for job_id in order if member_of[job_id] == member]
            assert own == [job_id for job_id, asking in waiting if asking == member]

    @given(waiting=waiting, ring=ring)
    def test_nobody_starts_twice_while_another_waits(self, waiting, ring):
        member_of, left = dict(waiting), Counter(member for _, member in waiting)
        since: dict[int, set[int]] = defaultdict(set)
        for job_id in turns(waiting, ring):
            member = member_of[job_id]
            others = {other for other, count in left.items() if count and other != member}
            if member in since:
                assert others <= since[member]
            for passed in since.values():
                passed.add(member)
            since[member] = set()
            left[member] -= 1

    @given(waiting=waiting, ring=ring, flood=st.integers(1, 30))
    def test_a_flood_of_who_comes_later_delays_nobodys_first_job(self, waiting, ring, flood):
        member_of = dict(waiting)
        flooded = [*waiting, *((f"f{number}", 99) for number in range(flood))]
        before, after = turns(waiting, ring), turns(flooded, [*ring, 99])
        for member in set(member_of.values()):
            first = next(job_id for job_id, asking in waiting if asking == member)
            assert after.index(first) == before.index(first)

    def test_the_ring_says_who_is_next(self):
        assert turns([("a", 1), ("b", 2), ("c", 3), ("d", 1)], (3, 2, 1)) == ["c", "b", "a", "d"]


@settings(max_examples=50)
@given(
    own=st.dictionaries(
        st.sampled_from([f.name for f in fields(GuildLimits)] + ["of_an_older_version"]), st.integers(1, 5000)
    )
)
def test_a_guilds_own_limits_never_exceed_the_operators(own: dict[str, float]):
    within = LIMITS.within(own)
    for f in fields(GuildLimits):
        assert getattr(within, f.name) == min(getattr(LIMITS, f.name), own.get(f.name, float("inf")))


def test_limits_have_a_rate():
    assert replace(LIMITS, jobs_per_hour=120, burst=3).rate == RateLimit(120, 3)
