"""The members' HTTP side, the page and the files."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from discord_kit import Stage, png, stage

from bot.sandbox.discord import Permission, Upload


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Stage]:
    (tmp_path / "index.html").write_text("<!doctype html><title>Chat</title>")
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "main.js").write_text("export {};")
    async with stage(tmp_path) as made:
        yield made


async def call(scene: Stage, method: str, path: str, body: Any = None, who: Any = None, **sent: Any) -> tuple[int, Any]:
    url = f"{scene.discord.origin}/sandbox{path}"
    acting = who or scene.alice
    if body is not None:
        sent["json"] = body
    async with scene.session.request(method, url, params={"as": str(acting.user.id)}, **sent) as reply:
        return reply.status, await reply.json()


async def test_the_world_names_users_guilds_channels_and_the_bot(scene: Stage) -> None:
    _, world = await call(scene, "GET", "/world")
    assert {each["username"] for each in world["users"]} == {"matinee", "operator", "alice", "mona"}
    (guild,) = world["guilds"]
    assert guild["name"] == "Film Club"
    assert guild["channels"] == [{"id": str(scene.channel.id), "name": "general", "type": 0, "parent_id": None}]
    moderators = {each["user_id"] for each in guild["members"] if each["moderator"]}
    assert str(scene.moderator.user.id) in moderators
    assert str(scene.alice.user.id) not in moderators
    assert world["bot"] == {"id": str(scene.application), "online": False}
    await (await scene.gateway(intents=0)).event("READY")
    assert (await call(scene, "GET", "/world"))[1]["bot"]["online"] is True


async def test_a_command_with_a_file_is_run_and_its_answer_returned(scene: Stage) -> None:
    await scene.register(
        {"name": "go", "options": [{"type": 11, "name": "image", "description": "x", "required": True}]}
    )
    form = aiohttp.FormData()
    form.add_field("payload", json.dumps({"name": "go", "options": {}}))
    form.add_field("image", png(), filename="in.png")
    path = f"/channels/{scene.channel.id}/command"
    task, opened = await scene.opened(call(scene, "POST", path, data=form))  # type: ignore[arg-type]
    (attachment,) = opened.data["resolved"]["attachments"].values()
    assert attachment["filename"] == "in.png"
    await scene.callback(opened, 4, {"content": "seen", "flags": 64})
    status, answer = await task  # type: ignore[misc]
    assert status == 200
    interaction = answer["interaction"]
    assert interaction["message"]["content"] == "seen"
    assert interaction["message"]["flags"] == 64
    assert interaction["ephemeral"] is True
    assert (interaction["refusal"], interaction["modal"]) == (None, None)


async def test_choices_buttons_and_dialogs_go_over_http_too(scene: Stage) -> None:
    pick = {"type": 3, "name": "model", "description": "Which", "autocomplete": True}
    await scene.register({"name": "go", "options": [pick]})
    path = f"/channels/{scene.channel.id}/complete"
    asked = call(scene, "POST", path, {"name": "go", "options": {"model": "w"}, "focused": "model"})
    task, opened = await scene.opened(asked)
    await scene.callback(opened, 8, {"choices": [{"name": "Wan", "value": "wan"}]})
    assert (await task)[1] == {"choices": [{"name": "Wan", "value": "wan"}]}  # type: ignore[index]

    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Why", "custom_id": "why"}]}
    sent = await scene.send({"content": "x", "components": [row]})
    pressed = call(scene, "POST", f"/messages/{sent.body['id']}/component", {"custom_id": "why"})
    task, opened = await scene.opened(pressed)
    field = {"type": 18, "label": "Reason", "component": {"type": 4, "custom_id": "r", "style": 1}}
    await scene.callback(opened, 9, {"custom_id": "m", "title": "Why", "components": [field]})
    modal = (await task)[1]["interaction"]["modal"]  # type: ignore[index]
    assert (modal["title"], modal["interaction_id"]) == ("Why", str(opened.id))

    task, opened = await scene.opened(call(scene, "POST", f"/modals/{opened.id}", {"values": {"r": "so"}}))
    assert opened.data["components"][0]["component"]["value"] == "so"
    await scene.callback(opened, 4, {"content": "thanks"})
    assert (await task)[1]["interaction"]["message"]["content"] == "thanks"  # type: ignore[index]


async def test_everybody_sees_only_what_is_meant_for_them(scene: Stage) -> None:
    await scene.register({"name": "go"})
    task, opened = await scene.slash()
    await scene.callback(opened, 4, {"content": "psst", "flags": 64})
    await task
    path = f"/channels/{scene.channel.id}/messages"
    assert [each["content"] for each in (await call(scene, "GET", path))[1]] == ["psst"]
    assert (await call(scene, "GET", path, who=scene.moderator))[1] == []
    scene.channel.set_permissions(scene.guild.everyone, deny=Permission.VIEW_CHANNEL)
    status, answer = await call(scene, "GET", path)
    assert (status, list(answer)) == (400, ["error"])


async def test_direct_messages_commands_and_ordinary_messages(scene: Stage) -> None:
    await scene.register({"name": "go"}, {"name": "rule", "default_member_permissions": "32"})
    opened = await scene.rest("POST", "/users/@me/channels", {"recipient_id": str(scene.alice.user.id)})
    await scene.rest("POST", f"/channels/{opened.body['id']}/messages", {"content": "psst"})
    _, direct = await call(scene, "GET", "/dms")
    assert [(each["channel_id"], each["messages"][0]["content"]) for each in direct] == [(opened.body["id"], "psst")]
    path = f"/guilds/{scene.guild.id}/commands"
    assert [each["name"] for each in (await call(scene, "GET", path))[1]] == ["go"]
    assert [each["name"] for each in (await call(scene, "GET", path, who=scene.moderator))[1]] == ["go", "rule"]
    assert (await call(scene, "GET", "/dms/commands"))[0] == 200
    _, said = await call(scene, "POST", f"/channels/{scene.channel.id}/say", {"content": "hello"})
    assert said["message"]["author"]["username"] == "alice"
    assert (await call(scene, "DELETE", f"/messages/{said['message']['id']}"))[0] == 200
    assert scene.channel.messages == {}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/channels/1/say", {"content": "x"}),
        ("POST", "/channels/{channel}/say", {"content": ""}),
        ("POST", "/channels/{channel}/command", {"name": "nothing"}),
        ("POST", "/channels/{channel}/command", []),
        ("POST", "/messages/1/component", {"custom_id": "x"}),
        ("POST", "/modals/1", {"values": {}}),
    ],
)
async def test_what_is_refused_is_said_in_a_sentence(scene: Stage, method: str, path: str, body: Any) -> None:
    status, answer = await call(scene, method, path.format(channel=scene.channel.id), body)
    assert status == 400
    assert isinstance(answer["error"], str)


async def test_another_site_s_page_may_not_act(scene: Stage) -> None:
    status, _ = await call(scene, "GET", "/world", headers={"Origin": "https://elsewhere.example"})
    assert status == 403
    assert (await call(scene, "GET", "/world", headers={"Origin": scene.discord.origin}))[0] == 200


async def test_events_tell_a_member_what_she_may_see(scene: Stage) -> None:
    url = f"{scene.discord.origin}/sandbox/events?as={scene.alice.user.id}"
    async with scene.session.ws_connect(url) as events:
        await scene.register({"name": "go"})
        assert await events.receive_json(timeout=5) == {"type": "commands"}
        gateway = await scene.gateway(intents=0)
        await gateway.event("READY")
        assert await events.receive_json(timeout=5) == {"type": "bot", "online": True}
        hidden = scene.guild.add_channel("hidden")
        hidden.set_permissions(scene.guild.everyone, deny=Permission.VIEW_CHANNEL)
        hidden.set_permissions(scene.bot_member, allow=Permission.VIEW_CHANNEL)
        await scene.rest("POST", f"/channels/{hidden.id}/messages", {"content": "secret"})
        sent = await scene.send({"content": "one"})
        path = f"/channels/{scene.channel.id}/messages/{sent.body['id']}"
        await scene.rest("PATCH", path, {"content": "two"})
        await scene.rest("DELETE", path)
        heard = [await events.receive_json(timeout=5) for _ in range(3)]
        assert [(each["type"], each["message"]["content"]) for each in heard] == [
            ("message_create", "one"),
            ("message_update", "two"),
            ("message_delete", "two"),
        ]
        await gateway.socket.close()
        assert await events.receive_json(timeout=5) == {"type": "bot", "online": False}


async def test_the_page_and_its_files_are_served(scene: Stage) -> None:
    async with scene.session.get(scene.discord.origin + "/") as reply:
        assert (reply.status, reply.content_type) == (200, "text/html")
    async with scene.session.get(scene.discord.origin + "/js/main.js") as reply:
        assert reply.status == 200
        assert "javascript" in reply.content_type
    async with scene.session.get(scene.discord.origin + "/nothing") as reply:
        assert reply.status == 404


async def test_who_has_no_picture_has_a_plain_one(scene: Stage) -> None:
    async with scene.session.get(scene.discord.origin + "/embed/avatars/3.png") as reply:
        assert (reply.status, reply.content_type) == (200, "image/png")


async def test_a_file_can_be_read_in_parts_until_its_link_expires(scene: Stage) -> None:
    data = png(32, 32)
    sent = await scene.send({"content": "x"}, Upload("a.png", data))
    url = sent.body["attachments"][0]["url"]

    async def get(address: str, **headers: str) -> tuple[int, bytes, Any]:
        async with scene.session.get(address, headers=headers) as reply:
            return reply.status, await reply.read(), reply.headers

    status, body, headers = await get(url)
    assert (status, body, headers["Content-Type"]) == (200, data, "image/png")
    status, body, headers = await get(url, Range="bytes=10-19")
    assert (status, body) == (206, data[10:20])
    assert headers["Content-Range"] == f"bytes 10-19/{len(data)}"
    assert (await get(url, Range="bytes=-5"))[1] == data[-5:]
    assert (await get(url, Range=f"bytes={len(data)}-"))[0] == 416
    assert (await get(sent.body["attachments"][0]["proxy_url"]))[0] == 200
    assert (await get(url.replace("hm=", "hm=0")))[0] == 404
    assert (await get(url.split("?")[0]))[0] == 404
    scene.clock.advance(86_401)
    assert (await get(url))[0] == 404
    again = await scene.rest("GET", f"/channels/{scene.channel.id}/messages/{sent.body['id']}")
    assert (await get(again.body["attachments"][0]["url"]))[0] == 200
