"""A job counts as queued only when the member certainly saw it (R1, R2)."""

import pytest
from cogs_kit import PNG, World, labels, words

from bot.domain.generation import Asked, Capability
from bot.domain.job import Cause, Destination, JobState

CALLBACK = "/interactions/*/callback"


def video(prompt: str) -> dict[str, object]:
    return {"id": "1", "name": "video", "type": 1, "options": [{"name": "prompt", "type": 3, "value": prompt}]}


async def test_an_answer_that_was_already_given_counts_when_it_shows_this_very_job(world: World) -> None:
    result = await world.raw(world.alice, video("a cat"), already="Job `job0000001`")
    job = await world.matinee.only_job()
    assert job.id == "job0000001"
    assert result.response is not None
    assert (job.state, job.ack_message_id) == (JobState.QUEUED, result.response.id)


async def test_an_answer_that_another_process_gave_does_not_count(world: World) -> None:
    await world.raw(world.alice, video("a cat"), already="Job `otherjob01`")
    job = await world.matinee.only_job()
    assert (job.state, job.cause) == (JobState.ABANDONED, Cause.NOT_CONFIRMED)


@pytest.mark.parametrize(("status", "code"), [(404, 10062), (401, 50027), (403, 50013), (429, 0), (400, 50035)])
async def test_an_interaction_that_is_dead_spends_nothing(world: World, status: int, code: int) -> None:
    world.env.inject_error("POST", CALLBACK, status=status, code=code)
    await world.raw(world.alice, video("a cat"))
    job = await world.matinee.only_job()
    assert (job.state, job.cause) == (JobState.ABANDONED, Cause.NOT_CONFIRMED)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_an_unclear_answer_and_no_message_spends_nothing(world: World, status: int) -> None:
    world.env.inject_error("POST", CALLBACK, status=status)
    await world.raw(world.alice, video("a cat"))
    await world.later(3)
    assert (await world.matinee.only_job()).state is JobState.RECEIVED
    await world.later(6)
    assert (await world.matinee.only_job()).state is JobState.ABANDONED


async def test_an_interaction_that_comes_twice_is_one_job_and_one_message(world: World) -> None:
    first = await world.raw(world.alice, video("a cat"))
    await world.raw(world.alice, video("a cat"), id=str(first._interaction.id), token=first._interaction.token)
    assert len(await world.matinee.all_jobs()) == 1
    assert len(world.said()) == 1


async def test_slow_pictures_are_deferred_privately_and_then_queued_publicly(world: World) -> None:
    world.matinee.pictures.gate.clear()
    result = await world.alice.slash(world.channel, "animate", image=("cat.png", PNG))
    assert not result.acknowledged
    await world.later(1.8)
    assert result.deferred
    assert result.ephemeral
    assert world.said() == []
    world.matinee.pictures.gate.set()
    await world.env.settle()
    job = await world.matinee.only_job()
    (message,) = world.said()
    assert f"`{job.id}`" in message.content
    assert labels(message) == ["Cancel"]
    assert (job.state, job.ack_message_id) == (JobState.QUEUED, message.id)
    assert message.nonce is None or message.nonce == f"{job.nonce}q"
    assert f"/{message.id}" in words(result)


async def test_a_slow_refusal_takes_the_place_of_the_deferral(world: World) -> None:
    world.matinee.pictures.gate.clear()
    result = await world.alice.slash(world.channel, "animate", image=("cat.png", b""))
    await world.later(1.8)
    world.matinee.pictures.gate.set()
    await world.env.settle()
    assert "is empty" in words(result)
    assert world.said() == []


async def test_a_deferral_that_comes_too_late_begins_nothing(world: World) -> None:
    world.matinee.pictures.gate.clear()
    world.env.inject_error("POST", CALLBACK, status=404, code=10062)
    await world.alice.slash(world.channel, "animate", image=("cat.png", PNG))
    await world.later(1.8)
    world.matinee.pictures.gate.set()
    await world.env.settle()
    assert await world.matinee.all_jobs() == []
    assert world.matinee.pictures.forgotten == ["image.jpg"]


async def test_a_queue_message_that_cannot_be_posted_spends_nothing_and_says_so(world: World) -> None:
    world.matinee.pictures.gate.clear()
    result = await world.alice.slash(world.channel, "animate", image=("cat.png", PNG))
    await world.later(1.8)
    world.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
    world.matinee.pictures.gate.set()
    await world.env.settle()
    assert (await world.matinee.only_job()).state is JobState.ABANDONED
    assert "could not post the queue message" in words(result)


async def test_a_queue_message_is_tried_again_with_the_same_nonce(world: World) -> None:
    world.matinee.pictures.gate.clear()
    await world.alice.slash(world.channel, "animate", image=("cat.png", PNG))
    await world.later(1.8)
    world.env.inject_error("POST", "/channels/*/messages", status=503)
    world.matinee.pictures.gate.set()
    await world.env.settle()
    await world.later(2)
    posts = [each for each in world.env.http_requests if each.method == "POST" and each.path.endswith("/messages")]
    assert len({post.json["nonce"] for post in posts}) == 1
    assert len(posts) == 2
    assert (await world.matinee.only_job()).state is JobState.QUEUED


async def test_cancelling_before_the_acknowledgement_is_known_waits_for_it(world: World) -> None:
    jobs = world.matinee.jobs
    draft = await jobs.draft(
        Asked(Capability.TEXT_TO_VIDEO, "a cat"), Destination(world.guild.id, world.channel.id, world.alice.id, 1)
    )
    received = await jobs.accept(draft, interaction_id=1)
    assert received is not None
    result = await world.alice.slash(world.channel, "cancel", job=received.id)
    assert words(result) == f"Job `{received.id}` is cancelled. Nothing was spent."
    await jobs.acknowledged(received, 77)
    known = await world.matinee.only_job()
    assert (known.state, known.ack_message_id, known.discard) == (JobState.QUEUED, 77, Cause.BY_MEMBER)
