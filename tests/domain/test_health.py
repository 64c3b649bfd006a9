"""When a provider or a model is asked, and when it is left alone for a while."""

import itertools
import math
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import Evidence
from bot.domain.health import (
    FIRST_PAUSE,
    LONGEST_FREE_PAUSE,
    LONGEST_HOLD,
    LONGEST_PAUSE,
    MOST_FAILURES,
    WHOLE,
    WINDOW,
    Breaker,
    Trial,
    Trouble,
    is_providers_doing,
    trouble_of,
)
from bot.domain.job import Cause

MODEL = "wan2.1-14b"
FAILURES = [(Evidence.NOT_SENT, None), (Evidence.AMBIGUOUS, 500), (Evidence.AMBIGUOUS, None),
            (Evidence.CHARGED_UNUSABLE, None)]  # fmt: skip
SILENT = [(Evidence.REFUSED, status) for status in (400, 413, 415, 422, 429, 503, 307)] + [(Evidence.WITHDRAWN, None)]


@dataclass
class Patient:
    """A model and its provider, asked one attempt after the other."""

    breaker: Breaker = field(default_factory=Breaker)
    whole: Breaker = field(default_factory=Breaker)
    last: int = 0
    open: list[int] = field(default_factory=list)

    def start(self) -> int:
        self.last += 1
        self.open.append(self.last)
        return self.last

    def settle(self, attempt: int, at: float, evidence: Evidence, status: int | None = None, **more: float) -> None:
        self.open.remove(attempt)
        trial = Trial(attempt, self.last, at, evidence, status, **more)
        self.breaker = self.breaker.after(trial, MODEL)
        self.whole = self.whole.after(trial, WHOLE)

    def meet(self, at: float, evidence: Evidence, status: int | None = None, **more: float) -> None:
        self.settle(self.start(), at, evidence, status, **more)

    def look_again(self, now: float) -> float | None:
        times = [breaker.shut_until(max(self.open, default=0), now) for breaker in (self.breaker, self.whole)]
        return max((time for time in times if time is not None), default=None)


@pytest.mark.parametrize(("evidence", "status"), FAILURES)
def test_five_failures_in_ten_minutes_shut_a_model_and_four_do_not(evidence: Evidence, status: int | None):
    it = Patient()
    for at in range(4):
        it.meet(at * 140, evidence, status)
        assert it.look_again(at * 140) is None
    it.meet(599, evidence, status)
    assert it.look_again(599) == 599 + FIRST_PAUSE
    assert it.whole == Breaker()


def test_failures_further_apart_than_that_shut_nothing():
    it = Patient()
    for at in range(50):
        it.meet(at * WINDOW / 4, Evidence.AMBIGUOUS)
        assert it.look_again(at * WINDOW / 4) is None


def test_results_between_do_not_make_five_failures_fewer():
    it = Patient()
    for at in range(5):
        it.meet(at, Evidence.MADE)
        it.meet(at, Evidence.AMBIGUOUS)
    assert it.look_again(5) is not None


@pytest.mark.parametrize(
    ("status", "whole", "cause"),
    [
        (401, True, Cause.UNAUTHORIZED),
        (402, True, Cause.NO_CREDIT),
        (403, True, Cause.UNAUTHORIZED),
        (404, False, Cause.MODEL_GONE),
    ],
)
def test_a_refusal_of_us_shuts_the_provider_and_a_missing_model_only_itself(status: int, whole: bool, cause: Cause):
    it = Patient()
    it.meet(0, Evidence.REFUSED, status)
    assert (it.whole.openings, it.breaker.openings) == ((1, 0) if whole else (0, 1))
    assert (it.whole if whole else it.breaker).cause is cause
    assert it.look_again(0) == FIRST_PAUSE


@pytest.mark.parametrize(("evidence", "status"), SILENT)
def test_what_says_nothing_about_health_shuts_nothing(evidence: Evidence, status: int | None):
    it = Patient()
    for at in range(50):
        it.meet(at, evidence, status)
    assert it.look_again(50) is None


def test_retry_after_holds_the_model_back_and_not_the_provider():
    it = Patient()
    it.meet(0, Evidence.REFUSED, 429, retry_at=30)
    it.meet(1, Evidence.REFUSED, 503, retry_at=20)
    assert it.look_again(2) == 30
    assert it.whole == Breaker()
    assert it.look_again(30) is None


def test_after_the_pause_exactly_one_is_let_through():
    it = Patient()
    early = it.start()
    it.meet(0, Evidence.REFUSED, 404)
    assert it.look_again(59) == 60
    assert it.look_again(60) is None
    probe = it.start()
    assert it.look_again(61) == math.inf
    # What began before the breaker opened tells nothing about now.
    it.settle(early, 62, Evidence.MADE)
    assert it.look_again(63) == math.inf
    it.settle(probe, 64, Evidence.MADE)
    assert it.look_again(64) is None
    assert it.breaker.cause is None


def test_so_it_is_while_one_from_before_has_not_settled():
    it = Patient()
    first, _ = it.start(), it.start()
    it.settle(first, 0, Evidence.REFUSED, 404)
    assert it.look_again(60) is None


@pytest.mark.parametrize(("evidence", "status"), SILENT)
def test_when_the_one_let_through_tells_nothing_the_next_one_is(evidence: Evidence, status: int | None):
    it = Patient()
    it.meet(0, Evidence.REFUSED, 401)
    it.meet(60, evidence, status)
    assert it.look_again(61) is None
    it.start()
    assert it.look_again(62) == math.inf


def test_who_takes_a_request_does_not_refuse_us_any_more():
    for status in (401, 402, 403, 404):
        it = Patient()
        it.meet(0, Evidence.REFUSED, status)
        attempt = it.start()
        assert it.look_again(61) == math.inf
        it.breaker, it.whole = it.breaker.accepted(attempt), it.whole.accepted(attempt)
        assert it.look_again(61) is None


def test_whether_it_keeps_failing_only_a_result_tells():
    it = Patient()
    for _ in range(5):
        it.meet(0, Evidence.AMBIGUOUS)
    assert it.breaker.cause is Cause.FAILING
    attempt = it.start()
    assert it.breaker.accepted(attempt) == it.breaker


def test_failures_before_a_trouble_that_is_over_are_forgotten():
    it = Patient()
    for _ in range(5):
        it.meet(0, Evidence.AMBIGUOUS)
    it.meet(60, Evidence.MADE)
    for _ in range(4):
        it.meet(61, Evidence.AMBIGUOUS)
        assert it.look_again(61) is None


def test_what_began_before_the_trouble_says_nothing_by_being_taken():
    it = Patient()
    early = it.start()
    it.meet(0, Evidence.REFUSED, 401)
    assert it.whole.accepted(early) == it.whole


def test_the_pause_doubles_up_to_five_minutes_and_begins_anew_after_a_result():
    it, now, pauses = Patient(), 0.0, []
    for _ in range(9):
        it.meet(now, Evidence.REFUSED, 402)
        pauses.append(it.whole.pause)
        now = it.whole.until
    assert pauses == [60, 120, 240, *[LONGEST_FREE_PAUSE] * 6]
    assert it.whole.since == 0
    it.meet(now, Evidence.MADE)
    it.meet(now + 1, Evidence.REFUSED, 402)
    assert (it.whole.pause, it.whole.since) == (FIRST_PAUSE, now + 1)


def test_and_up_to_half_an_hour_where_a_try_may_be_charged():
    it, now, pauses = Patient(), 0.0, []
    for _ in range(MOST_FAILURES - 1):
        it.meet(now, Evidence.AMBIGUOUS)
    for _ in range(7):
        it.meet(now, Evidence.AMBIGUOUS)
        pauses.append(it.breaker.pause)
        now = it.breaker.until
    assert pauses == [60, 120, 240, 480, 960, *[LONGEST_PAUSE] * 2]


def test_many_that_fail_together_open_it_once():
    it = Patient()
    together = [it.start() for _ in range(20)]
    for attempt in together:
        it.settle(attempt, 5, Evidence.REFUSED, 404)
    assert (it.breaker.openings, it.look_again(5)) == (1, 65)


def test_a_clock_that_was_set_back_shuts_nobody_out():
    it = Patient()
    it.meet(1_000_000, Evidence.REFUSED, 404)
    it.meet(1_000_000, Evidence.REFUSED, 429, retry_at=1_000_600)
    assert it.look_again(0) is None
    probe = it.start()
    assert it.look_again(0) == math.inf
    it.settle(probe, 1, Evidence.MADE)
    assert it.look_again(1) is None


def test_a_trouble_concerns_one_model_or_all_of_a_provider():
    one = Trouble("chutes", MODEL, Cause.MODEL_GONE, 100, 160)
    every = replace(one, model=WHOLE)
    assert one.concerns("chutes", MODEL)
    assert not one.concerns("chutes", "skyreels")
    assert every.concerns("chutes", "skyreels")
    assert not every.concerns("pipelet", MODEL)
    assert (one.ends_at(50, 1800), one.ends_at(150, 1800)) == (1900, 1950)


def test_of_several_troubles_the_oldest_is_named_and_the_last_to_end_counts():
    whole = Trouble("chutes", WHOLE, Cause.NO_CREDIT, since=200, again_at=900)
    model = Trouble("chutes", MODEL, Cause.MODEL_GONE, since=100, again_at=300)
    other = Trouble("chutes", "skyreels", Cause.FAILING, since=0, again_at=2000)
    for troubles in itertools.permutations([whole, model, other]):
        assert trouble_of(troubles, "chutes", MODEL) == replace(model, again_at=900)
        assert trouble_of(troubles, "chutes", "another") == whole
        assert trouble_of(troubles, "pipelet", MODEL) is None


@pytest.mark.parametrize(
    ("evidence", "cause", "says"),
    [
        (Evidence.NOT_SENT, Cause.UNREACHABLE, True),
        (Evidence.NOT_SENT, Cause.PICTURE_GONE, False),
        (Evidence.NOT_SENT, None, False),
        (Evidence.REFUSED, Cause.BUSY, True),
        (Evidence.MADE, None, True),
        (Evidence.AMBIGUOUS, Cause.NO_ANSWER, True),
        (Evidence.AMBIGUOUS, Cause.RESTARTED, False),
        (Evidence.CHARGED_UNUSABLE, Cause.STORAGE_FULL, False),
    ],
)
def test_only_what_a_provider_did_says_anything_of_it(evidence: Evidence, cause: Cause | None, says: bool):
    assert is_providers_doing(evidence, cause) is says


outcomes = st.sampled_from(
    [(Evidence.MADE, None), *FAILURES, *SILENT, *((Evidence.REFUSED, status) for status in (401, 402, 403, 404))]
)
acts = st.lists(
    st.tuples(st.floats(0, 400), st.sampled_from(["start", "settle"]), st.integers(0, 5), outcomes, st.floats(0, 600)),
    max_size=60,
)


@given(acts)
def test_whatever_happens_it_is_asked_again_and_never_by_two_at_once_while_in_doubt(acts):
    """A crowd that starts whenever it may: in doubt one is under way; nobody waits longer than the longest pause."""
    it, now = Patient(), 0.0
    for wait, what, which, (evidence, status), hold in acts:
        now += wait
        if what == "start" and it.look_again(now) is None:
            it.start()
        elif what == "settle" and it.open:
            attempt = it.open[which % len(it.open)]
            more = {"retry_at": now + hold} if status in (429, 503) else {}
            it.settle(attempt, now, evidence, status, **more)
        for breaker in (it.breaker, it.whole):
            if breaker.openings:
                assert sum(attempt > breaker.newest for attempt in it.open) <= 1
            assert len(breaker.failures) < MOST_FAILURES
            assert (breaker.cause is None) == (breaker.openings == 0)
        again = it.look_again(now)
        if again == math.inf:
            assert it.open
        elif again is not None:
            assert now < again <= now + max(LONGEST_PAUSE, LONGEST_HOLD)


@given(acts)
def test_a_result_of_an_attempt_that_began_in_doubt_ends_all_doubt(acts):
    it, now = Patient(), 0.0
    for wait, _, _, (evidence, status), _ in acts:
        now += wait
        it.meet(now, evidence, status)
    it.meet(now, Evidence.MADE)
    assert it.look_again(now) is None
