"""The gateway, by a bare WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from discord_kit import TOKEN, Stage, stage

from bot.sandbox.discord import Fault

GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1, 1 << 9, 1 << 12, 1 << 15


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as made:
        yield made


async def test_it_greets_answers_heartbeats_and_tells_of_the_guilds(scene: Stage) -> None:
    gateway = await scene.gateway("v=10&encoding=json&compress=zlib-stream")
    assert (await gateway.receive())["op"] == 10
    await gateway.send(1, None)
    assert (await gateway.receive())["op"] == 11
    await gateway.identify()
    ready = await gateway.event("READY")
    assert ready["s"] == 1
    assert ready["d"]["guilds"] == [{"id": str(scene.guild.id), "unavailable": True}]
    guild = (await gateway.event("GUILD_CREATE"))["d"]
    assert guild["unavailable"] is False
    assert [each["user"]["id"] for each in guild["members"]] == [str(scene.application)]
    assert [each["name"] for each in guild["channels"]] == ["general"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "wrong"}, 4004),
        ({"shard": [2, 2]}, 4010),
        ({"intents": 1 << 30}, 4013),
        ({"intents": MESSAGE_CONTENT}, 4014),
        ({"properties": None}, 4002),
    ],
)
async def test_an_identify_is_refused(scene: Stage, changes: dict[str, Any], code: int) -> None:
    gateway = await scene.gateway(**changes)
    assert await gateway.close_code() == code


@pytest.mark.parametrize(
    ("query", "code"), [("v=6&encoding=json", 4012), ("encoding=json", 4012), ("v=10&encoding=etf", 4002)]
)
async def test_a_wrong_address_is_refused(scene: Stage, query: str, code: int) -> None:
    assert await (await scene.gateway(query)).close_code() == code


@pytest.mark.parametrize(("frame", "code"), [("{", 4002), ("[]", 4002), ('{"op":1,"d":"' + "x" * 4096 + '"}', 4002)])
async def test_a_broken_or_long_frame_is_refused(scene: Stage, frame: str, code: int) -> None:
    gateway = await scene.gateway()
    await gateway.socket.send_str(frame)
    assert await gateway.close_code() == code


async def test_speaking_before_identifying_and_identifying_twice_are_refused(scene: Stage) -> None:
    silent = await scene.gateway()
    await silent.send(8, {"guild_id": str(scene.guild.id)})
    assert await silent.close_code() == 4003
    twice = await scene.gateway(intents=0)
    await twice.identify()
    assert await twice.close_code() == 4005


async def test_more_than_120_frames_in_a_minute_are_too_many(scene: Stage) -> None:
    gateway = await scene.gateway(intents=0)
    for _ in range(120):
        await gateway.send(1, None)
    assert await gateway.close_code() == 4008


async def test_an_unknown_opcode_is_refused_and_complained_of(scene: Stage) -> None:
    gateway = await scene.gateway(intents=0)
    await gateway.event("READY")
    await gateway.send(99, None)
    assert await gateway.close_code() == 4001
    assert scene.discord.complaints == ["unknown gateway opcode 99"]


async def test_only_what_the_intents_ask_for_is_told(scene: Stage) -> None:
    nothing = await scene.gateway(intents=0)
    messages = await scene.gateway(intents=GUILD_MESSAGES)
    direct = await scene.gateway(intents=DIRECT_MESSAGES)
    for each in (nothing, messages, direct):
        await each.event("READY")
    await scene.alice.say(scene.channel, "in the guild")
    await scene.alice.say(scene.alice.direct, "in private")
    scene.discord.faults.add(Fault(gateway="reconnect"))
    assert (await nothing.receive())["op"] == 7
    heard = await messages.receive()
    assert (heard["t"], heard["d"]["content"]) == ("MESSAGE_CREATE", "")
    assert (await messages.receive())["op"] == 7
    assert (await direct.receive())["d"]["content"] == "in private"


async def test_content_is_told_with_its_intent_or_when_the_bot_is_named(scene: Stage) -> None:
    scene.discord.options.privileged_intents = MESSAGE_CONTENT
    reading = await scene.gateway(intents=GUILD_MESSAGES | MESSAGE_CONTENT)
    blind = await scene.gateway(intents=GUILD_MESSAGES)
    await reading.event("READY")
    await blind.event("READY")
    await scene.alice.say(scene.channel, "hello")
    await scene.alice.say(scene.channel, f"hello {scene.discord.world.bot.mention}")
    assert (await reading.receive())["d"]["content"] == "hello"
    assert [bool((await blind.receive())["d"]["content"]) for _ in range(2)] == [False, True]


async def test_a_private_answer_is_not_told(scene: Stage) -> None:
    await scene.register({"name": "go"})
    gateway = await scene.gateway(intents=GUILD_MESSAGES)
    await gateway.event("READY")
    task, opened = await scene.slash()
    await scene.callback(opened, 4, {"content": "psst", "flags": 64})
    await task
    await scene.alice.say(scene.channel, "loud")
    await gateway.event("INTERACTION_CREATE")
    assert (await gateway.receive())["d"]["author"]["username"] == "alice"


async def test_a_resumed_session_hears_what_it_missed(scene: Stage) -> None:
    first = await scene.gateway(intents=GUILD_MESSAGES)
    ready = await first.event("READY")
    await first.socket.close(code=4000)
    await scene.discord.until(lambda: not scene.discord.gateway.online)
    await scene.alice.say(scene.channel, "missed")
    socket = await scene.session.ws_connect(ready["d"]["resume_gateway_url"] + "?v=10&encoding=json")
    again = type(first)(socket, compressed=False)
    scene.sockets.append(again)
    await again.send(6, {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 1})
    assert (await again.event("MESSAGE_CREATE"))["s"] == 2
    assert isinstance((await again.event("RESUMED"))["d"], dict)


async def test_a_session_cannot_be_resumed_after_too_long_or_from_nowhere(scene: Stage) -> None:
    first = await scene.gateway(intents=0)
    session = (await first.event("READY"))["d"]["session_id"]
    await first.socket.close(code=4000)
    await scene.discord.until(lambda: not scene.discord.gateway.online)
    ahead = await scene.gateway()
    await ahead.send(6, {"token": TOKEN, "session_id": session, "seq": 99})
    assert await ahead.close_code() == 4007
    scene.clock.advance(121)
    late = await scene.gateway()
    await late.receive()
    await late.send(6, {"token": TOKEN, "session_id": session, "seq": 1})
    assert await late.receive() == {"op": 9, "d": False, "s": None, "t": None}


async def test_shards_share_the_guilds_and_the_first_has_the_direct_messages(scene: Stage) -> None:
    number = (scene.guild.id >> 22) % 2
    shards = [await scene.gateway(intents=GUILDS | DIRECT_MESSAGES, shard=[each, 2]) for each in range(2)]
    ready = [await each.event("READY") for each in shards]
    assert [len(each["d"]["guilds"]) for each in ready] == [int(number == 0), int(number == 1)]
    await scene.alice.say(scene.alice.direct, "hi")
    assert (await shards[0].event("MESSAGE_CREATE"))["d"]["content"] == "hi"


async def test_identifying_too_soon_is_an_invalid_session_where_that_is_wanted(scene: Stage) -> None:
    scene.discord.options.identify_every = 5
    await (await scene.gateway(intents=0)).event("READY")
    hasty = await scene.gateway(intents=0)
    await hasty.receive()
    assert (await hasty.receive())["op"] == 9
    scene.clock.advance(5)
    await (await scene.gateway(intents=0)).event("READY")


async def test_a_silent_client_is_taken_for_dead(scene: Stage) -> None:
    scene.discord.options.heartbeat_interval = 0.05
    gateway = await scene.gateway(intents=0)
    assert await gateway.close_code() == 4009


async def test_a_dropped_connection_just_ends(scene: Stage) -> None:
    gateway = await scene.gateway(intents=0)
    await gateway.event("READY")
    scene.discord.faults.add(Fault(gateway="drop"))
    message = await asyncio.wait_for(gateway.socket.receive(), 5)
    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert gateway.socket.close_code == 1006
