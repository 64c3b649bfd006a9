"""When one request is asked after: seldom, and soon after it is ready."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import BadResponse, Evidence, Rejected, Unauthorized, Unavailable
from bot.domain.job import InProgress, InQueue, RemoteStatus, Unknown
from bot.jobs.estimate import Pace
from bot.jobs.planner import LONGEST, LONGEST_IN_QUEUE, SHORTEST, Gone, Plan, Stuck
from tests.support.world import STUCK_SECONDS

PACE = Pace(90)
OUTAGE = Unavailable("pipelet", "bad gateway", evidence=Evidence.REFUSED, status=502)
NOT_FOUND = Rejected("pipelet", "not found", status=404)
WRONG = BadResponse("pipelet", "bad request", status=400)


class Mistake(Exception):
    """A bug of ours."""


def plan(*answers: tuple[float, object], pace: Pace = PACE) -> Plan:
    made = Plan(0, 0)
    for at, answer in answers:
        made.saw(answer, at, pace)
    return made


class TestPauses:
    def test_what_waits_in_a_queue_is_asked_after_before_it_can_be_ready(self):
        assert plan((2, InQueue(3))).pause(2, PACE) == pytest.approx(54)

    def test_and_halfway_to_its_turn_where_the_queue_moves_slowly(self):
        waits = plan((0, InQueue(30)), (300, InQueue(20)))
        assert waits.estimate.wait(300) == pytest.approx(600)
        assert waits.pause(300, PACE) == LONGEST_IN_QUEUE

    def test_tasks_tell_the_end_better_than_the_usual_time(self):
        slow = plan((10, InProgress(0, 12)), (55, InProgress(3, 12)), (100, InProgress(6, 12)), pace=Pace(90))
        assert slow.estimate.end == pytest.approx(100 + 5.5 * 15, abs=5)
        assert slow.estimate.spread < 12

    def test_a_count_that_stands_still_is_about_to_change(self):
        told = plan((10, InProgress(1, 4)), (40, InProgress(2, 4)))
        ends = told.estimate.end
        told.saw(InProgress(2, 4), 60, PACE)
        assert ends <= told.estimate.end < ends + 20

    def test_one_that_tells_nothing_ends_when_such_requests_usually_do(self):
        silent = plan((10, InQueue(0)), (20, InProgress()))
        assert silent.estimate.end == pytest.approx(15 + 90)

    def test_the_surer_the_end_the_fewer_questions_before_it(self):
        sure, unsure = (plan((9, InQueue(0)), (10, InProgress()), pace=Pace(90, spread)) for spread in (0.02, 0.3))
        assert sure.pause(10, PACE) > 80
        assert unsure.pause(10, PACE) < 64

    def test_around_the_end_the_questions_are_dense_and_before_it_they_are_not(self):
        silent = plan((0, InProgress()), (5, InProgress()))
        assert silent.pause(5, PACE) > 40
        assert silent.pause(100, PACE) < 4

    def test_what_is_late_is_asked_after_less_and_less(self):
        silent = plan((0, InProgress()), (5, InProgress()))
        assert [silent.pause(200 + late, PACE) for late in (0, 300, 3000)] == [
            pytest.approx(0.1 * (late + 200 - 90 - 2 * silent.estimate.spread), rel=0.15) if late < 900 else LONGEST
            for late in (0, 300, 3000)
        ]

    @pytest.mark.parametrize("done", [(0,), (12,), (22,), (23,), (24,), (22, 23), (0, 23, 12, 21)])
    def test_so_is_one_whose_count_stands_still_or_goes_back_and_forth(self, done: tuple[int, ...]):
        stands, now = plan((2, InQueue(0)), (5, InProgress(0, 24))), 10.0
        while now < STUCK_SECONDS:
            stands.saw(InProgress(done[stands.questions % len(done)], 24), now, PACE)
            now += stands.pause(now, PACE)
        assert stands.questions < 200

    def test_one_of_which_nobody_knows_how_long_it_takes_is_asked_after_all_the_same(self):
        unknown = plan((2, InQueue(0)), (20, InProgress()), pace=Pace(0))
        assert SHORTEST <= unknown.pause(20, Pace(0)) <= LONGEST


def moments(spread: float, count: int, silent: int = 2) -> list[float]:
    """When one is asked after that ends in a hundred seconds or so, counted from that end."""
    asked, now, found = Plan(0, 0), 0.0, []
    asked.estimate.end, asked.estimate.spread, asked.estimate.silent = 100, spread, silent
    while len(found) < count:
        now += asked.pause(now, PACE)
        found.append(now - 100)
    return found


class TestAroundTheEnd:
    @pytest.mark.parametrize(
        ("spread", "expected"),
        [
            (2, [-10, -2.9, -1.5, -0.5, 0.3, 1.1]),
            (5, [-10, -6.5, -4.2, -2.5, -1, 0.5, 1.8, 3]),
            (30, [-57, -40.5, -28.5, -19.5, -12, -4.5, 1.5, 7.5]),
        ],
    )
    def test_the_better_it_is_known_the_later_and_the_closer_are_the_questions(self, spread, expected):
        assert moments(spread, len(expected)) == pytest.approx(expected, abs=0.06 * spread)

    @pytest.mark.parametrize(("silent", "first"), [(0, -30), (1, -30), (2, -10)])
    def test_who_still_says_how_far_it_is_is_asked_earlier_to_know_it_better(self, silent, first):
        assert moments(5, 1, silent) == [pytest.approx(first)]

    def test_but_never_later_than_the_end_may_come(self):
        assert moments(12, 3, silent=0) == pytest.approx([-30, -20.4, -14.4], abs=0.7)

    def test_where_only_a_document_says_how_long_it_takes_the_pauses_grow_with_its_age(self):
        unseen = Pace(90, seen=False)
        assert [Plan(100, 100).pause(100 + age, unseen) for age in (0, 1, 3, 100)] == [2, 8, 24, 54]


class TestTrouble:
    def test_failures_make_the_pauses_longer_and_an_answer_makes_them_as_before(self):
        troubled = Plan(0, 0)
        pauses = []
        for _ in range(5):
            troubled.failed(100, OUTAGE)
            pauses.append(troubled.pause(100, PACE))
        assert pauses == [2, 4, 8, 15, 15]
        troubled.saw(InQueue(3), 100, PACE)
        assert troubled.pause(100, PACE) == pytest.approx(54)

    def test_an_outage_of_many_hours_is_waited_through(self):
        troubled = Plan(0, 0)
        for _ in range(5_000):
            troubled.failed(1, OUTAGE)
        assert troubled.pause(1, PACE) == 15
        assert troubled.hopeless(1) is None

    def test_it_is_gone_when_it_is_not_found_three_times_in_a_row(self):
        gone = Plan(0, 0)
        for at, error in ((0, NOT_FOUND), (20, NOT_FOUND), (40, OUTAGE), (60, NOT_FOUND), (80, NOT_FOUND)):
            gone.failed(at, error)
            assert gone.hopeless(at) is None
            assert gone.pause(at, PACE) == (20 if error is NOT_FOUND else 8)
        gone.failed(100, NOT_FOUND)
        assert gone.hopeless(100) == Gone()

    def test_what_the_provider_calls_wrong_is_repeated_for_ten_minutes(self):
        wrong = Plan(0, 0)
        for at in range(1000, 1600, 15):
            wrong.failed(at, WRONG)
            assert wrong.hopeless(at) is None
        wrong.failed(1600, WRONG)
        assert wrong.hopeless(1600) == Stuck(600)
        wrong.failed(1615, OUTAGE)
        assert wrong.hopeless(1615) is None

    def test_an_answer_that_nobody_understands_is_no_reason_to_give_up(self):
        odd = Plan(0, 0)
        for at in (0, 300, 700):
            odd.failed(at, BadResponse("pipelet", "not JSON", status=200))
        assert odd.hopeless(700) is None

    def test_a_mistake_of_ours_is_repeated_ten_times(self):
        mistaken = Plan(0, 0)
        for _ in range(9):
            mistaken.failed(1, Mistake())
        assert (mistaken.hopeless(1), mistaken.pause(1, PACE)) == (None, 30)
        mistaken.failed(1, Mistake())
        assert mistaken.hopeless(1) == Gone()

    def test_only_news_count_as_movement(self):
        told = plan((10, InProgress(1, 4)), (20, InProgress(1, 4)))
        assert told.moved_at == 10
        told.failed(25, OUTAGE)
        told.saw(InProgress(2, 4), 30, PACE)
        assert told.moved_at == 30

    @pytest.mark.parametrize(
        ("before", "after"),
        [(InQueue(4), InQueue(3)), (InQueue(0), InProgress()), (InProgress(), InProgress(1, 4))],
    )
    def test_and_only_what_is_further_than_ever(self, before: RemoteStatus, after: RemoteStatus):
        told = plan((10, before), (20, after), (30, before), (40, Unknown("NEW")), (50, after))
        assert told.moved_at == 20

    def test_however_it_is_counted(self):
        assert plan((10, InProgress(2, 4)), (20, InProgress(3, 24))).moved_at == 10

    def test_a_word_that_nobody_knows_is_no_news(self):
        assert plan((10, Unknown("NEW"))).moved_at == plan().moved_at


class TestHowLongItTook:
    def test_is_counted_from_between_the_last_answer_in_the_queue_and_the_first_under_way(self):
        made = plan((10, InQueue(0)), (20, InProgress(1, 9)), (98, InProgress(8, 9)))
        assert made.ran(100) == pytest.approx(99 - 15)

    @pytest.mark.parametrize("answers", [[], [(2, InQueue(0))], [(20, InProgress(1, 9))]])
    def test_is_not_known_of_one_that_nobody_saw_start_or_end(self, answers):
        assert plan(*answers).ran(100) is None


statuses = st.one_of(
    st.builds(InQueue, st.integers(0, 9)),
    st.just(InProgress()),
    st.builds(InProgress, st.integers(0, 30), st.integers(0, 30)),
    st.just(Unknown("WARMING")),
)
troubles = st.sampled_from([OUTAGE, NOT_FOUND, WRONG, Unauthorized("pipelet", "no", status=401), Mistake()])


@given(
    pace=st.builds(Pace, st.floats(0, 3600), st.floats(0.01, 1)),
    answers=st.lists(st.tuples(st.floats(0, 400), st.one_of(statuses, troubles)), min_size=1, max_size=40),
)
def test_whatever_is_answered_the_next_question_comes_within_bounds(pace, answers):
    asked, now = Plan(100, 100), 100.0
    for passed, answer in answers:
        now += passed
        if isinstance(answer, Exception):
            asked.failed(now, answer)
        else:
            asked.saw(answer, now, pace)
        pause = asked.pause(now, pace)
        assert math.isfinite(pause)
        assert SHORTEST <= pause <= LONGEST_IN_QUEUE
