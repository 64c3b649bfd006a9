"""A film that may already be where the bot cannot look any more is not sent to its member a second time (R7)."""

import pytest
from delivery_kit import opened

from bot.domain.errors import DeliveryError, Undeliverable
from bot.sandbox.discord import Fault, Permission

POST, CLOSED = "POST /channels/*/messages", {"status": 403, "code": 50001}


async def test_a_channel_that_closes_after_a_lost_answer_may_hold_the_film(tmp_path):
    async with opened(tmp_path) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, drop="after"))
        for call in ("GET /channels/*/messages", POST, "PATCH /channels/*/messages/*"):
            scene.discord.faults.add(Fault(call, **CLOSED))
        with pytest.raises(DeliveryError) as refused:
            await scene.delivery.deliver(job, film)
        assert refused.value.cause is Undeliverable.NO_PERMISSION
        assert len(scene.films) == 1


async def test_so_may_a_channel_that_was_closed_while_the_process_was_dead(tmp_path):
    async with opened(tmp_path) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        await scene.delivery.deliver(job, film)
        scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
        with pytest.raises(DeliveryError):
            await scene.restarted().deliver(job, film, recovering=True)
        assert len(scene.films) == 1


async def test_a_channel_that_is_gone_holds_nothing(tmp_path):
    async with opened(tmp_path) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        await scene.delivery.deliver(job, film)
        scene.channel.delete()
        delivered = await scene.restarted().deliver(job, film, recovering=True)
        assert delivered.direct
        assert await scene.restarted().deliver(job, film, recovering=True) == delivered
        assert len(scene.direct) == 1


async def test_a_channel_that_was_searched_in_vain_holds_nothing_either(tmp_path):
    async with opened(tmp_path) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, status=403, code=50013))
        delivered = await scene.restarted().deliver(job, film, recovering=True)
        assert delivered.message_id == job.ack_message_id
        assert len(scene.films) == 1


async def test_a_film_that_went_to_its_member_is_not_posted_once_the_channel_is_open_again(tmp_path):
    async with opened(tmp_path) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
        first = await scene.delivery.deliver(job, film)
        scene.channel.set_permissions(scene.guild.bot)
        assert await scene.restarted().deliver(job, film, recovering=True) == first
        assert first.direct
        assert len(scene.films) == 1
