"""Rate limits, and misfortune on demand."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from discord_kit import Stage, png, stage

from bot.sandbox.discord import Fault, Limit, Upload


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as made:
        yield made


async def test_a_bucket_counts_down_and_then_says_when_to_come_back(scene: Stage) -> None:
    left = [(await scene.send({"content": str(each)})).headers["X-RateLimit-Remaining"] for each in range(5)]
    assert left == ["4", "3", "2", "1", "0"]
    scene.clock.advance(3)
    refused = await scene.send({"content": "6"})
    assert refused.status == 429
    assert refused.body == {"message": "You are being rate limited.", "retry_after": 2.0, "global": False}
    assert refused.headers["Via"]
    assert refused.headers["X-RateLimit-Scope"] == "user"
    assert int(refused.headers["Retry-After"]) >= 2
    scene.clock.advance(2)
    assert (await scene.send({"content": "6"})).status == 200


async def test_each_channel_has_its_own_bucket(scene: Stage) -> None:
    for each in range(5):
        await scene.send({"content": str(each)})
    other = scene.guild.add_channel("other")
    assert (await scene.rest("POST", f"/channels/{other.id}/messages", {"content": "x"})).status == 200
    assert (await scene.rest("GET", f"/channels/{scene.channel.id}/messages")).status == 200


async def test_the_whole_bot_has_fifty_a_second_and_interactions_do_not_count(scene: Stage) -> None:
    await scene.register({"name": "go"})
    scene.discord.options.limits["read"] = Limit(1000, 1)
    statuses = [(await scene.rest("GET", f"/channels/{scene.channel.id}")).status for _ in range(50)]
    assert statuses == [200] * 49 + [429]
    last = await scene.rest("GET", f"/channels/{scene.channel.id}")
    assert last.body["global"] is True
    assert last.headers["X-RateLimit-Global"] == "true"
    _, opened = await scene.slash()
    assert (await scene.callback(opened, 4, {"content": "x"})).status == 204


async def test_follow_ups_are_limited_per_token_and_per_channel(scene: Stage) -> None:
    await scene.register({"name": "go"})
    _, opened = await scene.slash()
    await scene.callback(opened, 4, {"content": "x"})
    for each in range(5):
        assert (await scene.rest("POST", scene.webhook(opened), {"content": str(each)}, token=None)).status == 200
    assert (await scene.rest("POST", scene.webhook(opened), {"content": "6"}, token=None)).status == 429
    scene.clock.advance(2)
    scene.discord.options.limits["webhook-channel"] = Limit(6, 60)
    assert (await scene.rest("POST", scene.webhook(opened), {"content": "6"}, token=None)).status == 200
    assert (await scene.rest("POST", scene.webhook(opened), {"content": "7"}, token=None)).status == 429


@pytest.mark.parametrize("scope", ["user", "shared", "global"])
async def test_a_scripted_429_names_its_scope(scene: Stage, scope: str) -> None:
    scene.discord.faults.add(Fault("POST /channels/*/messages", retry_after=1.5, scope=scope))  # type: ignore[arg-type]
    answer = await scene.send({"content": "x"})
    assert (answer.status, answer.body["retry_after"], answer.body["global"]) == (429, 1.5, scope == "global")
    assert answer.headers["X-RateLimit-Scope"] == scope
    assert (await scene.send({"content": "x"})).status == 200


async def test_a_scripted_status_has_no_effect_and_ends_after_its_times(scene: Stage) -> None:
    scene.discord.faults.add(Fault("POST /channels/*/messages", times=2, status=403, code=50013))
    assert [(await scene.send({"content": "x"})).status for _ in range(3)] == [403, 403, 200]
    assert len(scene.channel.messages) == 1


@pytest.mark.parametrize(("drop", "messages"), [("before", 0), ("after", 1)])
async def test_the_socket_closes_before_or_after_the_effect(scene: Stage, drop: str, messages: int) -> None:
    scene.discord.faults.add(Fault("POST /channels/*/messages", drop=drop))  # type: ignore[arg-type]
    with pytest.raises(aiohttp.ClientConnectionError):
        await scene.send({"content": "x"}, Upload("a.png", png()))
    assert len(scene.channel.messages) == messages
    assert scene.discord.transcript.rest("POST", "/messages")[-1].status == 0


async def test_an_effect_may_be_answered_by_a_502(scene: Stage) -> None:
    scene.discord.faults.add(Fault("POST /channels/*/messages", effect_then_status=502))
    body = {"content": "once", "nonce": "n", "enforce_nonce": True}
    assert (await scene.send(body)).status == 502
    assert (await scene.send(body)).status == 200
    assert len(scene.channel.messages) == 1


async def test_an_answer_may_come_late(scene: Stage) -> None:
    scene.discord.faults.add(Fault("POST /channels/*/messages", answer_after=30))
    task = asyncio.create_task(scene.send({"content": "x"}))
    await scene.discord.until(lambda: scene.channel.messages)
    assert not task.done()
    while not task.done():
        scene.clock.advance(30)
        await asyncio.sleep(0)
    assert task.result().status == 200


async def test_a_fault_does_exactly_one_thing() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Fault("GET /users/@me", status=500, drop="before")
    with pytest.raises(ValueError, match="place"):
        Fault(status=500)


async def test_a_wrong_path_is_not_hit(scene: Stage) -> None:
    scene.discord.faults.add(Fault("POST /channels/*", status=500))
    assert (await scene.send({"content": "x"})).status == 200


async def test_the_transcript_has_requests_files_answers_and_events(scene: Stage) -> None:
    gateway = await scene.gateway(intents=1 << 9)
    await gateway.event("READY")
    await scene.send({"content": "x"}, Upload("a.png", png()))
    (request,) = scene.discord.transcript.rest("POST", "/messages")
    assert (request.status, request.body, request.reply["content"]) == (200, {"content": "x"}, "x")
    (file,) = request.files
    assert (file.name, file.size) == ("files[0]: a.png", len(png()))
    assert len(file.sha256) == 64
    assert [each.event for each in scene.discord.transcript if each.kind == "to_bot"] == ["READY", "MESSAGE_CREATE"]
    assert "token" not in json.dumps([each.body for each in scene.discord.transcript if each.event == "op 2"]).replace(
        '"token": "..."', ""
    )


async def test_too_large_a_request_is_answered_and_not_cut_off(scene: Stage) -> None:
    scene.discord.options.file_limit = 1024
    scene.discord.options.request_limit = 1024
    answer = await scene.send({"content": "x"}, Upload("a.bin", bytes(6 * 1024 * 1024)))
    assert (answer.status, answer.code) == (413, 40005)


async def test_broken_json_is_refused(scene: Stage) -> None:
    url = f"{scene.discord.api_url}/channels/{scene.channel.id}/messages"
    headers = {"Authorization": f"Bot {scene.discord.bot_token}", "Content-Type": "application/json"}
    async with scene.session.post(url, data=b"{", headers=headers) as reply:
        assert (reply.status, (await reply.json())["code"]) == (400, 50109)
