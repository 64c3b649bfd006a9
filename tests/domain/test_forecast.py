"""When waiting jobs will start, by the schedule itself."""

import math

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.budget import DAY, Budget, parts
from bot.domain.forecast import Crowd, Run, Standing, Turn, start_times
from tests.support.rows import limits

NOW = 1_800_000_000.0
ALONE = Crowd(places=1000, taken=0, seconds=60, waiting={})


def starts(turns: list[Turn], *, crowd: Crowd = ALONE, running=(), past=(), **bounds: float) -> list[float]:
    standing = Standing(1, limits(**bounds), past, running, {"chutes": crowd})
    return [start - NOW for start in start_times(turns, standing, NOW)]


def turn(member: int = 1, seconds: float = 60, **changes: float) -> Turn:
    return Turn(member, "chutes", seconds, **changes)


def test_what_nothing_keeps_starts_now():
    assert starts([turn(), turn(2)]) == [0, 0]


def test_the_rate_of_the_guild_spaces_them():
    assert starts([turn()] * 4, burst=2, jobs_per_hour=60) == [0, 0, 60, 120]
    assert starts([turn()] * 2, burst=1, jobs_per_hour=60, past=(NOW - 20,)) == [40, 100]


def test_the_caps_of_guild_and_member_let_them_in_as_others_end():
    running = [Run(1, NOW - 40, 60), Run(2, NOW - 20, 60)]
    assert starts([turn(3)] * 3, running=running, active_per_guild=2) == [20, 40, 80]
    assert starts([turn(1), turn(1), turn(2)], running=running, active_per_member=1) == [20, 80, 40]


def test_who_is_at_a_cap_keeps_nobody_else_waiting():
    running = [Run(1, NOW - 10, 600)]
    assert starts([turn(1), turn(2), turn(1), turn(3)], running=running, active_per_member=1) == [590, 0, 650, 0]


def test_a_job_that_takes_longer_than_usual_is_expected_soon():
    assert starts([turn()], running=[Run(1, NOW - 900, 60)], active_per_guild=1) == [12]


def test_other_guilds_take_their_turns_at_the_provider():
    crowd = Crowd(places=2, taken=2, seconds=60, waiting={1: 3, 2: 1, 3: 9})
    # Two others have one job waiting, one has two, one has three.
    assert starts([turn()] * 3, crowd=crowd) == [90, 150, 210]


def test_they_take_as_many_as_their_weights_say():
    crowd = Crowd(places=1, taken=1, seconds=60, waiting={1: 3, 2: 9, 3: 9, 4: 1}, weights={2: 4, 4: 0.5})
    # Before each start four of one and one of another; half a one before the first, of who has but one to start.
    assert starts([turn()] * 3, crowd=crowd) == [390, 780, 960]
    crowd = Crowd(places=1, taken=1, seconds=60, waiting={1: 4, 2: 9}, weights={1: 4})
    assert starts([turn()] * 4, crowd=crowd) == [75, 150, 225, 300]


def test_what_was_put_off_and_what_nobody_can_date():
    turns = [turn(earliest=NOW + 50), turn(earliest=math.inf), Turn(1, "gone", 60), turn()]
    assert starts(turns) == [50, math.inf, math.inf, 0]


some_turns = st.lists(
    st.builds(Turn, st.integers(1, 4), st.just("chutes"), st.floats(1, 600), st.floats(NOW - 10, NOW + 900)),
    max_size=30,
)


@given(
    turns=some_turns,
    per_guild=st.integers(1, 4),
    per_member=st.integers(1, 3),
    burst=st.integers(1, 5),
    waiting=st.dictionaries(st.integers(2, 9), st.integers(1, 20)),
)
def test_no_forecast_breaks_a_limit(turns, per_guild, per_member, burst, waiting):
    crowd = Crowd(places=3, taken=3, seconds=60, waiting=waiting)
    bounds = {"active_per_guild": per_guild, "active_per_member": per_member, "burst": burst, "jobs_per_hour": 120}
    times = starts(turns, crowd=crowd, **bounds)
    spans = [(begun, begun + each.seconds, each.member_id) for begun, each in zip(times, turns, strict=True)]
    for begun, _, member in spans:
        there = [who for start, end, who in spans if start <= begun < end - 1e-6]
        assert len(there) <= per_guild
        assert there.count(member) <= per_member
    ordered = sorted(times)
    for first in range(len(ordered)):
        for last in range(first, len(ordered)):
            assert last - first + 1 <= burst + (ordered[last] - ordered[first]) / 30 + 1e-3
    assert all(begun >= max(0, each.earliest - NOW) - 1e-6 for begun, each in zip(times, turns, strict=True))


def test_a_budget_knows_when_enough_has_left_its_window():
    budget = Budget(parts(0.1), [(parts(0.2), 10.0), (parts(0.4), 20.0), (parts(0.3), math.inf)], {"m": parts(0.5)})
    assert [budget.fits_at("free"), budget.fits_at("m"), budget.fits_at("m", "m")] == [0, 20 + DAY, math.inf]
    assert Budget(-5, [], {}).fits_at("free") == 0
    assert Budget().fits_at("m") == 0
