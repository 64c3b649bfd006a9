"""What Discord refuses for good, and where a film goes then."""

import asyncio

import pytest
from delivery_kit import JobState, Scene, opened

from bot.domain.errors import DeliveryError, Undeliverable
from bot.ports import Delivered
from bot.sandbox.discord import Fault, Permission

POST = "POST /channels/*/messages"
PATCH = "PATCH /channels/*/messages/*"


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [
        (404, 10004, Undeliverable.GUILD_GONE),
        (400, 200000, Undeliverable.FILTERED),
        (400, 200001, Undeliverable.FILTERED),
        (400, 240000, Undeliverable.FILTERED),
        (400, 50035, Undeliverable.REFUSED),
        (400, 99999, Undeliverable.REFUSED),
        (404, 0, Undeliverable.REFUSED),
    ],
)
async def test_a_refusal_for_good_is_not_argued_with(scene: Scene, status: int, code: int, cause: Undeliverable):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=status, code=code))
    with pytest.raises(DeliveryError) as caught:
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert caught.value.cause is cause
    assert [call.method for call in scene.sent("", "")] == ["GET", "POST"]
    assert scene.films == scene.direct == []


async def test_a_message_that_discord_does_not_understand_is_our_bug_and_logged(scene: Scene, caplog):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=400, code=50035))
    with pytest.raises(DeliveryError):
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.job == job.id
    assert job.request.prompt not in caplog.text


async def test_without_the_right_to_write_the_film_goes_into_the_queue_message(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.channel.set_permissions(scene.guild.bot, allow=Permission.ATTACH_FILES)
    scene.discord.faults.add(Fault(POST, status=403, code=50013, times=9))
    delivered = await scene.delivery.deliver(job, film)
    assert delivered == Delivered(job.ack_message_id)
    (message,) = scene.films
    assert message is scene.queue_message(job)
    assert [file.filename for file in message.attachments] == [f"v-{job.id}.mp4"]
    assert scene.alice.mention in message.content
    assert message.buttons == []
    assert scene.direct == []


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (403, 50001), (400, 160002), (403, 50009)])
async def test_every_missing_permission_leads_to_the_queue_message(scene: Scene, status: int, code: int):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=status, code=code))
    assert await scene.delivery.deliver(job, scene.shelf.put(1000)) == Delivered(job.ack_message_id)


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"drop": "before"}, {"effect_then_status": 503}], ids=str)
async def test_the_queue_message_holds_one_film_whatever_gets_lost(scene: Scene, fault: dict):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=403, code=50013))
    scene.discord.faults.add(Fault(PATCH, times=2, **fault))
    await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.queue_message(job).attachments) == 1


async def test_a_film_in_the_queue_message_is_recognised_after_a_crash(tmp_path):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, status=403, code=50013))
        first = await scene.delivery.deliver(job, film)
        assert await scene.restarted().deliver(job, film, recovering=True) == first
        assert len(scene.films) == 1


async def test_a_film_in_the_queue_message_is_not_written_over(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=403, code=50013))
    scene.delivery.show(job._replace(state=JobState.SUBMITTED))
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    scene.delivery.show(job._replace(state=JobState.QUEUED))
    await scene.delivery.deliver(await scene.job(), scene.shelf.put(1000))
    await scene.delivery.tell(job._replace(state=JobState.DONE, result_message_id=delivered.message_id))
    await scene.delivery.close()
    assert scene.alice.mention in scene.queue_message(job).content


async def test_a_film_that_may_not_be_in_the_channel_at_all_goes_to_its_requester(scene: Scene):
    job = await scene.job()
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.SEND_MESSAGES)
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    (message,) = scene.direct
    assert delivered == Delivered(message.id, direct=True)
    assert job.id in message.content
    assert [file.filename for file in message.attachments] == [f"v-{job.id}.mp4"]


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"effect_then_status": 503}], ids=str)
async def test_a_direct_message_is_sent_once_too(tmp_path, fault: dict):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
        scene.discord.world.direct_channel(scene.alice)
        scene.discord.faults.add(
            Fault(f"POST /channels/{scene.discord.world.direct_channel(scene.alice).id}/messages", **fault)
        )
        first = await scene.delivery.deliver(job, film)
        assert await scene.restarted().deliver(job, film, recovering=True) == first
        assert len(scene.direct) == 1


async def test_a_film_that_its_requester_has_is_not_posted_as_well_when_the_channel_opens_again(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.SEND_MESSAGES)
    first = await scene.delivery.deliver(job, film)
    scene.channel.set_permissions(scene.guild.bot, allow=Permission.SEND_MESSAGES)
    assert await scene.restarted().deliver(job, film, recovering=True) == first
    assert scene.films == scene.direct


@pytest.mark.parametrize("missing", ["no queue message", "queue message removed"])
async def test_without_a_queue_message_the_requester_is_written_to(scene: Scene, missing: str):
    job = await scene.job(acknowledged=missing != "no queue message")
    if job.ack_message_id is not None:
        scene.discord.member("operator", scene.guild).delete(scene.queue_message(job))
    scene.discord.faults.add(Fault(POST, status=403, code=50013))
    await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.direct) == 1


async def test_where_every_way_is_closed_the_permission_is_named(scene: Scene):
    job = await scene.job()
    scene.alice.direct_messages = False
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.SEND_MESSAGES)
    with pytest.raises(DeliveryError) as caught:
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert caught.value.cause is Undeliverable.NO_PERMISSION
    assert scene.films == []


async def test_when_the_channel_is_gone_the_requester_is_written_to(scene: Scene):
    job = await scene.job()
    scene.channel.delete()
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert [message.id for message in scene.direct] == [delivered.message_id]


@pytest.mark.parametrize(("status", "code"), [(404, 10003), (400, 50083), (400, 160005)])
async def test_when_channel_and_requester_are_out_of_reach_the_channel_is_named(scene: Scene, status: int, code: int):
    job = await scene.job()
    scene.alice.direct_messages = False
    scene.discord.faults.add(Fault(POST, status=status, code=code))
    with pytest.raises(DeliveryError) as caught:
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert caught.value.cause is Undeliverable.CHANNEL_GONE
    assert scene.sent("PATCH") == []


async def test_nobody_is_written_to_for_a_guild_that_was_left(tmp_path):
    async with opened(tmp_path, gateway=True) as scene:
        job = await scene.job()
        async with asyncio.TaskGroup() as group:
            group.create_task(scene.client.wait_for("guild_remove", timeout=5))
            await asyncio.sleep(0)
            scene.guild.remove_member(scene.discord.world.bot)
        with pytest.raises(DeliveryError) as caught:
            await scene.delivery.deliver(job, scene.shelf.put(1000))
        await scene.delivery.tell(job._replace(state=JobState.UNDELIVERABLE))
    assert caught.value.cause is Undeliverable.GUILD_GONE
    assert scene.direct == []
