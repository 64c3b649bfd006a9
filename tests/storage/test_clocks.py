"""Limits while clocks jump, machines restart and processes are killed (threat 27)."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.job import Job
from bot.domain.limits import HOUR, Moment
from tests.support.rows import limits
from tests.support.store import Shop, opened

BURST, AN_HOUR = 3, 12
jumps = st.sampled_from([-10 * HOUR, 10 * HOUR, -60.0, 60.0])
happens = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.0, 10.0, 299.0, 301.0, 4 * HOUR])),
    st.tuples(st.just("jump"), jumps),
    st.tuples(st.just("kill"), st.just(0.0)),
    st.tuples(st.just("kill"), jumps),
    st.tuples(st.just("reboot"), jumps),
)


class Life:
    """True time, which neither the wall clock nor the uptime tells, and the starts in it."""

    def __init__(self) -> None:
        self.true, self.skew, self.booted = 0.0, 0.0, -50_000.0
        self.starts: list[float] = []

    async def lead(self, path: Path, happening: Sequence[tuple[str, float]]) -> int:
        """One process, until it is killed. Returns how much of what happens happened."""
        async with opened(
            path, limits(burst=BURST, jobs_per_hour=AN_HOUR, active_per_guild=999, active_per_member=999)
        ) as shop:
            for number, (what, amount) in enumerate(happening):
                self.true += amount if what == "wait" else 0.0
                self.skew += 0.0 if what == "wait" else amount
                if what == "reboot":
                    self.booted = self.true
                if what in ("kill", "reboot"):
                    return number + 1
                await self._greedy(shop)
            return len(happening)

    async def _greedy(self, shop: Shop) -> None:
        base = 1_800_000_000.0
        clock = shop.clock
        clock.time, clock.skew, clock.booted = base + self.true, self.skew, base + self.booted
        if not self.starts:
            await shop.queued()
        while (await self._claimed(shop)) is not None:
            self.starts.append(self.true)
            await shop.queued()

    async def _claimed(self, shop: Shop) -> Job | None:
        shop.clock.time = 1_800_000_000.0 + self.true
        return await shop.claimed()


@settings(max_examples=20)
@given(happening=st.lists(happens, min_size=5, max_size=20))
async def test_no_window_of_true_time_holds_more_starts_than_the_limit(happening):
    life = Life()
    with tempfile.TemporaryDirectory() as folder:
        left = [("wait", 0.0), *happening]
        while left:
            left = left[await life.lead(Path(folder) / "matinee.db", left) :]
    for first in range(len(life.starts)):
        for last in range(first, len(life.starts)):
            hours = (life.starts[last] - life.starts[first]) / HOUR
            assert last - first + 1 <= BURST + AN_HOUR * hours + 1e-3


@pytest.mark.parametrize("jump", [-10 * HOUR, 10 * HOUR])
@pytest.mark.parametrize("kill", [False, True])
async def test_a_jump_costs_nobody_more_than_what_passed_unread(tmp_path: Path, jump: float, kill: bool):
    life = Life()
    await life.lead(tmp_path / "matinee.db", [("wait", 0.0), ("kill" if kill else "jump", jump)])
    await life.lead(tmp_path / "matinee.db", [("wait", 0.0), ("wait", 601.0)])
    assert life.starts == [0.0] * BURST + [601.0, 601.0]


@given(
    readings=st.lists(
        st.tuples(st.floats(0, 20 * HOUR), st.floats(-20 * HOUR, 20 * HOUR), st.booleans()), min_size=1, max_size=30
    )
)
def test_steady_time_never_goes_back_and_never_gets_ahead_of_the_uptime(readings):
    now = first = Moment(5.0, 1_800_000_000.0, 100.0)
    wall, boot, passed = now.wall, now.boot, 0.0
    for seconds, jump, rebooted in readings:
        wall, boot, passed = wall + seconds + jump, (0.0 if rebooted else boot) + seconds, passed + seconds
        later = now.at(wall, boot)
        assert now.steady <= later.steady <= first.steady + passed + 1e-3
        now = later


@given(seconds=st.lists(st.floats(0, 1000), max_size=30))
def test_with_true_clocks_steady_time_is_time(seconds):
    now = Moment(0.0, 1_800_000_000.0, 100.0)
    for each in seconds:
        now = now.at(now.wall + each, now.boot + each)
    assert now.steady == pytest.approx(sum(seconds), abs=1e-3)
    assert now.wall_at(now.steady + 5) == now.wall + 5
    assert now.steady_at(now.wall + 5) == pytest.approx(now.steady + 5, abs=1e-3)
