"""What moderators set: in force at once, kept over a restart, on record; and nobody else may."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import crafted
import pytest
import pytest_asyncio
from crafted import option
from e2e_kit import Scene, private, scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAN = "wan2.1-14b"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("moderation")) as playing:
        yield playing


async def admin(it: Scene, verb: str, **options: Any) -> str:
    return private(await it.mara.slash(it.channel, f"admin {verb}", **options))


async def video(it: Scene, **options: Any) -> str:
    return private(await it.ben.slash(it.channel, "video", **{"prompt": "a cat"} | options))


def audit(it: Scene) -> list[dict[str, Any]]:
    return it.rows("SELECT * FROM audit WHERE guild_id = ? ORDER BY id", it.guild.id)


async def decide(it: Scene) -> list[dict[str, Any]]:
    """One of everything that restricts; what stands on record then."""
    text = await admin(it, "limits set", jobs_per_hour=6, burst=2, queued_per_member=1)
    assert "`burst` 2" in text
    await admin(it, "models deny", model=WAN)
    await admin(it, "models default", command="video", model="cogvideox")
    await admin(it, "block", member=it.chen.user, reason="spam")
    await admin(it, "channels allow", channel=it.channel)
    await admin(it, "pause", reason="movie night")
    return audit(it)


async def test_every_verb_takes_effect_at_once_survives_a_restart_and_is_on_record(it: Scene) -> None:
    films = it.guild.channels[1]
    before = await decide(it)
    for _ in range(2):
        assert "movie night" in await video(it)
        assert "`burst` 2" in await admin(it, "limits show")
        assert it.chen.user.mention in await admin(it, "blocked")
        await it.stop()
        await it.start()
    await admin(it, "resume")
    assert it.channel.mention in private(await it.ben.slash(films, "video", prompt="a cat"))
    assert "spam" in private(await it.chen.slash(it.channel, "video", prompt="a cat"))
    assert "switched" in await video(it, model=WAN)
    choices = await it.ben.complete(it.channel, "video", focused="model", prompt="x", model="wan2")
    assert WAN not in [choice["value"] for choice in choices]
    job = await it.ask(member=it.ben)
    assert it.job(job)["model"] == "cogvideox"
    await it.film(job)
    await admin(it, "unblock", member=it.chen.user)
    await admin(it, "channels clear")
    await admin(it, "models allow", model=WAN)
    job = await it.ask(member=it.chen, channel=films, model=WAN)
    await it.film(job)
    await it.reaches(job, "done")
    assert f"`{job}`" in await admin(it, "jobs", member=it.chen.user, state="done")
    check_record(it, before)


def check_record(it: Scene, before: list[dict[str, Any]]) -> None:
    assert audit(it)[:6] == before
    assert [row["verb"] for row in audit(it)] == [
        "limits set", "models deny", "models default", "block", "channels allow", "pause",
        "resume", "unblock", "channels clear", "models allow",
    ]  # fmt: skip
    assert {row["moderator_id"] for row in before} == {it.mara.user.id}
    assert all(row["before"] != row["after"] for row in before)
    assert "movie night" in before[-1]["after"]
    for row in audit(it):
        json.loads(row["before"])
        json.loads(row["after"])


async def test_more_than_the_operator_allows_is_refused_and_not_on_record(it: Scene) -> None:
    rows = len(audit(it))
    text = await admin(it, "limits set", burst=201)
    assert "`burst` takes at most 200" in text
    assert "Name at least one" in await admin(it, "limits set")
    assert "`model`" in await admin(it, "models deny", model="nothing")
    assert "`until`" in await admin(it, "block", member=it.ben.user, until="yesterday")
    assert len(audit(it)) == rows


async def test_who_is_no_moderator_is_refused_even_when_discord_lets_the_command_through(it: Scene) -> None:
    assert "admin" not in [command["name"] for command in it.alice.commands(it.channel)]
    rows = len(audit(it))
    user = option("member", str(it.mara.user.id), 6)
    for path, options in (
        (["pause"], []),
        (["resume"], []),
        (["blocked"], []),
        (["jobs"], []),
        (["limits", "show"], []),
        (["limits", "set"], [option("burst", 1)]),
        (["models", "deny"], [option("model", WAN)]),
        (["channels", "clear"], []),
        (["block"], [user]),
        (["cancel"], [option("job", it.jobs()[0]["id"])]),
    ):
        nested = {"name": path[-1], "type": 1, "options": options}
        if len(path) == 2:
            nested = {"name": path[0], "type": 2, "options": [nested]}
        reply = await crafted.command(it, "admin", nested)
        assert "Only moderators" in private(reply), path
    assert len(audit(it)) == rows


async def test_one_guild_knows_nothing_of_another(it: Scene) -> None:
    other = it.elsewhere("Neighbours")
    job = it.jobs()[0]["id"]
    assert "no such job" in private(await other.mara.slash(other.channel, "admin cancel", job=job))
    assert "no such job" in private(await other.ben.slash(other.channel, "cancel", job=job))
    assert job not in await admin(other, "jobs")
    assert "`burst` 200" in await admin(other, "limits show")
    await admin(other, "pause")
    await it.ask("image", member=it.ben)
