"""What reaches us after Discord has stopped waiting for an answer (RELIABILITY, S0), over real sockets."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cogs_kit import Matinee, stay_connected
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot import texts
from bot.domain.errors import Evidence
from bot.domain.job import Cause, Job, JobState
from bot.sandbox.discord import Fault, MemberDriver, SandboxDiscord, SandboxOptions
from bot.ui import sendable
from storage.database import Database

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.the.token"


class Hall:
    def __init__(self, discord: SandboxDiscord, matinee: Matinee) -> None:
        self.discord, self.matinee = discord, matinee
        guild = discord.world.add_guild("Film Club")
        self.channel = guild.add_channel("general")
        guild.add_member(discord.world.add_user("alice"))
        self.alice: MemberDriver = discord.member("alice", guild)

    async def comes_late(self, seconds: float) -> None:
        """A request that was made so long ago; Discord takes no answer to it any more."""
        late = self.discord.world.ids.next() - (int(seconds * 1000) << 22)
        known = next(each for each in self.discord.commands.all(None) if each["name"] == "image")
        prompt = {"name": "prompt", "type": 3, "value": "a cat"}
        data = {"id": known["id"], "name": "image", "type": 1, "options": [prompt]}
        await self.alice.raw({"id": str(late), "data": data}, self.channel)

    async def ambiguous(self) -> Job:
        """A job that may be asked for again."""
        await self.alice.slash(self.channel, "image", prompt="a cat")
        store = self.matinee.store
        (claimed,) = (await store.claim((await self.matinee.only_job()).provider, 1)).jobs
        return await store.settle(
            claimed, Evidence.AMBIGUOUS, JobState.AMBIGUOUS, cause=Cause.NO_ANSWER, ended_at=1.0, told=True
        )

    def answers(self) -> list[int]:
        """The kinds of answers that were tried."""
        return [entry.body["type"] for entry in self.discord.transcript.rest("POST", "/callback")]


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(lambda: setattr(Route, "BASE", before[0]))
        stack.callback(lambda: setattr(DiscordWebSocket, "DEFAULT_GATEWAY", before[1]))
        discord = await stack.enter_async_context(SandboxDiscord(TOKEN, SandboxOptions(deadline=1.0)))
        database = await Database.open(tmp_path / "matinee.db")
        stack.push_async_callback(database.close)
        matinee = Matinee(tmp_path, database, api_url=discord.api_url)
        await matinee.install()
        found = Hall(discord, matinee)
        running = stack.enter_context(_connected(matinee))
        await discord.until(lambda: discord.gateway.online or running.done())
        await matinee.client.sync_commands(None)
        yield found
        await matinee.client.close()
        await running


@contextlib.contextmanager
def _connected(matinee: Matinee):
    yield asyncio.create_task(stay_connected(matinee.client, TOKEN))


async def test_a_request_that_its_member_saw_fail_leaves_nothing_behind(hall: Hall) -> None:
    for _ in range(3):
        await hall.comes_late(60)
    assert await hall.matinee.all_jobs() == []
    assert list(hall.channel.messages.values()) == []
    assert hall.answers() == [5, 5, 5]


async def test_what_only_seems_late_is_made(hall: Hall) -> None:
    """Nothing was heard of Discord for a while, and our clock has gone wrong meanwhile."""
    hall.matinee.clock.advance(600)
    reply = await hall.alice.slash(hall.channel, "image", prompt="a cat")
    await hall.discord.until(lambda: reply.message is not None and not reply.message.loading)
    assert (await hall.matinee.only_job()).state is JobState.QUEUED
    again = await hall.alice.slash(hall.channel, "image", prompt="another cat")
    assert not again.ephemeral
    assert hall.answers() == [5, 4]


async def test_what_comes_in_time_is_answered_at_once(hall: Hall) -> None:
    await hall.alice.slash(hall.channel, "image", prompt="a cat")
    assert hall.answers() == [4]


async def test_what_was_put_off_once_is_not_put_off_again(hall: Hall) -> None:
    """A slow disk keeps a press waiting until it has to be deferred; then the request itself is begun, late."""
    job, matinee = await hall.ambiguous(), hall.matinee
    sent = await matinee.client.get_partial_messageable(hall.channel.id).send(**sendable(texts.notice(job)))
    slow = threading.Event()
    reading = asyncio.create_task(matinee.database.read(lambda _connection: slow.wait()))
    pressing = asyncio.create_task(hall.alice.press(hall.channel.messages[sent.id], "Retry"))
    while not matinee.clock.waited_for:
        await asyncio.sleep(0.005)
    matinee.clock.advance(1.8)
    reply = await pressing
    matinee.clock.advance(3.0)
    slow.set()
    await reading
    await hall.discord.until(lambda: reply.message is not None and not reply.message.loading)
    assert "is queued as job" in reply.message.content
    assert hall.answers() == [4, 5]


async def test_all_of_an_answer_comes_though_nobody_confirmed_that_it_was_put_off(hall: Hall) -> None:
    matinee, slow = hall.matinee, threading.Event()
    reading = asyncio.create_task(matinee.database.read(lambda _connection: slow.wait()))
    asking = asyncio.create_task(hall.alice.slash(hall.channel, "queue"))
    while not matinee.clock.waited_for:
        await asyncio.sleep(0.005)
    hall.discord.faults.add(Fault("POST /interactions/*/*/callback", drop="after", times=9))
    matinee.clock.advance(1.8)
    reply = await asking
    slow.set()
    await reading
    await hall.discord.until(lambda: reply.follow_ups)
    assert "This guild's queue" in reply.message.content
    assert "Your latest jobs" in reply.follow_ups[0].content
