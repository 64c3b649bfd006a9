"""Thirty kills of the shipped command, and nobody has lost, paid twice or been told wrong; `make chaos` plays more."""

import pytest

from tests.proof.chaos import misfortunes, points
from tests.proof.chaos.house import LIMITS
from tests.proof.chaos.limits import at_once, worst_window
from tests.proof.chaos.plan import lives
from tests.proof.chaos.run import chaos

SEED = 20261121


@pytest.mark.timeout(280)
def test_thirty_kills_cost_nobody_anything() -> None:
    figures, block = chaos(SEED, 30, on_a_stage=10)
    print(block)
    assert figures.violations == [], block
    assert figures.kills >= 30
    assert len(figures.points) >= 5
    assert figures.films >= 10
    assert figures.recovered >= 5


def test_a_seed_plans_the_same_lives_again() -> None:
    assert lives(SEED, 1, 15, 6) == lives(SEED, 1, 15, 6)
    assert lives(SEED, 1, 15, 6) != lives(SEED, 2, 15, 6)


def test_every_named_point_and_every_misfortune_is_played_in_three_hundred_kills() -> None:
    played = [life for stage in range(20) for life in lives(SEED, stage, 15, 6)]
    assert {life.point for life in played} - {None} == set(points.named())
    rows = {row for life in played for row in life.rows}
    assert rows == {*misfortunes.PROVIDERS, *misfortunes.DISCORD, *misfortunes.GATEWAY}
    assert any(life.jump for life in played)
    assert any(life.disk_full for life in played)
    assert any(life.stands_still for life in played)


def test_more_at_once_and_more_in_a_window_than_allowed_is_noticed() -> None:
    assert at_once([(0, 2), (1, 3), (2, 4), (2.5, 2.6)]) == 3
    allowed = [number / (LIMITS["jobs_per_hour"] / 3600) for number in range(50)]
    assert worst_window([0.0] * LIMITS["burst"] + allowed[1:], slack=0) <= 0
    assert worst_window([0.0] * (LIMITS["burst"] + 1) + allowed[1:], slack=0) == 1


def test_the_points_are_those_of_the_code() -> None:
    named = points.named()
    assert {"before:received", "after:done", "before:told", "after:noted"} <= set(named)
    assert len(set(named)) == len(named)
