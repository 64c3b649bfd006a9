"""The life of a job: which moves there are, and where it ends."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import Evidence, IllegalTransition
from bot.domain.job import FAILURES, MOVES, JobState
from tests.support.rows import job

PAIRS = list(itertools.product(JobState, JobState))


@pytest.mark.parametrize(("here", "there"), [pair for pair in PAIRS if pair[1] in MOVES[pair[0]]])
def test_a_legal_move_counts_as_one_step(here: JobState, there: JobState):
    moved = job(state=here, epoch=4).to_state(there, detail="because")
    assert (moved.state, moved.epoch, moved.detail) == (there, 5, "because")


@pytest.mark.parametrize(("here", "there"), [pair for pair in PAIRS if pair[1] not in MOVES[pair[0]]])
def test_any_other_move_is_our_own_mistake(here: JobState, there: JobState):
    with pytest.raises(IllegalTransition):
        job(state=here).to_state(there)


def test_an_ended_job_stays_as_it_is_but_for_a_result_that_is_delivered_after_all():
    ends = {state for state in JobState if state.terminal}
    after_all = {(JobState.UNDELIVERABLE, JobState.DONE)}
    assert {(state, to) for state in ends for to in MOVES[state]} == after_all


def test_a_held_job_goes_on_from_where_it_was_or_is_dropped():
    going_on = {state for state in JobState if not state.terminal} - {JobState.HELD}
    assert MOVES[JobState.HELD] == going_on | {JobState.CANCELLED}
    assert {state for state in JobState if JobState.HELD in MOVES[state]} == going_on


def test_every_job_can_end():
    for state in JobState:
        reached, edge = {state}, {state}
        while edge:
            edge = {to for here in edge for to in MOVES[here]} - reached
            reached |= edge
        assert any(end.terminal for end in reached)


def test_nothing_is_active_once_it_has_ended_and_only_ends_are_failures():
    assert not [state for state in JobState if state.terminal and state.active]
    assert all(state.terminal for state in FAILURES)
    assert {state for state in JobState if state.failed} == FAILURES


@given(st.lists(st.sampled_from(sorted(set(JobState) - {JobState.HELD})), max_size=12))
def test_a_walk_never_leaves_an_end(walk: list[JobState]):
    here = job()
    ended = False
    for state in walk:
        try:
            here = here.to_state(state)
        except IllegalTransition:
            continue
        assert not ended or here.state in (JobState.RESULT, JobState.POSTING) or here.state.terminal
        ended = ended or here.state.terminal
    assert here.epoch <= len(walk)


def test_only_what_never_started_is_free():
    assert {evidence for evidence in Evidence if evidence.free} == {Evidence.NOT_SENT, Evidence.REFUSED}
