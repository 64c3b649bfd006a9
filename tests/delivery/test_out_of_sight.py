"""Where the bot may not read the history, no film can be found again: it goes into the queue message, once (R6, R7)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from delivery_kit import JobState, Scene, opened

from bot.domain.errors import DeliveryError, Undeliverable
from bot.domain.job import Job
from bot.ports import Delivered
from bot.sandbox.discord import Fault, Permission

POST, PATCH = "POST /channels/*/messages", "PATCH /channels/*/messages/*"
LOST = [{"drop": "after"}, {"drop": "before"}, {"effect_then_status": 503}]
LONG_AGO = 600.0


def close(scene: Scene) -> None:
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.READ_MESSAGE_HISTORY)


@pytest.fixture(params=[-1, 300], ids=["nonces forgotten", "nonces remembered"])
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with opened(tmp_path, nonce_window=request.param) as found:
        yield found


@pytest.fixture
async def remembering(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path) as found:
        yield found


async def begun(scene: Scene) -> Job:
    """A job whose posting begins now."""
    job = await scene.job()
    return job._replace(findable=await scene.delivery.findable(job))


def made_long_ago(scene: Scene, job: Job) -> Job:
    return job._replace(made_at=scene.clock.now() - LONG_AGO)


@pytest.mark.parametrize("fault", [None, *LOST], ids=str)
async def test_the_film_goes_into_the_queue_message_from_the_first_try(scene: Scene, fault: dict | None):
    close(scene)
    job = await scene.job()
    if fault is not None:
        scene.discord.faults.add(Fault(PATCH, times=2, **fault))
    assert await scene.delivery.deliver(job, scene.shelf.put(1000)) == Delivered(job.ack_message_id)
    assert scene.films == [scene.queue_message(job)]
    assert len(scene.films[0].attachments) == 1
    assert scene.sent("POST") == []


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_process_killed_before_it_wrote_that_down_makes_no_second_film(scene: Scene, late: bool, times: int):
    close(scene)
    job, film = await begun(scene), scene.shelf.put(1000)
    first = await scene.delivery.deliver(job, film)
    for _ in range(times):
        job = made_long_ago(scene, job) if late else job
        assert await scene.restarted().deliver(job, film, recovering=True) == first
    assert scene.films == [scene.queue_message(job)]
    assert scene.alice.mention in scene.queue_message(job).content


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
async def test_a_process_killed_before_it_did_anything_loses_nothing(remembering: Scene, late: bool):
    close(remembering)
    job, film = await begun(remembering), remembering.shelf.put(1000)
    job = made_long_ago(remembering, job) if late else job
    first = await remembering.restarted().deliver(job, film, recovering=True)
    assert await remembering.restarted().deliver(job, film, recovering=True) == first
    assert [message.id for message in remembering.films] == [first.message_id]


async def test_a_right_taken_away_after_the_post_makes_no_second_film_while_discord_knows_the_nonce(remembering: Scene):
    job, film = await remembering.job(), remembering.shelf.put(1000)
    first = await remembering.delivery.deliver(job, film)
    close(remembering)
    assert await remembering.restarted().deliver(job, film, recovering=True) == first
    assert len(remembering.films) == 1


@pytest.mark.parametrize("known", [True, False], ids=["written down", "by an older version"])
async def test_a_right_taken_away_after_the_post_makes_no_second_film_long_after_either(scene: Scene, known: bool):
    job, film = await begun(scene), scene.shelf.put(1000)
    await scene.delivery.deliver(job, film)
    close(scene)
    job = made_long_ago(scene, job if known else job._replace(findable=None))
    with pytest.raises(DeliveryError) as refused:
        await scene.restarted().deliver(job, film, recovering=True)
    assert refused.value.cause is Undeliverable.NO_PERMISSION
    assert len(scene.films) == 1


async def test_whoever_may_look_again_finds_what_was_posted_while_nobody_could(scene: Scene):
    close(scene)
    job, film = await begun(scene), scene.shelf.put(1000)
    first = await scene.delivery.deliver(job, film)
    scene.channel.set_permissions(scene.guild.bot)
    assert await scene.restarted().deliver(made_long_ago(scene, job), film, recovering=True) == first
    assert len(scene.films) == 1


@pytest.mark.parametrize(("wait", "certain"), [(1, True), (100, False)])
async def test_a_right_taken_away_while_the_answer_is_awaited_makes_no_second_film(
    remembering: Scene, wait: float, certain: bool
):
    scene = remembering
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.discord.faults.add(Fault(POST, drop="after"))
    scene.discord.faults.add(Fault("GET /channels/*/messages", retry_after=wait))
    scene.discord.faults.add(Fault("GET /channels/*/messages", times=9, status=403, code=50001))
    if certain:
        await scene.delivery.deliver(job, film)
    else:
        with pytest.raises(DeliveryError) as refused:
            await scene.delivery.deliver(job, film)
        assert refused.value.cause is Undeliverable.NO_PERMISSION
    assert len(scene.films) == 1


async def test_nor_does_one_that_was_gone_before_the_post(scene: Scene):
    """An empty history that may not be read does not say that nothing was posted."""
    job, film = await begun(scene), scene.shelf.put(1000)
    close(scene)
    scene.discord.faults.add(Fault(POST, drop="after"))
    scene.discord.faults.add(Fault("GET /channels/*/messages", retry_after=100))
    with pytest.raises(DeliveryError) as refused:
        await scene.delivery.deliver(job, film)
    assert refused.value.cause is Undeliverable.NO_PERMISSION
    assert len(scene.films) == 1


@pytest.mark.parametrize("missing", ["never seen", "removed"])
@pytest.mark.parametrize("fault", [None, {"drop": "after"}, {"effect_then_status": 503}], ids=str)
async def test_without_a_queue_message_it_is_posted_and_the_nonce_protects(
    remembering: Scene, missing: str, fault: dict | None
):
    scene = remembering
    close(scene)
    job = await scene.job(acknowledged=missing != "never seen")
    if job.ack_message_id is not None:
        scene.discord.member("operator", scene.guild).delete(scene.queue_message(job))
    if fault is not None:
        scene.discord.faults.add(Fault(POST, **fault))
    first = await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert await scene.restarted().deliver(job, scene.shelf.put(1000), recovering=True) == first
    assert [message.id for message in scene.films] == [first.message_id]
    assert not first.direct


async def test_a_queue_message_that_takes_no_more_edits_does_not_cost_the_film(scene: Scene):
    close(scene)
    job = await scene.job()
    scene.discord.faults.add(Fault(PATCH, status=400, code=30046))
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert [message.id for message in scene.films] == [delivered.message_id]
    assert delivered.message_id != job.ack_message_id


async def test_what_a_filter_keeps_out_of_the_queue_message_is_not_posted_beside_it(scene: Scene):
    close(scene)
    job = await scene.job()
    scene.discord.faults.add(Fault(PATCH, status=400, code=200000))
    with pytest.raises(DeliveryError) as refused:
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert refused.value.cause is Undeliverable.FILTERED
    assert scene.films == []


async def test_what_may_have_been_posted_long_ago_is_not_posted_again(scene: Scene):
    close(scene)
    job = made_long_ago(scene, await scene.job())
    scene.discord.member("operator", scene.guild).delete(scene.queue_message(job))
    with pytest.raises(DeliveryError) as refused:
        await scene.restarted().deliver(job, scene.shelf.put(1000), recovering=True)
    assert refused.value.cause is Undeliverable.NO_PERMISSION
    assert scene.films == []


@pytest.mark.parametrize("known", [True, False], ids=["written down", "by an older version"])
async def test_a_queue_message_that_may_hold_the_film_and_takes_no_edits_leaves_no_second_film(
    remembering: Scene, known: bool
):
    scene = remembering
    close(scene)
    job, film = await begun(scene), scene.shelf.put(1000)
    await scene.delivery.deliver(job, film)
    scene.discord.faults.add(Fault(PATCH, times=9, status=400, code=30046))
    with pytest.raises(DeliveryError):
        await scene.restarted().deliver(job if known else job._replace(findable=None), film, recovering=True)
    assert scene.films == [scene.queue_message(job)]


async def test_what_is_written_down_is_not_asked_again_before_the_first_try(scene: Scene):
    seen = await begun(scene)
    close(scene)
    unseen = await begun(scene)
    scene.discord.transcript.clear()
    for job in (seen, unseen):
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert scene.sent("GET", "") == []
    assert [message.id == unseen.ack_message_id for message in scene.films] == [True, False]


async def test_but_another_process_asks_whether_it_still_is_so(remembering: Scene):
    scene = remembering
    job, film = await begun(scene), scene.shelf.put(1000)
    close(scene)
    first = await scene.restarted().deliver(job, film, recovering=True)
    assert await scene.restarted().deliver(job, film, recovering=True) == first
    assert [message.id for message in scene.films] == [first.message_id]


async def test_of_a_channel_that_is_gone_the_post_finds_out(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault("GET /channels/*/messages/*", status=404, code=10003))
    assert await scene.delivery.findable(job) is True


async def test_a_film_that_its_requester_has_is_found_there_though_the_channel_closes_again(scene: Scene):
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
    first = await scene.delivery.deliver(job, film)
    scene.channel.set_permissions(scene.guild.bot)
    scene.discord.faults.add(Fault("GET /channels/*/messages", status=403, code=50001))
    assert await scene.restarted().deliver(job, film, recovering=True) == first
    assert scene.films == scene.direct


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
async def test_a_film_that_its_requester_has_is_not_shown_as_well_where_the_channel_is_half_open_again(
    scene: Scene, late: bool
):
    job, film = await scene.job(), scene.shelf.put(1000)
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
    first = await scene.delivery.deliver(job, film)
    close(scene)
    job = made_long_ago(scene, job) if late else job
    assert await scene.restarted().deliver(job, film, recovering=True) == first
    assert scene.films == scene.direct


async def test_a_film_that_does_not_fit_is_made_smaller_there_too(scene: Scene):
    close(scene)
    job = await scene.job()
    scene.discord.faults.add(Fault(PATCH, status=413, code=40005))
    await scene.delivery.deliver(job, scene.shelf.put(100_000))
    assert scene.films == [scene.queue_message(job)]
    assert "compressed" in scene.films[0].content


async def test_the_limit_that_the_command_came_with_counts_there_too(scene: Scene):
    close(scene)
    job = await scene.job()
    job = job._replace(to=replace(job.to, file_limit=50_000))
    await scene.delivery.deliver(job, scene.shelf.put(100_000))
    assert "compressed" in scene.queue_message(job).content
    assert len(scene.sent("PATCH", "")) == 1


async def test_an_answer_that_says_nothing_of_the_history_counts_as_none(scene: Scene):
    job = await scene.job()
    scene.discord.faults.add(Fault("GET /channels/*/messages/*", status=404))
    assert await scene.delivery.deliver(job, scene.shelf.put(1000)) == Delivered(job.ack_message_id)


async def test_the_requester_is_notified_of_a_film_in_the_queue_message_once(remembering: Scene):
    scene = remembering
    close(scene)
    job = await scene.job()
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    done = job._replace(state=JobState.DONE, result_message_id=delivered.message_id)
    await scene.delivery.tell(done)
    await scene.restarted().tell(done)
    (notice,) = scene.notices(job)
    assert notice.notified == [scene.alice]
    assert str(job.ack_message_id) in notice.content
    assert scene.films == [scene.queue_message(job)]
    assert scene.direct == []


async def test_nobody_is_written_to_directly_about_a_film_that_the_channel_shows(remembering: Scene):
    scene = remembering
    job = await scene.job()
    scene.discord.faults.add(Fault(POST, status=403, code=50013, times=9))
    delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    await scene.delivery.tell(job._replace(state=JobState.DONE, result_message_id=delivered.message_id))
    assert scene.direct == scene.notices(job) == []
