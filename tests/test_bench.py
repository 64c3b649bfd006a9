"""The benchmarks measure something, in miniature. Their goals are for `make bench`, not for a test."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import ack, claims, engines, inflight, polling, restart
from bench.figures import CannotMeasure, Figure, Goal, percentile
from bench.virtual import Course, follow_all

ROOT = Path(__file__).parents[1]


def values(figures: list[Figure]) -> dict[str, float | None]:
    return {figure.what: figure.value for figure in figures}


def test_a_percentile_is_a_measured_value():
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([1.0] * 99 + [9.0], 99) == 1.0
    assert percentile([1.0] * 98 + [9.0] * 2, 99) == 9.0
    with pytest.raises(CannotMeasure):
        percentile([], 50)


def test_a_goal_says_whether_it_is_met():
    assert [Figure("x", value, "ms", Goal(2)).verdict for value in (1.9, 2.0, float("inf"))] == ["met", *["missed"] * 2]
    assert Figure("x", 2.0, "x", Goal(2, includes=True)).verdict == "met"


def test_more_is_better_where_a_goal_has_to_be_passed():
    assert [Figure("x", value, "x", Goal(1, above=True)).verdict for value in (1.0, 1.1)] == ["missed", "met"]


def test_what_is_not_installed_says_so_and_has_no_verdict():
    absent = Figure("x", None, "not installed", Goal(1))
    assert (str(absent), absent.verdict) == ("not installed", "")


async def test_jobs_are_followed_in_no_time_from_their_submission_to_their_fetch():
    for followed in await follow_all([Course(queued=0, running=90), Course(queued=40, running=120)], seed=1):
        assert 3 < followed.questions < 40
        assert 0 <= followed.delay < 30


async def test_both_bots_are_asked_and_answer():
    measured = values(await ack.measure(ack.Plan(rate=10, seconds=1, guilds=2, members=2, pictures=1, pixels=200)))
    assert measured["acknowledged within 3 s, share"] == 1
    assert 0 < measured["bare discord.py, p50"] < 3000
    assert 0 < measured["Matinee, p50"] < 3000
    assert 0 < measured["busy worker: Matinee, p50"] < 3000
    assert measured["pictures prepared a second, busy worker"] > 0


async def test_questions_and_delays_become_figures():
    measured = values(await polling.measure(polling.Plan(jobs=3, real=0)))
    assert measured["90 s (3): questions a job, mean"] > 3
    assert measured["90 s and 180 s (3): questions a job, mean"] > 3
    assert measured["90 s and 180 s, asked every 5 s: questions a job, mean"] > 18
    assert measured["90 s and 180 s, by an oracle: questions a job, mean"] == 1


async def test_every_engine_that_is_installed_does_the_same_jobs():
    figures = await engines.measure(engines.Plan(jobs=20, rounds=1))
    assert values(figures)["Matinee, SQLite: 20 jobs at once"] > 1
    others = [figure for figure in figures if not figure.what.startswith("Matinee")]
    assert len(others) == 5
    assert all(figure.value is None or figure.value > 1 for figure in others)


async def test_every_claim_of_few_and_of_many_finds_a_job():
    plan = claims.Plan(few=claims.Crowd(10, 2), many=claims.Crowd(200, 20), claims=5)
    measured = values(await claims.measure(plan))
    assert measured["many / few, with the commit"] > 0
    assert measured["200 queued in 20 guilds: a claim with its commit, p50"] > 0


async def test_everything_in_flight_is_asked_after_when_a_process_starts():
    measured = values(await restart.measure(restart.Plan(jobs=60)))
    assert measured["not asked after"] == 0
    assert 0 < measured["60 jobs in flight: the last one asked after"] < 60


async def test_what_waits_is_asked_after_in_a_time_that_costs_none():
    figures = await inflight.measure(inflight.Plan(jobs=50, seconds=240))
    measured = values(figures)
    assert 0 < measured["questions in the busiest second"] <= 50
    assert 0 < measured["50 jobs in flight: questions a second, mean"] < 50
    (delay,) = (figure.value for figure in figures if "to fetched" in figure.what)
    assert 0 <= delay < 30


def test_an_unknown_name_is_refused():
    ended = subprocess.run([sys.executable, "-m", "bench", "nonsense"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "no such figure: nonsense" in ended.stderr
