"""What could not be posted, given to somebody who asks for it: made to fit, repeated as long as that is harmless."""

from pathlib import Path

import aiohttp
import discord
import pytest
from delivery_kit import MIB, Scene

from bot.domain.errors import DeliveryError, Undeliverable
from bot.domain.messages import Message
from bot.sandbox.discord import Fault

MESSAGE = "PATCH /channels/*/messages/*"


class Hand:
    """Takes a film into the queue message: an edit that Discord may refuse."""

    def __init__(self, scene: Scene, message_id: int) -> None:
        channel = scene.client.get_partial_messageable(scene.channel.id)
        self.message = channel.get_partial_message(message_id)
        self.given: list[tuple[str, int]] = []

    async def __call__(self, film: Path, name: str, words: Message) -> int:
        self.given.append((name, film.stat().st_size))
        return (await self.message.edit(content=words.content, attachments=[discord.File(film, filename=name)])).id


async def test_it_is_made_to_fit_the_askers_own_limit(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(3 * MIB)
    hand = Hand(scene, job.ack_message_id)
    assert await scene.delivery.hand_over(job, film, 2 * MIB, hand) == job.ack_message_id
    assert hand.given == [(f"v-{job.id}.mp4", int(2 * MIB * 0.95))]
    assert "compressed" in scene.queue_message(job).content


async def test_a_limit_that_discord_did_not_tell_is_found_and_not_remembered(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(3000)
    scene.discord.faults.add(Fault(MESSAGE, status=413, code=40005))
    hand = Hand(scene, job.ack_message_id)
    await scene.delivery.hand_over(job, film, 10_000, hand)
    assert [size for _, size in hand.given] == [3000, int(750 * 0.95)]
    await scene.delivery.deliver(job, scene.shelf.put(3000, name="another"))
    assert scene.films[-1].attachments[0].size == 3000


async def test_an_askers_token_that_is_dead_says_nothing_of_the_bots(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.discord.faults.add(Fault(MESSAGE, status=401))
    with pytest.raises(DeliveryError):
        await scene.delivery.hand_over(job, film, 10_000, Hand(scene, job.ack_message_id))
    assert (await scene.delivery.deliver(job, film)).message_id


async def test_a_doubtful_answer_is_repeated_three_times_in_all(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.discord.faults.add(Fault(MESSAGE, drop="after", times=9))
    hand = Hand(scene, job.ack_message_id)
    with pytest.raises(DeliveryError) as refused:
        await scene.delivery.hand_over(job, film, 10_000, hand)
    assert refused.value.cause is Undeliverable.REFUSED
    assert len(hand.given) == 3
    assert isinstance(refused.value.__cause__.__cause__, aiohttp.ClientError)
