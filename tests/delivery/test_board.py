"""Live edits of the queue messages: few, newest first, never after the end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from delivery_kit import Cause, JobState, Scene, opened

from bot.domain.errors import DeliveryRevoked
from bot.domain.job import InProgress, Job
from bot.sandbox.discord import Fault, Permission
from tests.support.clock import HandClock

PATCH = "PATCH /channels/*/messages/*"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path, clock=HandClock()) as found:
        yield found


def show(scene: Scene, job: Job, done: int) -> None:
    scene.delivery.show(job._replace(state=JobState.SUBMITTED), None, InProgress(done, 100))


def shows(scene: Scene, job: Job, done: int) -> bool:
    return f"{done} of 100" in scene.queue_message(job).content


async def edited(scene: Scene, job: Job, done: int) -> None:
    """Returns when the message shows that and every edit before it has been answered."""
    await scene.discord.until(lambda: shows(scene, job, done))
    await barrier(scene)


async def barrier(scene: Scene) -> None:
    """Edits in a channel go one after the other, so when another job's is through, those before it are."""
    entries = list(scene.discord.transcript)
    other = await scene.job()
    scene.discord.transcript[:0] = entries
    show(scene, other, 100)
    await scene.discord.until(lambda: shows(scene, other, 100))


def edits(scene: Scene, job: Job) -> list[str]:
    return [entry.body["content"] for entry in scene.sent("PATCH", f"/messages/{job.ack_message_id}")]


async def test_a_change_is_shown_at_once_and_the_next_after_three_seconds(scene: Scene):
    job = await scene.job()
    show(scene, job, 1)
    await edited(scene, job, 1)
    show(scene, job, 2)
    scene.clock.advance(2.9)
    await barrier(scene)
    assert len(edits(scene, job)) == 1
    scene.clock.advance(0.2)
    await edited(scene, job, 2)
    assert len(edits(scene, job)) == 2


async def test_only_the_newest_of_many_changes_is_shown(scene: Scene):
    job = await scene.job()
    show(scene, job, 1)
    await edited(scene, job, 1)
    for done in range(2, 50):
        show(scene, job, done)
        scene.clock.advance(0.05)
    scene.clock.advance(3)
    await edited(scene, job, 49)
    assert len(edits(scene, job)) == 2


async def test_what_has_not_changed_is_not_sent(scene: Scene):
    job = await scene.job()
    show(scene, job, 1)
    await edited(scene, job, 1)
    for _ in range(5):
        scene.clock.advance(10)
        show(scene, job, 1)
    await barrier(scene)
    assert len(edits(scene, job)) == 1


async def test_what_changed_back_in_time_is_not_sent(scene: Scene):
    job = await scene.job()
    show(scene, job, 1)
    await edited(scene, job, 1)
    show(scene, job, 2)
    show(scene, job, 1)
    scene.clock.advance(10)
    await barrier(scene)
    assert set(edits(scene, job)) == {scene.queue_message(job).content}


async def test_the_end_comes_last_and_nothing_after_it(scene: Scene):
    job = await scene.job()
    ended = job._replace(state=JobState.CANCELLED, cause=Cause.BY_MEMBER)
    scene.discord.faults.add(Fault(PATCH, answer_after=0.1))
    show(scene, job, 1)
    await scene.discord.until(lambda: shows(scene, job, 1))
    telling = asyncio.create_task(scene.delivery.tell(ended))
    show(scene, job, 2)
    while not telling.done():
        scene.clock.advance(1)
        await asyncio.sleep(0.01)
    show(scene, job, 3)
    scene.delivery.show(ended)
    scene.clock.advance(10)
    await barrier(scene)
    assert len(edits(scene, job)) == 2
    assert "cancelled" in scene.queue_message(job).content


async def test_the_end_too_keeps_the_distance(scene: Scene):
    job = await scene.job()
    show(scene, job, 1)
    await edited(scene, job, 1)
    telling = asyncio.create_task(scene.delivery.tell(job._replace(state=JobState.DONE)))
    scene.clock.advance(2.9)
    await barrier(scene)
    assert not telling.done()
    scene.clock.advance(0.2)
    await telling
    assert "done" in scene.queue_message(job).content


async def test_a_slow_channel_delays_no_other(scene: Scene):
    slow = await scene.job()
    scene.discord.faults.add(Fault(f"PATCH /channels/*/messages/{slow.ack_message_id}", answer_after=30))
    show(scene, slow, 1)
    await scene.discord.until(lambda: shows(scene, slow, 1))
    held = await scene.job()
    show(scene, held, 1)
    scene.channel = scene.guild.add_channel("elsewhere")
    other = await scene.job()
    show(scene, other, 5)
    await scene.discord.until(lambda: shows(scene, other, 5))
    assert not shows(scene, held, 1)


async def test_an_ending_goes_before_what_only_moves(scene: Scene):
    first = await scene.job()
    others = [await scene.job() for _ in range(5)]
    last = await scene.job()
    scene.discord.faults.add(Fault(PATCH, answer_after=0.1))
    show(scene, first, 1)
    await scene.discord.until(lambda: shows(scene, first, 1))
    for other in (*others, last):
        show(scene, other, 1)
    await asyncio.sleep(0)
    await scene.delivery.tell(last._replace(state=JobState.DONE))
    await scene.discord.until(lambda: all(shows(scene, other, 1) for other in others))
    order = [int(entry.path.rpartition("/")[2]) for entry in scene.sent("PATCH")]
    assert order == [first.ack_message_id, last.ack_message_id, *(other.ack_message_id for other in others)]


@pytest.mark.parametrize(
    ("status", "code"), [(404, 10008), (403, 50001), (403, 50013), (404, 10003), (400, 30046), (400, 50035)]
)
async def test_a_message_that_cannot_be_edited_is_left_alone(scene: Scene, status: int, code: int):
    job = await scene.job()
    scene.discord.faults.add(Fault(PATCH, status=status, code=code))
    show(scene, job, 1)
    await barrier(scene)
    for done in range(2, 5):
        scene.clock.advance(10)
        show(scene, job, done)
    await barrier(scene)
    assert len(edits(scene, job)) == 1


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": "before"}, {"status": 400, "code": 40062}], ids=str)
async def test_an_edit_that_got_lost_is_made_up_by_the_next_change(scene: Scene, fault: dict):
    job = await scene.job()
    scene.discord.faults.add(Fault(PATCH, **fault))
    show(scene, job, 1)
    await barrier(scene)
    scene.clock.advance(3.1)
    show(scene, job, 2)
    await edited(scene, job, 2)


async def test_an_ending_is_shown_although_edits_had_been_given_up(scene: Scene):
    job = await scene.job()
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
    show(scene, job, 1)
    while not scene.sent("PATCH"):
        await asyncio.sleep(0)
    scene.channel.set_permissions(scene.guild.bot)
    telling = asyncio.create_task(scene.delivery.tell(job._replace(state=JobState.DONE)))
    while not telling.done():
        scene.clock.advance(1)
        await asyncio.sleep(0.01)
    assert "done" in scene.queue_message(job).content


async def test_a_refused_token_ends_all_edits(scene: Scene):
    job, other = await scene.job(), await scene.job()
    scene.discord.faults.add(Fault(PATCH, status=401))
    show(scene, job, 1)
    while not scene.sent("PATCH"):
        await asyncio.sleep(0)
    show(scene, other, 1)
    with pytest.raises(DeliveryRevoked):
        await scene.delivery.tell(other._replace(state=JobState.DONE))
    assert len(scene.sent("PATCH")) == 1


async def test_a_job_without_queue_message_shows_nothing(scene: Scene):
    job = await scene.job(acknowledged=False)
    show(scene, job, 1)
    await barrier(scene)
    assert len(scene.sent("PATCH")) == 1


async def test_once_closed_nothing_is_edited(scene: Scene):
    job = await scene.job()
    show(scene, job, 1)
    await edited(scene, job, 1)
    show(scene, job, 2)
    await scene.delivery.close()
    scene.clock.advance(10)
    show(scene, job, 3)
    for _ in range(3):
        assert await scene.delivery.find_acknowledgement(job) == job.ack_message_id
    assert len(edits(scene, job)) == 1


async def test_a_job_that_goes_on_after_it_was_held_is_shown_again(scene: Scene):
    job = await scene.job()
    held = job._replace(state=JobState.HELD, held_from=JobState.QUEUED, cause=Cause.RESTORED, epoch=job.epoch + 1)
    await scene.delivery.tell(held)
    assert "held" in scene.queue_message(job).content
    show(scene, job, 1)
    show(scene, job._replace(epoch=job.epoch + 2), 2)
    await edited(scene, job, 2)
    assert [content for content in edits(scene, job) if "1 of 100" in content] == []
