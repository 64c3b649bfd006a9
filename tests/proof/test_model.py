"""Ring A: the protocol as a model has no bad state that can be reached, and each of its controls is why."""

import pytest

from bot.domain.job import JobState
from tests.proof.model import world as at
from tests.proof.model.__main__ import without
from tests.proof.model.controls import CONTROLS, FULL, KINDS, Control, starts
from tests.proof.model.explore import Found, explore

# Moves of the code that no step of the model makes.
ELSEWHERE = {
    (at.RECEIVED, at.CANCELLED): "the guild was left, and nobody is there to tell",
    (at.UNDELIVERABLE, at.DONE): "a member asks for a film that was kept",
    (at.RESULT, at.UNDELIVERABLE): "a mistake of our own, ten times over",
    (at.SUBMITTING, at.CANCELLED): "a call that is held open is never called back",
    (at.RESULT, at.LOST_RESULT): "bytes with a name do not vanish",
    (at.POSTING, at.LOST_RESULT): "bytes with a name do not vanish",
    (at.SUBMITTED, at.QUEUED): "an operator who lets a job be paid for more than once",
    (at.QUEUED, at.REFUSED): "a provider that is no longer configured",
    **{(at.HELD, state.value): "a moderator's decision" for state in JobState},
}


@pytest.fixture(scope="module")
def found() -> dict[str, list[Found]]:
    return {kind: [explore(starts(kind, bounds)) for bounds in FULL] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_no_state_breaks_an_invariant_or_has_no_way_to_an_end(found: dict[str, list[Found]], kind: str):
    for one in found[kind]:
        print(f"{kind}: {one.worlds} states")
        assert not one.violations, one.traces


def test_the_search_is_as_wide_as_is_said(found: dict[str, list[Found]]):
    worlds = [one.worlds for searches in found.values() for one in searches]
    assert sum(worlds) > 300_000
    assert min(worlds) > 10_000


def test_the_model_makes_every_move_that_the_code_allows(found: dict[str, list[Found]]):
    made = set().union(*(one.moves for searches in found.values() for one in searches))
    assert at.LEGAL - made == ELSEWHERE.keys() & at.LEGAL


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_without_a_control_something_breaks(control: Control):
    for found in without(control).values():
        assert found.violations[control.breaks]
        assert found.traces[control.breaks]
