"""`/queue`, `/cancel`, `/models`, and payloads that no client would send."""

import sqlite3

import pytest
from cogs_kit import World, words

from bot.client import UnreadableInteraction
from bot.domain.job import JobState


async def test_the_queue_is_private_and_shows_the_guilds_jobs_and_ones_own(world: World) -> None:
    job, _ = await world.ask()
    await world.bob.slash(world.channel, "video", prompt="a dog")
    result = await world.alice.slash(world.channel, "queue")
    first, second = words(result), result.followups[0]
    assert second.ephemeral
    assert f"1. `{job.id}` · queued" in first
    assert f"<@{world.bob.id}>" in first
    assert job.id in second.content
    assert f"<@{world.bob.id}>" not in second.content
    assert "a dog" not in first + second.content


async def test_an_empty_queue_says_so(world: World) -> None:
    assert "Nobody is waiting." in words(await world.alice.slash(world.channel, "queue"))


async def test_models_are_listed_with_their_limits_in_messages_that_fit(world: World) -> None:
    result = await world.alice.slash(world.channel, "models")
    pages = [words(result), *(page.content for page in result.followups)]
    assert all(page.ephemeral for page in result.followups)
    assert all(len(page) <= 2000 for page in pages)
    everything = "\n".join(pages)
    for spec in world.matinee.catalog.models():
        assert f"**{spec.id}**" in everything
    assert "`steps` 10 to 30" in everything
    assert "usually 90 s" in everything


async def test_a_denied_model_is_not_listed(world: World) -> None:
    await world.matinee.policies.deny_model(world.guild.id, 1, "qwen-image")
    result = await world.alice.slash(world.channel, "models")
    assert "qwen-image" not in "".join([words(result), *(page.content for page in result.followups)])


async def test_cancel_completes_over_ones_own_jobs_only(world: World) -> None:
    job, _ = await world.ask(prompt="@everyone look")
    await world.bob.slash(world.channel, "video", prompt="a dog")
    offered = await world.alice.autocomplete(world.channel, "cancel", "job", "")
    assert [choice["value"] for choice in offered] == [job.id]
    assert offered[0]["name"] == f"{job.id} · queued · @everyone look"
    assert await world.alice.autocomplete(world.channel, "cancel", "job", "zebra") == []


async def test_at_most_25_jobs_complete_and_names_are_at_most_100_characters(world: World) -> None:
    job, _ = await world.ask(prompt="x" * 500)
    for number in range(40):
        world.matinee.live.update(job._replace(id=f"other{number:05}"))
    offered = await world.alice.autocomplete(world.channel, "cancel", "job", "")
    assert len(offered) == 25
    assert all(len(choice["name"]) <= 100 for choice in offered)


async def test_a_job_is_cancelled_by_its_id(world: World) -> None:
    job, _ = await world.ask()
    assert "cancelled" in words(await world.alice.slash(world.channel, "cancel", job=f" {job.id.upper()} "))
    assert (await world.matinee.only_job()).state is JobState.CANCELLED


@pytest.mark.parametrize("job_id", ["nothing", "' OR 1=1 --", "\u202ek7w2", "%"])
async def test_an_id_that_is_no_jobs_is_refused(world: World, job_id: str) -> None:
    await world.ask()
    assert "no such job" in words(await world.alice.slash(world.channel, "cancel", job=job_id))


def option(name: str, kind: int, value: object) -> dict[str, object]:
    return {"name": name, "type": kind, "value": value}


PROMPT = option("prompt", 3, "a cat")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([PROMPT, option("volume", 4, 11)], "This command has changed"),
        ([], "This command has changed"),
        ([PROMPT, option("steps", 3, "many")], "`steps` takes a whole number."),
        ([PROMPT, option("steps", 4, True)], "`steps` takes a whole number."),
        ([PROMPT, option("steps", 4, 12.5)], "`steps` takes a whole number."),
        ([PROMPT, option("steps", 4, 10**310)], "`steps` takes a whole number."),
        ([PROMPT, option("duration", 10, float("nan"))], "`duration` takes a number."),
        ([PROMPT, option("duration", 3, "long")], "`duration` takes a number."),
        ([PROMPT, option("duration", 10, 1e300)], "`duration` takes"),
        ([PROMPT, option("model", 3, "wan2.1-14b"), option("seed", 4, -(10**30))], "`seed` takes 0 to 4294967295"),
        ([PROMPT, option("aspect", 3, "round")], "`aspect` takes landscape, portrait or square."),
        ([PROMPT, option("spoiler", 5, "yes")], "`spoiler` takes true or false."),
        ([option("prompt", 4, 5)], "`prompt` takes text."),
        ([option("prompt", 3, "\ud800")], "`prompt` takes text."),
        ([option("prompt", 3, "")], "`prompt` takes 1 to 2000 characters"),
        ([option("prompt", 3, "x" * 6000)], "`prompt` takes 1 to 2000 characters; you gave 6000."),
    ],
)
async def test_a_crafted_option_is_refused_by_name(world: World, options: list[object], expected: str) -> None:
    data = {"id": "1", "name": "video", "type": 1, "options": options}
    world.provoked = (Exception,) if "changed" in expected else ()
    assert expected in words(await world.raw(world.alice, data))
    assert await world.matinee.all_jobs() == []


async def test_a_file_that_discord_does_not_hold_is_refused(world: World) -> None:
    data = {"id": "1", "name": "animate", "type": 1, "options": [option("image", 11, "811111111111111111")]}
    assert "`image` takes an attached file." in words(await world.raw(world.alice, data))


async def test_a_payload_that_cannot_be_read_is_answered_and_the_client_lives(world: World) -> None:
    world.provoked = (UnreadableInteraction,)
    data = {"id": "1", "name": "video", "type": 1, "options": [option("duration", 10, "long"), {"name": "prompt"}]}
    assert "nothing was stored or spent" in words(await world.raw(world.alice, data))
    await world.ask()


async def test_an_unknown_command_is_answered(world: World) -> None:
    world.provoked = (Exception,)
    assert "has changed" in words(await world.raw(world.alice, {"id": "1", "name": "film", "type": 1}))


async def test_a_user_install_in_a_guild_is_refused(world: World) -> None:
    data = {"id": "1", "name": "video", "type": 1, "options": [PROMPT]}
    owners = {"1": str(world.alice.id)}
    result = await world.raw(world.alice, data, authorizing_integration_owners=owners)
    assert "where it was added to the guild" in words(result)
    assert await world.matinee.all_jobs() == []


async def test_an_event_that_cannot_be_read_does_not_end_the_connection(world: World) -> None:
    world.env.bot._connection.parsers["INTERACTION_CREATE"]({"id": "1"})
    await world.ask()


async def test_a_busy_database_asks_to_try_again(world: World) -> None:
    other = sqlite3.connect(world.matinee.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    result = await world.alice.slash(world.channel, "video", prompt="a cat")
    other.close()
    assert "database is busy. Nothing was stored or spent" in words(result)
    assert await world.matinee.all_jobs() == []


async def test_a_disk_that_refuses_is_told_as_full(world: World) -> None:
    await world.matinee.database.write(lambda connection: connection.execute("PRAGMA query_only = 1"))
    result = await world.alice.slash(world.channel, "video", prompt="a cat")
    assert "storage is full. Nothing was stored or spent" in words(result)
    assert await world.matinee.all_jobs() == []
