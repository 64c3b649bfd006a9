"""How a job ended: the queue message says so, and a failure also gets one reply that reaches the requester."""

import asyncio
from dataclasses import replace

import pytest
from delivery_kit import Cause, JobState, Scene, opened

from bot import texts
from bot.domain.errors import DeliveryRevoked
from bot.sandbox.discord import Fault, Permission
from bot.ui import sendable

POST = "POST /channels/*/messages"
PATCH = "PATCH /channels/*/messages/*"
FAILED = {"state": JobState.REFUSED, "cause": Cause.REJECTED, "detail": "no cats"}


async def test_a_failure_changes_the_queue_message_and_replies_once(scene: Scene):
    job = await scene.job(**FAILED)
    await scene.delivery.tell(job)
    assert "failed" in scene.queue_message(job).content
    assert scene.queue_message(job).buttons == []
    (notice,) = scene.notices(job)
    assert notice.referenced is scene.queue_message(job)
    assert notice.notified == [scene.alice]
    assert "failed" in notice.content
    (post,) = scene.sent("POST")
    assert post.body["nonce"] == f"{job.nonce}n"
    assert len(post.body["nonce"]) <= 25


@pytest.mark.parametrize(
    ("state", "cause", "told"),
    [
        (JobState.ABANDONED, Cause.NOT_CONFIRMED, 1),
        (JobState.REFUSED, Cause.BUSY, 1),
        (JobState.AMBIGUOUS, Cause.NO_ANSWER, 1),
        (JobState.LOST_RESULT, Cause.UNUSABLE, 1),
        (JobState.UNDELIVERABLE, Cause.TOO_LARGE, 1),
        (JobState.CANCELLED, Cause.BY_MODERATOR, 1),
        (JobState.CANCELLED, Cause.BY_PROVIDER, 1),
        (JobState.CANCELLED, Cause.BY_MEMBER, 0),
        (JobState.DONE, None, 0),
    ],
)
async def test_only_what_the_requester_does_not_know_yet_gets_a_reply(
    scene: Scene, state: JobState, cause: Cause | None, told: int
):
    job = await scene.job(state, cause=cause)
    await scene.delivery.tell(job)
    assert len(scene.sent("PATCH")) == 1
    assert len(scene.notices(job)) == told
    assert "Cancel" not in [button["label"] for button in scene.queue_message(job).buttons]


async def test_telling_again_says_nothing_twice(tmp_path):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job = await scene.job(**FAILED)
        await scene.delivery.tell(job)
        await scene.delivery.tell(job)
        await scene.restarted().tell(job)
        assert len(scene.notices(job)) == 1


@pytest.mark.parametrize("window", [-1, 300])
@pytest.mark.parametrize(
    "fault", [{"drop": "before"}, {"drop": "after"}, {"status": 503}, {"effect_then_status": 503}], ids=str
)
async def test_a_lost_answer_makes_no_second_reply(tmp_path, fault: dict, window: float):
    async with opened(tmp_path, nonce_window=window) as scene:
        job = await scene.job(**FAILED)
        scene.discord.faults.add(Fault(POST, **fault))
        scene.discord.faults.add(Fault(PATCH, **fault))
        await scene.delivery.tell(job)
        assert len(scene.notices(job)) == 1
        assert "failed" in scene.queue_message(job).content


async def test_an_interrupted_reply_is_not_repeated(tmp_path):
    async with opened(tmp_path, nonce_window=-1) as scene:
        job = await scene.job(**FAILED)
        scene.discord.faults.add(Fault(POST, answer_after=60))
        call = asyncio.create_task(scene.delivery.tell(job))
        await scene.discord.until(lambda: scene.notices(job))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await scene.restarted().tell(job)
        assert len(scene.notices(job)) == 1


async def test_a_reply_that_somebody_removed_is_not_repeated(scene: Scene):
    job = await scene.job(**FAILED)
    await scene.delivery.tell(job)
    scene.discord.member("operator", scene.guild).delete(scene.notices(job)[0])
    await scene.delivery.tell(job)
    assert scene.notices(job) == scene.direct == []


async def test_a_prompt_that_names_the_job_does_not_pass_for_the_reply(scene: Scene):
    job = await scene.job(**FAILED)
    other = await scene.job(**FAILED)
    trick = f"<@{job.to.member_id}> `{job.id}` failed"
    await scene.delivery.tell(other._replace(request=replace(other.request, prompt=trick)))
    await scene.delivery.tell(job)
    assert len([message for message in scene.notices(job) if message.referenced is scene.queue_message(job)]) == 1


async def test_a_queue_message_that_is_gone_leaves_the_reply(scene: Scene):
    job = await scene.job(**FAILED)
    scene.discord.member("operator", scene.guild).delete(scene.queue_message(job))
    await scene.delivery.tell(job)
    (notice,) = scene.notices(job)
    assert notice.referenced is None
    assert notice.notified == [scene.alice]


async def test_a_job_without_queue_message_is_told_too(scene: Scene):
    job = await scene.job(JobState.ABANDONED, acknowledged=False, cause=Cause.NOT_CONFIRMED)
    await scene.delivery.tell(job)
    assert len(scene.notices(job)) == 1
    assert scene.sent("PATCH") == []


async def test_without_the_right_to_read_history_the_reply_is_a_plain_message(scene: Scene):
    job = await scene.job(**FAILED)
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.READ_MESSAGE_HISTORY)
    await scene.delivery.tell(job)
    (notice,) = scene.notices(job)
    assert notice.referenced is None
    assert scene.direct == []


@pytest.mark.parametrize("lost", [Permission.SEND_MESSAGES, Permission.VIEW_CHANNEL])
async def test_what_cannot_be_told_in_the_channel_is_told_to_the_requester(scene: Scene, lost: Permission):
    job = await scene.job(JobState.UNDELIVERABLE, cause=Cause.NO_PERMISSION)
    scene.channel.set_permissions(scene.guild.bot, deny=lost)
    await scene.delivery.tell(job)
    await scene.delivery.tell(job)
    assert scene.notices(job) == []
    (message,) = scene.direct
    assert job.id in message.content


async def test_directly_nobody_is_shown_a_button_that_works_in_a_channel_only(scene: Scene):
    job = await scene.job(JobState.AMBIGUOUS, cause=Cause.NO_ANSWER)
    scene.channel.delete()
    await scene.delivery.tell(job)
    (message,) = scene.direct
    assert message.buttons == []
    assert "Retry" not in message.content
    assert "Ask again in an open channel; that may cost again." in message.content


async def test_when_the_channel_is_gone_the_requester_is_told(scene: Scene):
    job = await scene.job(JobState.UNDELIVERABLE, cause=Cause.CHANNEL_GONE)
    scene.channel.delete()
    await scene.delivery.tell(job)
    assert len(scene.direct) == 1


async def test_where_nobody_can_be_told_it_is_left_at_that(scene: Scene, caplog):
    job = await scene.job(**FAILED)
    scene.alice.direct_messages = False
    scene.channel.delete()
    await scene.delivery.tell(job)
    assert [record.levelname for record in caplog.records if getattr(record, "job", "") == job.id][-1] == "WARNING"


@pytest.mark.parametrize(("status", "code"), [(404, 10008), (403, 50001), (403, 50013), (400, 30046), (400, 50035)])
async def test_a_queue_message_that_cannot_be_changed_does_not_silence_the_reply(scene: Scene, status: int, code: int):
    job = await scene.job(**FAILED)
    scene.discord.faults.add(Fault(PATCH, times=9, status=status, code=code))
    await scene.delivery.tell(job)
    assert len(scene.notices(job)) == 1
    assert len(scene.sent("PATCH")) == 1


async def test_a_thread_that_was_archived_meanwhile_is_opened_by_the_reply_and_its_queue_message_edited(scene: Scene):
    job = await scene.job(**FAILED)
    scene.discord.faults.add(Fault(PATCH, times=99, status=400, code=50083))
    scene.discord.faults.add(Fault(POST, answer_after=0.2))
    call = asyncio.create_task(scene.delivery.tell(job))
    await scene.discord.until(lambda: scene.notices(job))
    scene.discord.faults.clear()
    await call
    assert "failed" in scene.queue_message(job).content


async def test_while_nothing_new_may_be_posted_the_queue_message_says_how_it_ended(scene: Scene):
    job = await scene.job(**FAILED)
    scene.discord.faults.add(Fault(POST, times=9, status=400, code=40004))
    await scene.delivery.tell(job)
    first = scene.sent("", "")[0]
    assert (first.method, "failed" in first.body["content"]) == ("PATCH", True)
    assert len(scene.notices(job)) == 1


async def test_a_long_outage_of_edits_does_not_silence_the_reply(scene: Scene):
    job = await scene.job(**FAILED)
    scene.discord.faults.add(Fault(PATCH, times=99, status=503))
    await scene.delivery.tell(job)
    assert len(scene.notices(job)) == 1
    assert len(scene.sent("PATCH")) == 5


async def test_where_the_edit_is_the_only_word_a_long_outage_is_waited_out(scene: Scene):
    job = await scene.job(state=JobState.CANCELLED, cause=Cause.BY_MEMBER)
    scene.discord.faults.add(Fault(PATCH, times=12, status=503))
    await scene.delivery.tell(job)
    assert "**cancelled**" in scene.queue_message(job).content
    assert len(scene.sent("PATCH")) == 13
    assert scene.clock.naps.count(60.0) == 2


async def test_a_token_that_is_refused_ends_everything(scene: Scene):
    job = await scene.job(**FAILED)
    scene.discord.faults.add(Fault(PATCH, status=401))
    with pytest.raises(DeliveryRevoked):
        await scene.delivery.tell(job)
    assert len(scene.sent("", "")) == 1


async def test_an_acknowledgement_that_was_never_confirmed_is_found(scene: Scene):
    job = await scene.job()
    await scene.discord.member("alice", scene.guild).say(scene.channel, f"`{job.id}`")
    assert await scene.delivery.find_acknowledgement(job._replace(ack_message_id=None)) == job.ack_message_id


async def test_so_is_one_whose_prompt_names_the_requester(scene: Scene):
    job = await scene.job(acknowledged=False)
    job = job._replace(state=JobState.QUEUED, request=replace(job.request, prompt=f"<@{scene.alice.id}>"))
    sent = await scene.client.get_partial_messageable(scene.channel.id).send(**sendable(texts.queue_message(job)))
    assert await scene.delivery.find_acknowledgement(job) == sent.id


@pytest.mark.parametrize(("minutes", "found"), [(15, True), (17, False)])
async def test_after_sixteen_minutes_none_can_come_any_more(scene: Scene, minutes: int, found: bool):
    job = await scene.job()
    asked = (job.ack_message_id or 0) - (minutes * 60_000 << 22)
    earlier = job._replace(ack_message_id=None, interaction_id=asked)
    assert await scene.delivery.find_acknowledgement(earlier) == (job.ack_message_id if found else None)


async def test_an_acknowledgement_that_was_never_sent_is_not_found(scene: Scene):
    job = await scene.job(acknowledged=False)
    other = await scene.job()
    await scene.delivery.tell(other._replace(state=JobState.DONE, request=replace(other.request, prompt=f"`{job.id}`")))
    await scene.discord.member("alice", scene.guild).say(scene.channel, f"`{job.id}`")
    assert await scene.delivery.find_acknowledgement(job) is None


@pytest.mark.parametrize(
    ("state", "cause", "word", "told"),
    [
        (JobState.CANCELLED, Cause.BY_MEMBER, "**cancelled**", 0),
        (JobState.ABANDONED, Cause.NOT_CONFIRMED, "**failed**", 1),
    ],
)
async def test_a_queue_message_says_how_the_job_ended_though_its_id_was_not_known_yet(
    scene: Scene, state: JobState, cause: Cause, word: str, told: int
):
    job = await scene.job(state, cause=cause)
    for _ in range(2):
        await scene.restarted().tell(job._replace(ack_message_id=None))
        assert word in scene.queue_message(job).content
        assert "Cancel" not in [button["label"] for button in scene.queue_message(job).buttons]
        assert await scene.delivery.find_acknowledgement(job) == job.ack_message_id
        assert len(scene.notices(job)) == told


async def test_a_notice_is_not_taken_for_an_acknowledgement(scene: Scene):
    job = await scene.job(**FAILED, acknowledged=False)
    await scene.delivery.tell(job)
    assert len(scene.notices(job)) == 1
    assert await scene.delivery.find_acknowledgement(job) is None


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"status": 503}, {"retry_after": 0.05}], ids=str)
async def test_an_acknowledgement_is_looked_for_until_discord_answers(scene: Scene, fault: dict):
    job = await scene.job()
    scene.discord.faults.add(Fault("GET /channels/*/messages", times=3, **fault))
    assert await scene.delivery.find_acknowledgement(job._replace(ack_message_id=None)) == job.ack_message_id


@pytest.mark.parametrize("trouble", ["hidden", "gone"])
async def test_an_acknowledgement_out_of_reach_is_none(scene: Scene, trouble: str):
    job = await scene.job()
    if trouble == "hidden":
        scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
    else:
        scene.channel.delete()
    assert await scene.delivery.find_acknowledgement(job._replace(ack_message_id=None)) is None
