"""All that the bot says to Discord in an evening, held against Discord's own description and its own manners."""

from __future__ import annotations

from collections.abc import AsyncIterator

import crafted
import pytest
import pytest_asyncio
from crafted import option
from e2e_kit import Scene, everyone_was_told, private, scene

from bot.sandbox.discord import Fault, Permission, Upload
from bot.sandbox.providers import ProviderFault
from tests.sandbox.openapi_kit import Description, load
from tests.support.media import picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAN, FAST = "wan2.1-14b", "wan22-fast-t2v"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One evening: films, pictures, failures, retries, cancellations, refusals, moderation."""
    async with scene(tmp_path_factory.mktemp("contract"), speed=60) as playing:
        await films_and_failures(playing)
        await words_in_private(playing)
        await everyone_was_told(playing)
        await shown_after_all(playing)
        yield playing


async def films_and_failures(it: Scene) -> None:
    image = Upload("cat.png", picture((320, 240)))
    thread = it.guild.add_channel("talk", "thread", parent=it.channel)
    films = [
        await it.ask(model=FAST, spoiler=True),
        await it.ask("image", channel=thread, seed=5, negative_prompt="rain"),
        await it.ask("animate", image=image, last_image=image, model="skyreels-v2-14b-540p"),
        await it.ask("image", channel=it.guild.add_channel("lounge", "voice")),
    ]
    it.providers.faults.add(ProviderFault(provider="chutes", step="generate", model=WAN, drop="after_read"))
    failed = await it.ask(model=WAN)
    thrown = await it.ask(model="cogvideox")
    message = it.queue_message(thrown)
    assert message is not None
    await it.reaches(thrown, "submitting")
    reply = await it.alice.press(message, "Cancel")
    assert reply.message is not None
    await it.alice.press(reply.message, "Throw")
    await it.told(failed)
    await it.alice.press(it.notices(failed)[0], "Retry")
    closed = it.guild.add_channel("closed")
    sent = await it.ask(channel=closed, model="skyreels")
    closed.set_permissions(it.guild.bot, deny=Permission.ATTACH_FILES)
    for job in (*films, sent):
        await it.film(job)
    strict = it.guild.add_channel("strict")
    it.discord.faults.add(Fault(f"POST /channels/{strict.id}/messages", status=400, code=200000))
    await it.told(await it.ask("image", channel=strict))


async def shown_after_all(it: Scene) -> None:
    (row,) = [row for row in it.jobs() if row["state"] == "undeliverable"]
    (notice,) = it.notices(row["id"])
    assert f"/show job:{row['id']}" in notice.content
    await it.alice.slash(notice.channel, "show", job=row["id"])
    film = await it.film(row["id"])
    assert (await it.reaches(row["id"], "done"))["result_message_id"] == film.id
    await it.told(row["id"])


async def words_in_private(it: Scene) -> None:
    for command in ("queue", "models"):
        private(await it.alice.slash(it.channel, command))
    private(await it.alice.slash(it.channel, "show", job=it.jobs()[0]["id"]))
    private(await it.alice.slash(it.channel, "video", prompt="a cat", model=WAN, fps=1))
    private(await crafted.command(it, "video", option("prompt", "x" * 2001)))
    await it.alice.complete(it.channel, "video", focused="model", prompt="x", model="wan")
    await it.alice.complete(it.channel, "cancel", focused="job", job="")
    for verb, options in (
        ("limits show", {}), ("limits set", {"burst": 5}), ("models deny", {"model": WAN}), ("jobs", {}),
        ("held list", {}), ("held release", {}), ("held drop", {}),
        ("block", {"member": it.chen.user, "until": "2h"}), ("blocked", {}), ("pause", {"reason": "@everyone out"}),
    ):  # fmt: skip
        private(await it.mara.slash(it.channel, f"admin {verb}", **options))
    private(await it.alice.slash(it.channel, "image", prompt="a cat"))
    private(await it.mara.slash(it.channel, "admin resume"))


async def test_every_request_is_as_discord_describes_it(it: Scene) -> None:
    description = Description(load())
    sent = it.discord.transcript.rest()
    assert len(sent) > 40
    found = [words for entry in sent for words in description.complaints(entry) if " sent: " in words]
    assert found == [], "\n".join(found)
    assert it.discord.complaints == []


async def test_commands_are_for_guilds_and_admin_for_moderators(it: Scene) -> None:
    known = {command["name"]: command for command in it.discord.commands.all(None)}
    assert set(known) == {"video", "animate", "image", "queue", "cancel", "models", "show", "admin"}
    for command in known.values():
        assert command["contexts"] == [0]
        assert command["integration_types"] == [0]
    assert int(known["admin"]["default_member_permissions"]) == Permission.MANAGE_GUILD
    assert all(known[name]["default_member_permissions"] is None for name in set(known) - {"admin"})
    assert len(it.discord.transcript.rest("PUT", "/commands")) == 1


async def test_every_message_of_a_job_carries_its_one_nonce(it: Scene) -> None:
    posts = [
        entry.body for entry in it.discord.transcript.rest("POST", "/channels/") if entry.path.endswith("/messages")
    ]
    nonces = {row["nonce"] for row in it.jobs()}
    assert posts
    for body in posts:
        assert body["enforce_nonce"] is True
        assert len(str(body["nonce"])) <= 25
        assert any(str(body["nonce"]).startswith(nonce) for nonce in nonces)


async def test_no_intent_is_privileged_and_nothing_is_asked_twice_a_second(it: Scene) -> None:
    (identify,) = [entry for entry in it.discord.transcript if entry.kind == "from_bot" and entry.event == "op 2"]
    assert identify.body["intents"] == 1
    polls: dict[str, list[float]] = {}
    for request in it.providers.requests:
        if request.step == "status":
            polls.setdefault(request.path, []).append(request.when)
    for times in polls.values():
        assert len(times) - 1 <= (times[-1] - times[0]) / 2 + 1
