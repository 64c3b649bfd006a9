"""When a job at its provider is asked after: seldom, and soon after it is ready."""

import random
from dataclasses import dataclass
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import Evidence, Unavailable
from bot.domain.job import Completed, InProgress, InQueue, RemoteStatus, Unknown
from bot.jobs.planner import Plan

TROUBLE = Unavailable("pipelet", "bad gateway", evidence=Evidence.REFUSED, status=502)
Timeline = list[tuple[float, RemoteStatus]]


@dataclass
class Trace:
    asked: list[float]
    ready: float

    @property
    def delay(self) -> float:
        return self.asked[-1] - self.ready


def follow(timeline: Timeline, usual: float) -> Trace:
    plan, now, asked = Plan(0), 0.0, []
    while True:
        now += plan.pause(now)
        asked.append(now)
        status = [status for at, status in timeline if now >= at][-1]
        plan.saw(status, now, usual)
        if isinstance(status, Completed):
            return Trace(asked, timeline[-1][0])


def render(queued: float, ready: float, steps: int, dice: random.Random, unevenness: float) -> Timeline:
    """A place in the queue, then tasks that are announced, none exactly as long as another."""
    lengths = [1 + dice.uniform(-unevenness, unevenness) for _ in range(steps)]
    at, timeline = queued, [(0.0, InQueue(1))]
    for done, length in enumerate(lengths):
        timeline.append((at, InProgress(done, steps)))
        at += (ready - queued) * length / sum(lengths)
    return [*timeline, (ready, Completed())]


def traces(unevenness: float, steps: tuple[int, ...], count: int = 400) -> list[Trace]:
    """Jobs of about 90 s as a provider serves them: a short wait, a render that varies."""
    dice = random.Random(90)
    return [
        follow(render(dice.uniform(0, 15), max(60, dice.gauss(90, 8)), dice.choice(steps), dice, unevenness), usual=90)
        for _ in range(count)
    ]


@pytest.mark.parametrize("unevenness", [0, 0.2])
def test_ninety_seconds_take_at_most_twelve_questions_and_two_seconds(unevenness: float):
    found = traces(unevenness, steps=(16, 24, 40))
    assert max(len(trace.asked) for trace in found) <= 12
    assert max(trace.delay for trace in found) < 2.5
    assert mean(trace.delay for trace in found) < 1


def test_a_provider_that_counts_in_few_steps_costs_little_more():
    found = traces(0.1, steps=(4, 6, 8))
    assert mean(len(trace.asked) for trace in found) <= 12
    assert mean(trace.delay for trace in found) < 2


def test_one_that_counts_nothing_is_met_at_the_usual_time():
    dice = random.Random(4)
    found = [follow([(0, InQueue(0)), (5, InProgress()), (90 + dice.gauss(0, 2), Completed())], 90) for _ in range(200)]
    assert mean(len(trace.asked) for trace in found) <= 12
    assert mean(trace.delay for trace in found) < 2


statuses = st.one_of(
    st.builds(InQueue, st.integers(0, 9)),
    st.just(InProgress()),
    st.builds(InProgress, st.integers(0, 30), st.integers(0, 30)),
    st.just(Unknown("WARMING")),
)


@given(
    usual=st.floats(0, 3600),
    answers=st.lists(st.one_of(statuses, st.none()), min_size=1, max_size=80),
    lateness=st.floats(0, 5),
)
def test_whatever_is_answered_nobody_is_asked_more_than_once_in_two_seconds_on_average(usual, answers, lateness):
    plan, now = Plan(100), 100.0
    for number, answer in enumerate(answers, start=1):
        pause = plan.pause(now)
        assert 0 < pause <= 30
        now += pause + lateness
        assert now - 100 >= 2 * number - 1e-6
        if answer is None:
            plan.failed(now, TROUBLE)
        else:
            plan.saw(answer, now, usual)


def test_trouble_makes_the_pauses_longer_and_an_answer_makes_them_as_before():
    plan = Plan(0)
    pauses = []
    for _ in range(5):
        plan.failed(100, TROUBLE)
        pauses.append(plan.pause(100))
    assert pauses == [2, 4, 8, 15, 15]
    plan.saw(InQueue(3), 100, 90)
    assert plan.pause(100) == 10


def test_only_news_count_as_movement():
    plan = Plan(0)
    plan.saw(InProgress(1, 4), 10, 90)
    plan.saw(InProgress(1, 4), 20, 90)
    assert plan.moved_at == 10
    plan.failed(25, TROUBLE)
    plan.saw(InProgress(2, 4), 30, 90)
    assert plan.moved_at == 30


def test_what_is_late_is_asked_after_less_and_less():
    plan = Plan(0)
    plan.saw(InProgress(), 10, 60)
    assert [round(plan.pause(60 + late), 1) for late in (1, 30, 300)] == [1.7, 3.0, 10.0]


def test_an_outage_of_many_hours_is_waited_through() -> None:
    plan = Plan(0.0)
    for _ in range(5_000):
        plan.failed(1.0, TROUBLE)
    assert plan.pause(1.0) == 15.0
