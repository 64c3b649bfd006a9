"""A film that is too large is encoded again: before Discord says so where that is known, after where not."""

from dataclasses import replace

import pytest
from delivery_kit import MIB, Scene, opened

from bot.domain.errors import DeliveryError, Undeliverable
from bot.sandbox.discord import Fault, Permission

POST = "POST /channels/*/messages"


@pytest.mark.parametrize(
    ("tier", "size", "fitted"),
    [
        (0, 20 * MIB, []),
        (0, 20 * MIB + 1, [19 * MIB]),
        (1, 21 * MIB, [19 * MIB]),
        (2, 21 * MIB, []),
        (3, 51 * MIB, []),
        (2, 51 * MIB, [int(47.5 * MIB)]),
    ],
)
async def test_the_guilds_boosts_say_how_much_fits(tmp_path, tier: int, size: int, fitted: list[int]):
    async with opened(tmp_path, tier=tier, gateway=True) as scene:
        job, film = await scene.job(), scene.shelf.put(size)
        await scene.delivery.deliver(job, film)
        assert scene.shelf.fitted == fitted
        assert len(scene.sent("POST")) == 1
        assert scene.films[0].attachments[0].size == (fitted or [size])[0]


async def test_a_lower_limit_that_came_with_the_command_counts(scene: Scene):
    job = await scene.job()
    job = job._replace(to=replace(job.to, file_limit=100_000))
    await scene.delivery.deliver(job, scene.shelf.put(100_001))
    assert scene.shelf.fitted == [95_000]
    assert len(scene.sent("POST")) == 1


async def test_a_higher_limit_of_the_member_is_not_the_guilds(scene: Scene):
    job = await scene.job()
    job = job._replace(to=replace(job.to, file_limit=500 * MIB))
    await scene.delivery.deliver(job, scene.shelf.put(21 * MIB))
    assert scene.shelf.fitted == [19 * MIB]


async def test_a_film_made_smaller_says_so_with_both_sizes_and_leaves_nothing_behind(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(300_000)
    scene.discord.options.file_limit = 100_000
    await scene.delivery.deliver(job, film)
    (message,) = scene.films
    assert "compressed from 0.3 MB to 72 kB" in message.content
    assert scene.shelf.forgotten == ["fitted-1"]
    assert scene.shelf.path(film).exists()


@pytest.mark.parametrize(
    ("size", "limits"),
    [
        (19 * MIB, [10 * MIB, 8 * MIB]),
        (9 * MIB, [8 * MIB, int(8 * MIB * 0.95) // 4]),
        (400_000, [100_000, 23_750]),
    ],
)
async def test_a_refused_size_leads_to_the_next_limit_that_discord_has_had(scene: Scene, size: int, limits: list[int]):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, times=2, status=413, code=40005))
    await scene.delivery.deliver(job, scene.shelf.put(size))
    assert scene.shelf.fitted == [int(limit * 0.95) for limit in limits]
    assert {post.body["nonce"] for post in scene.sent("POST")} == {job.nonce}
    assert len(scene.films) == 1


@pytest.mark.parametrize(("status", "code"), [(413, 40005), (413, 0), (400, 50045), (400, 40005)])
async def test_too_large_is_said_in_several_ways(scene: Scene, status: int, code: int):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=status, code=code))
    await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.shelf.fitted) == 1


async def test_after_three_encodings_it_is_too_large(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(400_000)
    scene.discord.options.file_limit = 100
    with pytest.raises(DeliveryError) as caught:
        await scene.delivery.deliver(job, film)
    assert caught.value.cause is Undeliverable.TOO_LARGE
    assert len(scene.shelf.fitted) == 3
    assert len(scene.shelf.forgotten) == 3
    assert len(scene.sent("POST")) == 4
    assert scene.shelf.path(film).exists()


async def test_a_film_that_cannot_be_encoded_again_is_too_large(scene: Scene):
    job = await scene.job()
    scene.shelf.breaks = True
    scene.discord.faults.add(Fault(POST, status=413, code=40005))
    with pytest.raises(DeliveryError) as caught:
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert caught.value.cause is Undeliverable.TOO_LARGE


async def test_a_limit_once_learned_is_kept_for_an_hour(scene: Scene):
    scene.discord.options.file_limit = 10 * MIB
    job = await scene.job()
    await scene.delivery.deliver(job._replace(to=_unlimited(job)), scene.shelf.put(19 * MIB))
    second = await scene.job()
    await scene.delivery.deliver(second._replace(to=_unlimited(second)), scene.shelf.put(12 * MIB))
    assert len(scene.sent("POST")) == 1
    await scene.clock.sleep(3601)
    third = await scene.job()
    await scene.delivery.deliver(third._replace(to=_unlimited(third)), scene.shelf.put(12 * MIB))
    assert len(scene.sent("POST")) == 2


async def test_a_refusal_of_a_small_film_says_nothing_of_the_next(scene: Scene):
    first, second = await scene.job(), await scene.job()
    scene.discord.faults.add(Fault(POST, status=413, code=40005))
    await scene.delivery.deliver(first, scene.shelf.put(7_000))
    assert len(scene.shelf.fitted) == 1
    await scene.delivery.deliver(second, scene.shelf.put(300_000))
    assert len(scene.shelf.fitted) == 1


async def test_a_limit_of_direct_messages_is_not_the_guilds(scene: Scene):
    job = await scene.job()
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.SEND_MESSAGES)
    job = job._replace(to=_unlimited(job))
    direct = scene.discord.world.direct_channel(scene.alice)
    scene.discord.faults.add(Fault(f"POST /channels/{direct.id}/messages", status=413, code=40005))
    await scene.delivery.deliver(job, scene.shelf.put(400_000))
    assert len(scene.direct) == 1
    scene.channel.set_permissions(scene.guild.bot)
    other = await scene.job()
    await scene.delivery.deliver(other._replace(to=_unlimited(other)), scene.shelf.put(400_000))
    assert scene.shelf.fitted == [95_000]


async def test_the_queue_message_has_the_same_limit(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, times=1, status=403, code=50013))
    scene.discord.options.file_limit = 100_000
    await scene.delivery.deliver(job._replace(to=_unlimited(job)), scene.shelf.put(300_000))
    assert "compressed" in scene.queue_message(job).content


def _unlimited(job):
    return replace(job.to, file_limit=500 * MIB)
