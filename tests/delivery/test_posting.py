"""A film is posted once: whatever is lost, repeated or interrupted on the way."""

import asyncio
from dataclasses import replace

import pytest
from delivery_kit import JobState, MediaKind, Scene, opened

from bot import texts
from bot.domain.errors import DeliveryRevoked
from bot.ports import Delivered
from bot.sandbox.discord import Fault, Upload
from bot.ui import sendable

POST = "POST /channels/*/messages"


async def test_the_film_comes_with_the_facts_and_tells_the_requester(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(50_000)
    delivered = await scene.delivery.deliver(job, film)
    (message,) = scene.films
    assert delivered == Delivered(message.id)
    assert message.channel is scene.channel
    assert [file.filename for file in message.attachments] == [f"v-{job.id}.mp4"]
    assert scene.alice.mention in message.content
    assert job.id in message.content
    assert message.notified == [scene.alice]
    (post,) = scene.sent("POST")
    assert (post.body["nonce"], post.body["enforce_nonce"]) == (job.nonce, True)
    assert post.files[0].sha256 == film.sha256
    assert "compressed" not in message.content


@pytest.mark.parametrize(
    ("kind", "spoiler", "name"),
    [
        (MediaKind.FILM, True, "SPOILER_v-{}.mp4"),
        (MediaKind.JPEG, False, "i-{}.jpg"),
        (MediaKind.PNG, False, "i-{}.png"),
        (MediaKind.WEBP, True, "SPOILER_i-{}.webp"),
    ],
)
async def test_files_are_named_by_kind_and_job(scene: Scene, kind: MediaKind, spoiler: bool, name: str):
    job = await scene.job(spoiler=spoiler)
    await scene.delivery.deliver(job, scene.shelf.put(1000, kind))
    assert [file.filename for file in scene.films[0].attachments] == [name.format(job.id)]
    assert scene.films[0].attachments[0].spoiler == spoiler


DOUBTS = [
    {"drop": "before"},
    {"drop": "after"},
    {"status": 503},
    {"effect_then_status": 503},
    {"effect_then_status": 520},
    {"status": 408},
]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fault", DOUBTS, ids=str)
async def test_a_lost_answer_makes_no_second_film(scene: Scene, fault: dict, times: int):
    job, film = await scene.job(), scene.shelf.put(10_000)
    scene.discord.faults.add(Fault(POST, times=times, **fault))
    delivered = await scene.delivery.deliver(job, film)
    assert [message.id for message in scene.films] == [delivered.message_id]
    assert {post.body["nonce"] for post in scene.sent("POST") if post.body} == {job.nonce}


async def test_the_librarys_own_repetition_makes_no_second_film(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(10_000)
    scene.discord.faults.add(Fault(POST, effect_then_status=502))
    delivered = await scene.delivery.deliver(job, film)
    assert [message.id for message in scene.films] == [delivered.message_id]
    assert len(scene.sent("POST")) == 2


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"effect_then_status": 503}], ids=str)
async def test_a_film_older_than_the_nonces_memory_is_found_in_the_channel(tmp_path, fault: dict):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job = await scene.job()
        scene.discord.faults.add(Fault(POST, **fault))
        delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
        assert [message.id for message in scene.films] == [delivered.message_id]
        assert len(scene.sent("POST")) == 1


async def test_after_a_crash_the_film_is_found_behind_a_long_talk(tmp_path):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        for number in range(120):
            await scene.discord.member("alice", scene.guild).say(scene.channel, f"before {number}")
        first = await scene.delivery.deliver(job, film)
        for number in range(120):
            await scene.discord.member("alice", scene.guild).say(scene.channel, f"after {number}")
        again = await scene.restarted().deliver(job, film, recovering=True)
        assert again == first
        assert len(scene.films) == 1
        assert len(scene.sent("POST")) == 1


async def test_after_a_crash_before_posting_the_film_is_posted(scene: Scene):
    job = await scene.job()
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000), recovering=True)
    assert [message.id for message in scene.films] == [delivered.message_id]


async def test_a_job_without_queue_message_is_looked_for_since_its_command(tmp_path):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job, film = await scene.job(acknowledged=False), scene.shelf.put(1000)
        first = await scene.delivery.deliver(job, film)
        assert await scene.restarted().deliver(job, film, recovering=True) == first
        assert len(scene.films) == 1


async def test_an_interrupted_call_may_be_repeated_without_saying_so(tmp_path):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault(POST, answer_after=60))
        call = asyncio.create_task(scene.delivery.deliver(job, film))
        await scene.discord.until(lambda: scene.films)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        delivered = await scene.delivery.deliver(job, film)
        assert [message.id for message in scene.films] == [delivered.message_id]


@pytest.mark.parametrize("others", ["film", "notice"])
async def test_what_belongs_to_another_job_or_is_no_film_is_not_adopted(tmp_path, others: str):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        if others == "film":
            other = await scene.job()
            other = other._replace(request=replace(other.request, prompt=f"v-{job.id}.mp4 `{job.id}`"))
            await scene.delivery.deliver(other, scene.shelf.put(1000))
        else:
            words = texts.notice(job._replace(state=JobState.AMBIGUOUS))
            assert words.buttons
            await scene.client.get_partial_messageable(scene.channel.id).send(**sendable(words))
        delivered = await scene.delivery.deliver(job, film, recovering=True)
        assert [file.filename for file in scene.discord.world.message(delivered.message_id).attachments] == [
            f"v-{job.id}.mp4"
        ]


async def test_a_member_who_posts_a_file_of_that_name_changes_nothing(scene: Scene):
    job = await scene.job()
    member = scene.discord.member("alice", scene.guild)
    said = await member.say(scene.channel, "mine", files=(Upload(f"v-{job.id}.mp4", b"mine"),))
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000), recovering=True)
    assert delivered.message_id != said.id
    assert len(scene.films) == 2


async def test_a_film_that_somebody_removed_is_not_posted_again(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(1000)
    first = await scene.delivery.deliver(job, film)
    scene.discord.member(scene.discord.world.operator, scene.guild).delete(
        scene.discord.world.message(first.message_id)
    )
    assert await scene.restarted().deliver(job, film, recovering=True) == Delivered(None, deleted=True)
    assert scene.films == []


@pytest.mark.parametrize("code", [20028, 20016, 20029, 40004, 40006, 40062, 110000, 110001, 130000])
async def test_what_passes_is_waited_out_with_the_same_nonce(scene: Scene, code: int):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, times=3, status=400, code=code))
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert [message.id for message in scene.films] == [delivered.message_id]
    assert [post.body["nonce"] for post in scene.sent("POST")] == [job.nonce] * 4
    assert scene.clock.naps == [1, 4, 15]


async def test_a_short_rate_limit_is_waited_out(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, retry_after=0.05))
    await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.films) == 1


async def test_a_rate_limit_too_long_for_the_library_is_waited_out_here(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, retry_after=100))
    await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.films) == 1
    assert scene.clock.naps == [100]


async def test_a_long_outage_is_outlasted(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, times=40, status=503))
    await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.films) == 1
    assert sum(scene.clock.naps[:5]) == 120
    assert sum(scene.clock.naps) > 2 * 3600


async def test_a_token_that_is_refused_ends_everything(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=401))
    with pytest.raises(DeliveryRevoked):
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert [call.method for call in scene.sent("")] == ["GET", "POST"]


async def test_an_interaction_token_that_is_dead_is_not_ours(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=401, code=50027))
    await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.films) == 1


async def test_an_artifact_that_is_gone_from_the_disk_is_no_trouble_of_discords(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.shelf.path(film).unlink()
    with pytest.raises(FileNotFoundError):
        await scene.delivery.deliver(job, film)
    assert scene.sent("POST") == []
