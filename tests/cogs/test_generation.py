"""`/video`, `/animate` and `/image` as members use them."""

import discord
import pytest
import simcord
from cogs_kit import PNG, World, labels, words

from bot.domain.generation import Capability
from bot.domain.job import JobState


async def test_a_request_becomes_a_job_and_then_one_public_message(world: World) -> None:
    result = await world.alice.slash(world.channel, "video", prompt="a cat", duration=4.0, spoiler=True)
    job = await world.matinee.only_job()
    assert result.response is not None
    assert not result.response.ephemeral
    content = result.response.content
    for part in (
        job.id,
        "queued",
        "wan22-fast-t2v",
        "```\na cat\n```",
        "4 s",
        "Place 1 in this guild's queue",
        "spoiler",
    ):
        assert part in content
    assert labels(result.response) == ["Cancel"]
    assert job.state is JobState.QUEUED
    assert job.ack_message_id == result.response.id
    assert job.to.member_id == world.alice.id
    assert job.to.file_limit == 26214400
    assert job.request.duration == 4


async def test_nothing_that_is_sent_may_notify_anybody_but_the_requester(world: World) -> None:
    hostile = f"@everyone @here <@{world.bob.id}> <@&{world.guild.id}> ``` # big"
    _, message = await world.ask(prompt=hostile, model="wan2.1-14b", negative_prompt=hostile)
    await world.alice.slash(world.channel, "video", prompt=hostile, model=hostile)
    await world.alice.slash(world.channel, "queue")
    await world.admin.slash(world.channel, "admin pause", reason=hostile[:200])
    await world.alice.slash(world.channel, "video", prompt=hostile)
    await world.alice.click(message, label="Cancel")
    bodies = [each.json for each in world.env.http_requests if each.path.endswith("/callback")]
    assert len(bodies) == 6
    for body in bodies:
        allowed = body["data"]["allowed_mentions"]
        assert allowed["parse"] == []
        assert set(allowed.get("users", [])) <= {world.alice.id}


async def test_a_picture_is_animated_with_a_prompt_of_ours_when_none_is_given(world: World) -> None:
    await world.alice.slash(world.channel, "animate", image=("cat.png", PNG))
    job = await world.matinee.only_job()
    assert job.request.capability is Capability.IMAGE_TO_VIDEO
    assert job.request.images == ("image.jpg",)
    assert "natural, gentle motion" in job.request.prompt


async def test_an_image_is_asked_for(world: World) -> None:
    result = await world.alice.slash(world.channel, "image", prompt="a cat", aspect="square", seed=7)
    job = await world.matinee.only_job()
    assert (job.request.model, job.request.seed) == ("qwen-image", 7)
    assert result.response is not None
    assert "seed 7" in result.response.content


@pytest.mark.parametrize(
    ("command", "options", "expected"),
    [
        ("video", {"model": "wan2.1-14b", "steps": 99}, "`steps` takes 10 to 30 with wan2.1-14b; you gave 99."),
        ("video", {"model": "skyreels", "fps": 24}, "skyreels does not take `fps`."),
        ("video", {"model": "qwen-image"}, "`model`: qwen-image is for `/image`"),
        ("video", {"model": "@everyone"}, "there is no such model"),
        ("video", {"prompt": "\u0000\u0007"}, "`prompt` takes 1 to 2000 characters; you gave 0."),
        ("image", {"negative_prompt": " "}, "`negative_prompt` takes 1 to 2000 characters"),
        ("video", {"duration": 6.5, "quality": "high"}, "`duration` takes"),
    ],
)
async def test_what_a_model_cannot_do_is_refused_privately_and_nothing_is_stored(
    world: World, command: str, options: dict[str, object], expected: str
) -> None:
    result = await world.alice.slash(world.channel, command, **{"prompt": "a cat", **options})
    assert expected in words(result)
    assert "@everyone" not in words(result)
    assert labels(result.response) == []
    assert await world.matinee.all_jobs() == []


async def test_a_refusal_names_a_model_that_can(world: World) -> None:
    result = await world.alice.slash(world.channel, "video", prompt="a cat", model="skyreels", fps=24)
    assert "can do it" in words(result)


async def test_an_empty_picture_is_refused(world: World) -> None:
    result = await world.alice.slash(world.channel, "animate", image=("cat.png", b""))
    assert "The picture in `image` is empty." in words(result)
    assert await world.matinee.all_jobs() == []


async def test_a_last_image_is_refused_by_a_model_without_one(world: World) -> None:
    pictures = {"image": ("a.png", PNG), "last_image": ("b.png", PNG)}
    result = await world.alice.slash(world.channel, "animate", model="wan2.1-14b", **pictures)
    assert "wan2.1-14b does not take `last_image`." in words(result)
    assert "skyreels-v2" in words(result)


async def test_a_full_queue_says_when_there_is_room_again(world: World) -> None:
    for _ in range(3):
        await world.ask()
    result = await world.alice.slash(world.channel, "video", prompt="one more")
    assert "3 jobs of one member" in words(result)
    assert "<t:18" in words(result)
    assert len(await world.matinee.all_jobs()) == 3


async def test_the_permission_that_is_missing_is_named_before_anything_is_stored(world: World) -> None:
    denied = discord.PermissionOverwrite(attach_files=False)
    closed = world.guild.create_text_channel("closed", overwrites={world.env.bot.user: denied})
    result = await world.alice.slash(closed, "video", prompt="a cat")
    assert "**Attach Files**" in words(result)
    assert await world.matinee.all_jobs() == []


async def test_a_thread_wants_its_own_permission_and_counts_as_its_channel(world: World) -> None:
    denied = discord.PermissionOverwrite(send_messages_in_threads=False)
    parent = world.guild.create_text_channel("films", overwrites={world.env.bot.user: denied})
    thread = await thread_in(world, parent)
    assert "**Send Messages in Threads**" in words(await world.alice.slash(thread, "video", prompt="a cat"))
    open_thread = await thread_in(world, world.channel)
    await world.matinee.policies.allow_channel(world.guild.id, 1, world.channel.id)
    result = await world.alice.slash(open_thread, "video", prompt="a cat")
    assert result.response is not None
    assert not result.response.ephemeral
    assert (await world.matinee.only_job()).to.channel_id == open_thread.id
    assert "not allowed in this channel" in words(await world.alice.slash(parent, "video", prompt="a cat"))


async def thread_in(world: World, channel: simcord.ChannelHandle) -> simcord.ChannelHandle:
    message = await world.alice.send(channel, "a thread, please")
    await world.env.bot.http.start_thread_with_message(
        channel.id, message.id, name="a thread", auto_archive_duration=60, rate_limit_per_user=0
    )
    return channel.threads[0]


async def test_outside_guilds_everything_is_refused(world: World) -> None:
    option = {"name": "prompt", "type": 3, "value": "a cat"}
    user = {"id": str(world.alice.id), "username": "alice", "discriminator": "0", "avatar": None}
    video = {"id": "1", "name": "video", "type": 1, "options": [option]}
    direct = {"id": "811111111111111111", "type": 1}
    for data in (video, {"id": "1", "name": "queue", "type": 1}):
        result = await world.raw(world.alice, data, guild_id=None, user=user, channel=direct, context=1)
        assert "channels and threads of a guild only" in words(result)
    assert await world.matinee.all_jobs() == []


async def test_where_a_guild_has_the_commands_but_not_the_bot_nothing_is_made(world: World) -> None:
    """Installed for its commands alone: nothing could be posted there later."""
    elsewhere = "811111111111111112"
    video = {"id": "1", "name": "video", "type": 1, "options": [{"name": "prompt", "type": 3, "value": "a cat"}]}
    changes = {
        "guild_id": elsewhere,
        "authorizing_integration_owners": {"0": elsewhere},
        "app_permissions": "2147483647",
    }
    assert "where it was added to the guild" in words(await world.raw(world.alice, video, **changes))
    assert await world.matinee.all_jobs() == []


async def test_completion_of_strange_input_offers_nothing(world: World) -> None:
    option = {"name": "model", "type": 3, "value": 5, "focused": True}
    data = {"id": "1", "name": "video", "type": 1, "options": [option]}
    result = await world.raw(world.alice, data, 4)
    assert all("5" in choice["value"] for choice in result.autocomplete_choices or [])


async def test_who_asks_while_the_bot_stops_is_told_that_it_starts_after_the_restart(world: World) -> None:
    world.matinee.jobs.close()
    _, message = await world.ask()
    assert "restarting; it starts after that" in message.content
    assert (await world.matinee.only_job()).state is JobState.QUEUED


async def test_models_complete_from_those_of_the_command_that_the_guild_allows(world: World) -> None:
    await world.matinee.policies.deny_model(world.guild.id, 1, "wan2.1-14b")
    offered = await world.alice.autocomplete(world.channel, "video", "model", "wan")
    names = [choice["value"] for choice in offered]
    assert names == ["wan22-fast-t2v", "wan22-fast-t2v-premium", "wan22-fast-t2v-pro"]
    images = await world.alice.autocomplete(world.channel, "image", "model", "")
    assert [choice["value"] for choice in images] == ["qwen-image"]
    assert await world.alice.autocomplete(world.channel, "animate", "model", "no such thing") == []
