"""Cancel, retry and throw-away buttons: every press is authorised from the database and this payload."""

import asyncio
import random
import string

import discord
import pytest
from cogs_kit import World, labels, words
from simcord.backend import serializers

from bot import texts
from bot.domain.errors import Evidence, NotAllowed, Rule
from bot.domain.job import Cause, Job, JobState
from bot.domain.messages import Button, Message, Verb
from bot.jobs.service import By
from bot.ui import sendable


async def post(world: World, message: Message) -> discord.Message:
    """One of our own messages, as delivery posts it."""
    channel = world.env.bot.get_partial_messageable(world.channel.id)
    return await channel.send(**sendable(message))


async def ambiguous(world: World, job: Job) -> Job:
    started = await claimed(world, job)
    return await world.matinee.store.settle(
        started, Evidence.AMBIGUOUS, JobState.AMBIGUOUS, cause=Cause.NO_ANSWER, ended_at=1.0, told=True
    )


async def claimed(world: World, job: Job) -> Job:
    (claimed,) = (await world.matinee.store.claim(job.provider, 2)).jobs
    return claimed


async def test_the_requester_cancels_a_queued_job_with_its_button(world: World) -> None:
    job, message = await world.ask()
    answer = words(await world.alice.click(message, label="Cancel"))
    assert answer == f"Job `{job.id}` is cancelled. Nothing was spent."
    ended = await world.matinee.only_job()
    assert (ended.state, ended.cause) == (JobState.CANCELLED, Cause.BY_MEMBER)


async def test_a_moderator_cancels_and_the_act_is_recorded(world: World) -> None:
    _, message = await world.ask()
    words(await world.mod.click(message, label="Cancel"))
    assert (await world.matinee.only_job()).cause is Cause.BY_MODERATOR
    assert await world.matinee.audited() == [("cancel", world.mod.id)]


async def test_nobody_else_may_press(world: World) -> None:
    _, message = await world.ask()
    assert "somebody else's" in words(await world.bob.click(message, label="Cancel"))
    assert (await world.matinee.only_job()).state is JobState.QUEUED


async def test_a_second_press_says_that_it_is_too_late(world: World) -> None:
    _, message = await world.ask()
    words(await world.alice.click(message, label="Cancel"))
    assert "too late" in words(await world.alice.click(message, label="Cancel"))


async def test_a_job_that_cannot_be_stopped_offers_to_throw_its_result_away(world: World) -> None:
    job, message = await world.ask(model="wan2.1-14b")
    await claimed(world, job)
    result = await world.alice.click(message, label="Cancel")
    assert "could not be called back" in words(result)
    assert result.response is not None
    assert labels(result.response) == ["Throw the result away"]
    assert not (await world.matinee.only_job()).discard
    assert "thrown away" in words(await world.alice.click(result.response, label="Throw the result away"))
    assert (await world.matinee.only_job()).discard


async def test_what_its_provider_has_sent_back_meanwhile_is_not_thrown_away_but_cancelled(world: World) -> None:
    job, message = await world.ask(model="wan2.1-14b")
    started = await claimed(world, job)
    result = await world.alice.click(message, label="Cancel")
    await world.matinee.store.settle(started, Evidence.REFUSED, JobState.QUEUED, cause=Cause.BUSY)
    assert result.response is not None
    answer = words(await world.alice.click(result.response, label="Throw the result away"))
    assert answer == f"Job `{job.id}` is cancelled. Nothing was spent."
    ended = await world.matinee.only_job()
    assert (ended.state, ended.cause) == (JobState.CANCELLED, Cause.BY_MEMBER)


async def test_what_was_cancelled_from_another_channel_is_thrown_away_from_there(world: World) -> None:
    job, _ = await world.ask(model="wan2.1-14b")
    await claimed(world, job)
    elsewhere = world.guild.create_text_channel("elsewhere")
    result = await world.alice.slash(elsewhere, "cancel", job=job.id)
    assert result.response is not None
    assert "thrown away" in words(await world.alice.click(result.response, label="Throw the result away"))
    assert (await world.matinee.only_job()).discard is Cause.BY_MEMBER


async def test_retry_asks_again_as_a_new_job_with_its_own_public_message_and_only_once(world: World) -> None:
    job, _ = await world.ask()
    ended = await ambiguous(world, job)
    notice = await post(world, texts.notice(ended))
    result = await world.alice.click(notice, label="Retry")
    assert result.response is not None
    assert not result.response.ephemeral
    again = max(await world.matinee.all_jobs(), key=lambda each: each.id)
    assert (again.retry_of, again.request, again.state) == (job.id, job.request, JobState.QUEUED)
    assert again.id in result.response.content
    assert labels(result.response) == ["Cancel"]
    assert "retried already" in words(await world.alice.click(notice, label="Retry"))
    assert len(await world.matinee.all_jobs()) == 2


async def test_twenty_retries_at_once_are_one_new_job(world: World) -> None:
    job, _ = await world.ask()
    await ambiguous(world, job)
    jobs, alice = world.matinee.jobs, By(world.guild.id, world.alice.id, moderator=False)

    async def retry(interaction_id: int) -> Job | None:
        draft = await jobs.draft_retry(job.id, alice, 1)
        return await jobs.accept(draft, interaction_id, retry_of=job.id)

    ends = await asyncio.gather(*(retry(number) for number in range(20)), return_exceptions=True)
    assert sum(isinstance(end, Job) for end in ends) == 1
    assert sum(isinstance(end, NotAllowed) and end.rule is Rule.ALREADY_RETRIED for end in ends) == 19


async def test_only_the_requester_may_retry(world: World) -> None:
    job, _ = await world.ask()
    notice = await post(world, texts.notice(await ambiguous(world, job)))
    assert "somebody else's" in words(await world.mod.click(notice, label="Retry"))


async def test_a_button_on_another_jobs_message_does_nothing(world: World) -> None:
    first, _ = await world.ask()
    _, message = await world.ask()
    result = await world.raw(world.alice, press(f"v1:cancel:{first.id}"), 3, message=payload_of(world, message))
    assert "not one of its own" in words(result)
    assert {job.state for job in await world.matinee.all_jobs()} == {JobState.QUEUED}


async def test_a_button_in_another_channel_does_nothing(world: World) -> None:
    job, message = await world.ask()
    elsewhere = world.guild.create_text_channel("elsewhere")
    data, shown = press(f"v1:cancel:{job.id}"), payload_of(world, message)
    result = await world.raw(world.alice, data, 3, elsewhere, message=shown)
    assert "not one of its own" in words(result)
    assert (await world.matinee.only_job()).state is JobState.QUEUED


async def test_a_members_own_message_cannot_carry_our_buttons(world: World) -> None:
    job, _ = await world.ask()
    forged = await world.bob.send(world.channel, f"`{job.id}`")
    result = await world.raw(world.alice, press(f"v1:retry:{job.id}"), 3, message=payload_of(world, forged))
    assert "not one of its own" in words(result)


async def test_another_guilds_moderator_does_not_learn_that_the_job_exists(world: World) -> None:
    job, message = await world.ask()
    other = world.env.create_guild("Elsewhere")
    there = other.create_text_channel("general")
    role = other.create_role("mod", permissions=discord.Permissions(administrator=True))
    stranger = other.add_member(world.env.create_user("stranger"), roles=[role])
    forged = payload_of(world, message)
    result = await world.raw(stranger, press(f"v1:cancel:{job.id}"), 3, there, message=forged)
    assert "no such job" in words(result)
    assert "no such job" in words(await stranger.slash(there, "cancel", job=job.id))
    assert (await world.matinee.only_job()).state is JobState.QUEUED


OLD = ["", "v0:cancel:job0000001", "v1:cancel:job0000001:extra", "v1:fly:job0000001", "V1:cancel:job0000001", "x" * 100]


@pytest.mark.parametrize("custom_id", OLD)
async def test_a_custom_id_that_is_not_ours_is_answered_and_does_nothing(world: World, custom_id: str) -> None:
    _, message = await world.ask()
    result = await world.raw(world.alice, press(custom_id), 3, message=payload_of(world, message))
    assert "another version" in words(result)
    assert (await world.matinee.only_job()).state is JobState.QUEUED


def mutated(dice: random.Random, custom_id: str) -> str:
    place = dice.randrange(len(custom_id))
    strange = dice.choice(string.printable + "é\u202e\u0661")
    return custom_id[:place] + strange + custom_id[place + dice.randrange(2) :]


async def test_fuzzed_ids_have_no_effect(world: World) -> None:
    job, message = await world.ask()
    dice = random.Random(7)
    before = await world.matinee.all_jobs()
    for _ in range(40):
        custom_id = mutated(dice, f"v1:{dice.choice(list(Verb))}:{job.id}")
        words(await world.raw(world.bob, press(custom_id), 3, message=payload_of(world, message)))
    assert await world.matinee.all_jobs() == before


def test_ten_thousand_fuzzed_ids_are_ours_only_when_they_say_exactly_what_we_would() -> None:
    dice = random.Random(11)
    for _ in range(10_000):
        custom_id = mutated(dice, f"v1:{dice.choice(list(Verb))}:job0000001")
        button = Button.parse(custom_id)
        assert button is None or button.custom_id == custom_id


async def test_a_modal_that_nobody_sent_is_answered(world: World) -> None:
    result = await world.raw(world.alice, {"custom_id": "v1:cancel:job0000001", "components": []}, 5)
    assert "another version" in words(result)


async def test_permissions_are_those_of_the_press_not_of_the_message(world: World) -> None:
    job, message = await world.ask()
    data, shown = press(f"v1:cancel:{job.id}"), payload_of(world, message)
    result = await world.raw(world.bob, data, 3, message=shown, member=member(world, "8192"))
    assert "cancelled" in words(result)
    assert (await world.matinee.only_job()).cause is Cause.BY_MODERATOR


def member(world: World, permissions: str) -> dict[str, object]:
    user = {"id": str(world.bob.id), "username": "bob", "discriminator": "0", "avatar": None}
    return {"user": user, "roles": [], "flags": 0, "permissions": permissions, "joined_at": "2026-01-01T00:00:00+00:00"}


def press(custom_id: str) -> dict[str, object]:
    return {"custom_id": custom_id, "component_type": 2}


def payload_of(world: World, message: discord.Message) -> dict[str, object]:
    stored = world.env.backend.get_message(message.channel.id, message.id)
    return dict(serializers.message_payload(world.env.backend, stored))
