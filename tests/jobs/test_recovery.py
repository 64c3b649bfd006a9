"""A start finds everything: jobs in every state, and a kill between any two commits (RELIABILITY, failure matrix)."""

from pathlib import Path

import pytest

from bot.domain.errors import DeliveryError, Undeliverable
from bot.domain.job import Cause, Completed, Job, JobState, RemoteHandle
from bot.ports import Delivered
from tests.support.clock import EPOCH
from tests.support.crashes import every_point
from tests.support.outside import FILM_BYTES, GARBAGE, Request
from tests.support.rows import FILM, GUILD, LIMITS, MODERATOR, job, request
from tests.support.world import DIRECT, QUEUED, World, running


def how(job: Job) -> tuple[JobState, Cause | None]:
    return job.state, job.cause


OUTCOMES = {
    "after:received": {JobState.ABANDONED},
    "outside:acknowledge": {JobState.DONE},
    # A dispatcher that looks at the same moment may have claimed it in the same turn of the disk.
    "after:queued": {JobState.DONE, JobState.AMBIGUOUS},
    "after:submitting": {JobState.AMBIGUOUS},
    "outside:media": {JobState.DONE},
    "after:result": {JobState.DONE},
    "after:posting": {JobState.DONE},
    "outside:deliver": {JobState.DONE},
    "after:done": {JobState.DONE},
    "outside:tell": {JobState.DONE},
    "after:told": {JobState.DONE},
}
DIRECT_OUTCOMES = {"outside:generate": {JobState.AMBIGUOUS}, "outside:answer": {JobState.DONE}}
QUEUED_OUTCOMES = {"outside:submit": {JobState.AMBIGUOUS}, "after:submitted": {JobState.DONE}}


@pytest.mark.parametrize(("model", "own"), [(DIRECT, DIRECT_OUTCOMES), (QUEUED, QUEUED_OUTCOMES)])
async def test_a_job_has_one_outcome_wherever_it_is_cut_off(tmp_path: Path, model: str, own):
    expected = OUTCOMES | own
    found = await every_point(tmp_path, {"model": model})
    assert set(found) == set(expected)
    assert {point: state for point, state in found.items() if state not in expected[point]} == {}


@pytest.fixture
async def found(tmp_path: Path):
    """A process that has not yet looked at what is there."""
    async with running(tmp_path, start=False) as world:
        yield world


async def in_state(world: World, state: JobState, provider: str = "chutes", **facts: object) -> Job:
    """A row as an earlier process left it."""
    there = {
        JobState.RECEIVED: [],
        JobState.QUEUED: [JobState.QUEUED],
        JobState.SUBMITTING: [JobState.QUEUED],
        JobState.SUBMITTED: [JobState.QUEUED, JobState.SUBMITTED],
        JobState.RESULT: [JobState.QUEUED, JobState.RESULT],
        JobState.POSTING: [JobState.QUEUED, JobState.RESULT, JobState.POSTING],
        JobState.CANCELLED: [JobState.CANCELLED],
    }[state]
    row = job(provider, **facts)
    await world.store.add(row, LIMITS)
    for step in there:
        if step is JobState.QUEUED:
            row = await world.store.move(row, step, ack_message_id=5, queued_at=world.clock.now())
        else:
            row = await world.store.move(row, step, **facts)
        if step is JobState.QUEUED and state is not JobState.QUEUED:
            (row,) = (await world.store.claim(provider, 1)).jobs
    return row


async def test_a_member_who_saw_the_answer_has_a_job_and_one_who_did_not_has_none(found: World):
    seen, unseen = await in_state(found, JobState.RECEIVED), await in_state(found, JobState.RECEIVED)
    found.theatre.acknowledged[seen.id] = 77
    await found.start()
    shown, dropped = await found.ended(seen), await found.ended(unseen)
    assert (shown.ack_message_id, shown.queued_at) == (77, EPOCH)
    assert how(dropped) == (JobState.ABANDONED, Cause.NOT_CONFIRMED)
    assert dropped.ended_at == EPOCH


async def test_an_acknowledgement_that_comes_while_it_is_looked_for_counts(found: World):
    received = await in_state(found, JobState.RECEIVED)
    found.reach.out = lambda: found.clock.sleep(5)
    await found.start()
    await found.store.move(received, JobState.QUEUED, ack_message_id=77, queued_at=EPOCH)
    assert (await found.ended(received)).state is JobState.DONE
    assert found.theatre.count("find") == 1
    assert await found.attempts() == [("made", None)]


async def test_a_mistake_before_the_acknowledgement_leaves_nobody_waiting(found: World):
    await found.start()
    seen, unseen = await found.ask(acknowledge=False), await found.ask(acknowledge=False)
    found.theatre.acknowledged[seen.id] = 77
    found.jobs.doubt(seen)
    found.jobs.doubt(unseen)
    assert (await found.ended(seen)).state is JobState.DONE
    assert how(await found.ended(unseen)) == (JobState.ABANDONED, Cause.NOT_CONFIRMED)


async def test_what_waits_goes_on_waiting_for_its_turn(found: World):
    waiting = await in_state(found, JobState.QUEUED)
    await found.policies.pause(GUILD, MODERATOR, "maintenance")
    await found.start()
    await found.clock.advance(5)
    assert found.theatre.shown[waiting.id]
    await found.policies.resume(GUILD, MODERATOR)
    assert (await found.ended(waiting)).state is JobState.DONE


@pytest.mark.parametrize(
    ("left", "outcome"),
    [
        (None, (JobState.AMBIGUOUS, Cause.RESTARTED)),
        (FILM_BYTES, (JobState.DONE, None)),
        (GARBAGE, (JobState.AMBIGUOUS, Cause.RESTARTED)),
    ],
)
@pytest.mark.parametrize("name", ["{}.part", "v-{}.mp4"])
async def test_a_call_that_was_cut_off_counts_if_its_bytes_are_whole(found: World, left, outcome, name: str):
    cut = await in_state(found, JobState.SUBMITTING)
    if left is not None:
        (found.artifacts.folder / name.format(cut.id)).write_bytes(left)
    await found.start()
    assert how(await found.ended(cut)) == outcome
    assert found.studio.paid == []


@pytest.mark.parametrize(("crashes", "outcome"), [(1, (JobState.DONE, None)), (2, (JobState.POISON, Cause.CRASHED))])
async def test_media_that_takes_two_processes_with_it_does_not_get_a_third(found: World, crashes: int, outcome):
    cut = await in_state(found, JobState.SUBMITTING)
    (found.artifacts.folder / f"{cut.id}.part").write_bytes(FILM_BYTES)
    (found.artifacts.folder / f"{cut.id}.working").write_bytes(b"." * crashes)
    await found.start()
    assert how(await found.ended(cut)) == outcome
    assert [path.suffix for path in found.artifacts.folder.iterdir()] == ([".mp4"] if crashes == 1 else [])
    assert (await found.attempts())[0][0] == ("made" if crashes == 1 else "E3")


async def test_a_request_at_its_provider_whose_film_took_two_processes_is_not_fetched_again(found: World):
    submitted = await in_state(found, JobState.SUBMITTED, "pipelet", remote=RemoteHandle(QUEUED, "r9"))
    found.studio.requests["r9"] = Request(submitted.request, 0.0, timeline=[(0, Completed())])
    (found.artifacts.folder / f"{submitted.id}.working").write_bytes(b"..")
    await found.start()
    assert how(await found.ended(submitted)) == (JobState.POISON, Cause.CRASHED)
    assert found.studio.count("fetch") == 0


async def test_a_film_that_cannot_be_made_to_fit_twice_over_is_not_tried_a_third_time(found: World):
    posting = await in_state(found, JobState.POSTING, artifact=FILM)
    (found.artifacts.folder / f"{posting.id}.working").write_bytes(b"..")
    found.theatre.fail("deliver", DeliveryError(Undeliverable.TOO_LARGE))
    await found.start()
    assert how(await found.ended(posting)) == (JobState.POISON, Cause.CRASHED)


async def test_a_film_that_was_posted_before_processes_ended_over_it_is_found_all_the_same(found: World):
    posting = await in_state(found, JobState.POSTING, artifact=FILM)
    (found.artifacts.folder / f"{posting.id}.working").write_bytes(b"..")
    found.theatre.fail("deliver", Delivered(77))
    await found.start()
    ended = await found.ended(posting)
    assert (ended.state, ended.result_message_id) == (JobState.DONE, 77)
    assert found.theatre.posts == 0


@pytest.mark.parametrize(
    ("failures", "outcome"), [(3, (JobState.DONE, None)), (100, (JobState.AMBIGUOUS, Cause.RESTARTED))]
)
async def test_a_disk_that_is_full_for_a_moment_costs_no_paid_film(found: World, failures: int, outcome):
    cut = await in_state(found, JobState.SUBMITTING)
    (found.artifacts.folder / f"v-{cut.id}.mp4").write_bytes(FILM_BYTES)
    found.artifacts.faults.extend([OSError(28, "no space left on device")] * failures)
    await found.start()
    assert how(await found.ended(cut)) == outcome


async def test_a_hand_over_that_was_cut_off_is_uncertain(found: World):
    cut = await in_state(found, JobState.SUBMITTING, "pipelet")
    await found.start()
    assert how(await found.ended(cut)) == (JobState.AMBIGUOUS, Cause.RESTARTED)


@pytest.mark.parametrize("model", ["wan22-fast-t2v", "of-an-older-version"])
async def test_a_request_at_its_provider_is_followed_by_its_id(found: World, model: str):
    submitted = await in_state(
        found, JobState.SUBMITTED, "pipelet", remote=RemoteHandle(model, "r9"), request=request(model)
    )
    found.studio.requests["r9"] = Request(submitted.request, 0.0, timeline=[(0, Completed())])
    await found.start()
    assert (await found.ended(submitted)).state is JobState.DONE
    assert found.studio.paid == []


@pytest.mark.parametrize(
    ("provider", "remote"), [("pipelet", None), ("chutes", RemoteHandle("m", "r1")), ("gone", None)]
)
async def test_one_that_nobody_can_ask_after_is_lost(found: World, provider: str, remote: RemoteHandle | None):
    submitted = await in_state(found, JobState.SUBMITTED, provider, remote=remote)
    await found.start()
    assert how(await found.ended(submitted)) == (JobState.LOST_RESULT, Cause.MODEL_GONE)


@pytest.mark.parametrize("state", [JobState.RESULT, JobState.POSTING])
async def test_what_is_made_is_delivered(found: World, state: JobState):
    made = await in_state(found, state, artifact=FILM)
    found.artifacts.path(FILM).write_bytes(FILM_BYTES)
    await found.start()
    assert (await found.ended(made)).state is JobState.DONE
    await found.ended(await found.ask(DIRECT))
    # Only what an earlier process may have posted is searched for.
    assert found.theatre.doubts == [True, False]


async def test_but_not_when_it_was_thrown_away_before(found: World):
    made = await in_state(found, JobState.RESULT, artifact=FILM)
    await found.store.note(made, discard=Cause.BY_MEMBER)
    found.artifacts.path(FILM).write_bytes(FILM_BYTES)
    await found.start()
    assert how(await found.ended(made)) == (JobState.CANCELLED, Cause.BY_MEMBER)
    assert found.theatre.films == {}
    assert not found.artifacts.path(FILM).exists()


async def test_nobody_is_told_of_an_end_before_a_start_has_looked_at_all_jobs(found: World):
    waiting = await in_state(found, JobState.QUEUED)
    await found.store.move(waiting, JobState.CANCELLED, cause=Cause.BY_MEMBER, ended_at=EPOCH)
    await found.clock.advance(60)
    assert found.theatre.endings == {}
    await found.start()
    await found.ended(waiting)
    assert len(found.theatre.endings[waiting.id]) == 1


async def test_a_request_that_was_thrown_away_is_not_submitted_again(found: World):
    waiting = await in_state(found, JobState.QUEUED)
    await found.store.note(waiting, discard=Cause.BY_MODERATOR)
    await found.start()
    assert how(await found.ended(waiting)) == (JobState.CANCELLED, Cause.BY_MODERATOR)
    assert found.studio.paid == []


@pytest.mark.parametrize("artifact", [None, FILM])
async def test_a_film_that_is_not_there_any_more_is_lost(found: World, artifact):
    posting = await in_state(found, JobState.POSTING, artifact=artifact)
    await found.start()
    assert how(await found.ended(posting)) == (JobState.LOST_RESULT, Cause.ARTIFACT_GONE)


async def test_an_ending_that_nobody_heard_of_is_told(found: World):
    waiting = await in_state(found, JobState.RECEIVED)
    cancelled = await found.store.move(waiting, JobState.CANCELLED, cause=Cause.BY_MEMBER, ended_at=1.0)
    await found.start()
    assert (await found.ended(cancelled)).told


async def test_and_one_that_was_told_is_left_alone(found: World):
    cancelled = await in_state(found, JobState.CANCELLED, cause=Cause.BY_MEMBER, ended_at=1.0)
    await found.store.note(cancelled, told=True)
    await found.start()
    await found.clock.advance(100)
    assert found.theatre.calls == []


async def test_a_mistake_in_the_recovery_ends_as_uncertain_too(found: World):
    cut = await in_state(found, JobState.SUBMITTING)
    (found.artifacts.folder / f"v-{cut.id}.mp4").write_bytes(FILM_BYTES)
    found.artifacts.faults.extend([RuntimeError("a bug")] * 100)
    await found.start()
    assert how(await found.ended(cut)) == (JobState.AMBIGUOUS, Cause.NO_ANSWER)


async def test_an_answer_that_cannot_be_looked_up_at_all_is_abandoned(found: World):
    received = await in_state(found, JobState.RECEIVED)
    found.theatre.fail("find", *[RuntimeError("a bug")] * 100)
    await found.start()
    assert how(await found.ended(received)) == (JobState.ABANDONED, Cause.NOT_CONFIRMED)
