"""A process that slept between looking and sending looks again first (R8): Discord may have forgotten the nonce."""

import asyncio
from collections.abc import Callable

import pytest
from delivery_kit import JobState, Scene, opened

from bot.ports import Delivered
from bot.sandbox.discord import Fault, Permission
from tests.support.clock import HandClock

POST = "POST /channels/*/messages"
FORGOTTEN = 600.0


class JumpingClock(HandClock):
    """Time passes by sleeping, and whenever `advance` says so."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


async def come(moment: Callable[[], object]) -> None:
    while not moment():
        await asyncio.sleep(0.01)


async def leap_during(scene: Scene, work: asyncio.Task, moment: Callable[[], object]) -> None:
    """The machine sleeps as soon as `moment` has come; `work` goes on after that."""
    await come(moment)
    scene.clock.advance(FORGOTTEN)
    await work


@pytest.mark.parametrize("fault", [{"effect_then_status": 502}, {"effect_then_status": 504}], ids=str)
async def test_a_sleep_within_the_librarys_own_pause_makes_no_second_film(tmp_path, fault: dict):
    async with opened(tmp_path, clock=JumpingClock(), nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, **fault))
        work = asyncio.create_task(scene.delivery.deliver(job, film))
        await leap_during(scene, work, lambda: scene.films)
        assert [message.id for message in scene.films] == [work.result().message_id]
        assert len(scene.sent("POST")) == 1


async def test_without_a_sleep_the_library_repeats_the_call_and_the_nonce_protects(tmp_path):
    async with opened(tmp_path, clock=JumpingClock()) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, effect_then_status=502))
        await scene.delivery.deliver(job, film)
        assert len(scene.films) == 1
        assert len(scene.sent("POST")) == 2


async def test_a_sleep_within_a_wait_for_a_rate_limit_costs_a_look_and_the_film_is_posted(tmp_path):
    async with opened(tmp_path, clock=JumpingClock(), nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, retry_after=0.5))
        work = asyncio.create_task(scene.delivery.deliver(job, film))
        await leap_during(scene, work, lambda: scene.sent("POST"))
        assert len(scene.films) == 1
        assert len([call for call in scene.sent("GET") if call.path.endswith("/messages")]) == 1


async def test_a_sleep_between_the_look_and_the_post_makes_no_second_film(tmp_path):
    async with opened(tmp_path, clock=JumpingClock(), nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault("GET /channels/*/messages", answer_after=0.2))
        work = asyncio.create_task(scene.restarted().deliver(job, film, recovering=True))
        await come(lambda: scene.sent("GET"))
        # What an earlier process had sent arrives while this one sleeps, and after the page was read.
        await scene.delivery.deliver(job, film)
        scene.clock.advance(FORGOTTEN)
        assert await work == Delivered(scene.films[0].id)
        assert len(scene.films) == 1


async def test_the_wall_clock_counts_too_for_a_paused_machine_does_not_count_its_own_pause(tmp_path):
    class Paused(JumpingClock):
        wall = 0.0

        def now(self) -> float:
            return super().now() + self.wall

    clock = Paused()
    async with opened(tmp_path, clock=clock, nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, effect_then_status=502))
        work = asyncio.create_task(scene.delivery.deliver(job, film))
        await come(lambda: scene.films)
        clock.wall = FORGOTTEN
        await work
        assert len(scene.films) == 1


async def test_a_notice_is_not_told_twice_after_a_sleep(tmp_path):
    async with opened(tmp_path, clock=JumpingClock(), nonce_window=-1) as scene:
        job = await scene.job(JobState.AMBIGUOUS)
        scene.discord.faults.add(Fault(POST, effect_then_status=502))
        work = asyncio.create_task(scene.delivery.tell(job))
        await leap_during(scene, work, lambda: scene.notices(job))
        assert len(scene.notices(job)) == 1


async def test_a_refusal_of_the_librarys_repetition_says_nothing_of_the_first_try(tmp_path):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, effect_then_status=502))
        scene.discord.faults.add(Fault(POST, status=403, code=50013))
        delivered = await scene.delivery.deliver(job, film)
        assert [message.id for message in scene.films] == [delivered.message_id]
        assert scene.queue_message(job).attachments == []


async def test_where_neither_history_nor_nonce_can_tell_the_film_replaces_the_queue_message(tmp_path):
    async with opened(tmp_path, clock=JumpingClock(), nonce_window=-1) as scene:
        scene.channel.set_permissions(scene.guild.bot, deny=Permission.READ_MESSAGE_HISTORY)
        job, film = await scene.job(made_at=scene.clock.now() - FORGOTTEN), scene.shelf.put(1000)
        job = job._replace(findable=await scene.delivery.findable(job))
        delivered = await scene.restarted().deliver(job, film, recovering=True)
        assert delivered == Delivered(job.ack_message_id)
        assert scene.sent("POST") == []
