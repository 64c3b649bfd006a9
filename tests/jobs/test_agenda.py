"""What all requests at one provider may ask together."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.jobs.agenda import Agenda


def asked(agenda: Agenda[str], until: float, now: float = 0.0, *, takes: float = 0.0) -> list[tuple[float, str]]:
    """Everybody who is asked before `until`; an answer `takes` so many seconds."""
    taken: list[tuple[float, str]] = []
    under_way: list[float] = []
    while True:
        wait = agenda.wait(now)
        ends = min(under_way, default=None)
        if wait is None and ends is None:
            return taken
        if ends is not None and (wait is None or ends <= now + wait):
            now = max(now, ends)
            under_way.remove(ends)
            agenda.done()
            continue
        now += wait
        if now >= until:
            return taken
        name = agenda.take(now)
        if name is None:  # a rounding away
            continue
        taken.append((now, name))
        under_way.append(now + takes)


def test_who_is_due_first_is_asked_first():
    agenda: Agenda[str] = Agenda()
    for name, due in (("late", 3.0), ("soon", 1.0), ("next", 2.0)):
        agenda.put(name, due)
    assert asked(agenda, 10) == [(1.0, "soon"), (2.0, "next"), (3.0, "late")]
    assert agenda.take(10.0) is None


def test_when_there_are_too_many_those_that_are_being_made_go_first_for_a_hundred_seconds():
    agenda: Agenda[str] = Agenda(per_second=1)
    for number in range(100):
        agenda.put(f"far {number}", 0.0)
    for number in range(300):
        agenda.put(f"near {number}", 20.0 + number, near=True)
    found = asked(agenda, 1e9)
    kinds = [name.split()[0] for _, name in found]
    assert (kinds[:20], set(kinds[20:101])) == (["far"] * 20, {"near"})
    assert sum(kind == "far" for kind in kinds[101:202]) == 80


@given(
    dues=st.lists(st.floats(0, 20), min_size=1, max_size=300),
    rate=st.floats(1, 50),
    at_once=st.integers(1, 50),
    takes=st.floats(0, 2),
)
def test_nobody_asks_more_than_the_budget_and_everybody_has_a_turn(dues, rate, at_once, takes):
    agenda: Agenda[int] = Agenda(per_second=rate, at_once=at_once)
    for number, due in enumerate(dues):
        agenda.put(number, due, near=number % 3 == 0)
    found = asked(agenda, 1e9, takes=takes)
    assert sorted(number for _, number in found) == list(range(len(dues)))
    times = [at for at, _ in found]
    assert all(later - first >= 1 / rate - 1e-6 for first, later in pairwise(times))
    assert all(times[index + at_once] - at >= takes - 1e-6 for index, at in enumerate(times[:-at_once]))
    assert all(at >= dues[number] for at, number in found)
    # Who is due waits for no more than one question for each of the others.
    slowest = max(1 / rate, takes / at_once)
    assert all(at <= dues[number] + (len(dues) + 1) * slowest + takes + 1e-6 for at, number in found)


def test_those_of_a_new_process_are_not_held_back_by_the_budget():
    agenda: Agenda[str] = Agenda(per_second=1, at_once=10)
    for number in range(1000):
        agenda.put_first(str(number))
    agenda.put("later", 0.0)
    found = asked(agenda, 1e9, takes=0.02)
    assert found[-2][0] < 2.1
    assert found[-1][1] == "later"


def test_but_by_a_provider_that_says_too_many():
    agenda: Agenda[str] = Agenda(per_second=50, at_once=10)
    for number in range(200):
        agenda.put_first(str(number))
    agenda.take(0.0)
    agenda.slow_down(0.0, 7.0)
    agenda.done()
    times = [at for at, _ in asked(agenda, 1e9)]
    assert times[0] == pytest.approx(7.0)
    assert all(later - first >= 1 / 25 - 1e-6 for first, later in pairwise(times))


def test_what_was_under_way_together_slows_it_down_once_and_answers_bring_it_back():
    agenda: Agenda[str] = Agenda(per_second=40)
    for _ in range(10):
        agenda.slow_down(0.0, 5.0)
    for number in range(400):
        agenda.put(str(number), 0.0)
    first = agenda.take(5.0)
    assert first is not None
    assert agenda.wait(5.0) == pytest.approx(1 / 20)
    for _ in range(40):
        agenda.answered()
    assert agenda.take(6.0) is not None
    assert agenda.wait(6.0) == pytest.approx(1 / 40)


def test_while_a_key_is_refused_one_question_shows_whether_it_is_taken_again():
    agenda: Agenda[str] = Agenda()
    for number in range(5):
        agenda.put(str(number), 0.0)
    agenda.refused = True
    agenda.close(0.0, 60.0)
    assert agenda.wait(0.0) == 60
    assert agenda.take(60.0) is not None
    assert agenda.wait(61.0) is None
    agenda.done()
    assert agenda.wait(61.0) == 0
