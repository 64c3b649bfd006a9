"""The client and the acknowledgement against the local Discord, over real sockets."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

import pytest
from cogs_kit import PNG, Matinee, stay_connected
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.client import CannotConnect, MatineeClient
from bot.domain.job import JobState
from bot.sandbox.discord import Fault, Guild, MemberDriver, SandboxDiscord, Upload
from storage.database import Database
from tests.support.clock import LeapingClock

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.the.token"


@pytest.fixture
def addresses() -> Iterator[None]:
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


@pytest.fixture
async def discord(addresses: None) -> AsyncIterator[SandboxDiscord]:
    async with SandboxDiscord(TOKEN) as sandbox:
        yield sandbox


@contextlib.asynccontextmanager
async def running(client: MatineeClient, discord: SandboxDiscord) -> AsyncIterator[None]:
    task = asyncio.create_task(stay_connected(client, TOKEN))
    try:
        await discord.until(lambda: discord.gateway.online or task.done())
        yield
    finally:
        await client.close()
        await task


def members(discord: SandboxDiscord) -> tuple[Guild, MemberDriver]:
    guild = discord.world.add_guild("Film Club")
    guild.add_channel("general")
    guild.add_member(discord.world.add_user("alice"))
    return guild, discord.member("alice", guild)


async def test_a_refused_token_stops_for_good_with_one_line(discord: SandboxDiscord) -> None:
    client = MatineeClient(clock=LeapingClock(), api_url=discord.api_url)
    with pytest.raises(CannotConnect) as refused:
        await client.log_in("MTIz.another.token")
    await client.close()
    assert refused.value.exit_code == 78
    assert "token" in str(refused.value)
    assert "another" not in str(refused.value)


async def test_discord_may_be_away_at_first(discord: SandboxDiscord) -> None:
    clock = LeapingClock()
    client = MatineeClient(clock=clock, api_url=discord.api_url)
    discord.faults.add(Fault("GET /users/@me", status=503, times=2))
    discord.faults.add(Fault("GET /oauth2/applications/@me", status=503))
    discord.faults.add(Fault("GET /gateway/bot", status=503))
    async with running(client, discord):
        assert clock.naps == [1, 2, 4, 1]


async def test_a_session_that_is_invalid_is_begun_anew_at_the_same_gateway(discord: SandboxDiscord) -> None:
    client = MatineeClient(clock=LeapingClock(), api_url=discord.api_url)
    async with running(client, discord):
        discord.faults.add(Fault(gateway="invalid"))
        await discord.until(lambda: greetings(discord) == 2, timeout=20)


def greetings(discord: SandboxDiscord) -> int:
    return sum(entry.event == "READY" for entry in discord.transcript)


async def test_leaving_a_guild_is_told(discord: SandboxDiscord) -> None:
    left: list[int] = []

    async def gone(guild_id: int) -> None:
        left.append(guild_id)

    guild, _ = members(discord)
    client = MatineeClient(clock=LeapingClock(), api_url=discord.api_url, guild_removed=gone)
    async with running(client, discord):
        await discord.until(lambda: client.get_guild(guild.id) is not None)
        guild.remove_member(discord.world.bot)
        for _ in range(200):
            if left:
                break
            await asyncio.sleep(0.01)
    assert left == [guild.id]


async def test_being_let_in_again_is_told(discord: SandboxDiscord) -> None:
    joined: list[int] = []

    async def again(guild_id: int) -> None:
        joined.append(guild_id)

    guild, _ = members(discord)
    client = MatineeClient(clock=LeapingClock(), api_url=discord.api_url, guild_joined=again)
    async with running(client, discord):
        await client.wait_until_ready()
        guild.remove_member(discord.world.bot)
        guild.add_bot()
        for _ in range(200):
            if joined:
                break
            await asyncio.sleep(0.01)
    assert joined == [guild.id]


async def test_a_guild_that_was_left_while_away_is_missing_from_those_that_are_known(discord: SandboxDiscord) -> None:
    known: list[set[int]] = []

    async def are(guild_ids: Collection[int]) -> None:
        known.append(set(guild_ids))

    stays, _ = members(discord)
    left = discord.world.add_guild("Left")
    left.remove_member(discord.world.bot)
    client = MatineeClient(clock=LeapingClock(), api_url=discord.api_url, guilds_known=are)
    async with running(client, discord):
        await client.wait_until_ready()
        for _ in range(200):
            if known:
                break
            await asyncio.sleep(0.01)
    assert known == [{stays.id}]


@pytest.fixture
async def matinee(tmp_path: Path, discord: SandboxDiscord) -> AsyncIterator[Matinee]:
    database = await Database.open(tmp_path / "matinee.db")
    built = Matinee(tmp_path, database, api_url=discord.api_url)
    await built.install()
    async with running(built.client, discord):
        await built.client.sync_commands(None)
        yield built
    await database.close()


async def settled(matinee: Matinee) -> None:
    for _ in range(1_000):
        jobs = await matinee.all_jobs()
        if jobs and all(job.state is not JobState.RECEIVED for job in jobs):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("still received")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST /interactions/*/*/callback", effect_then_status=502),
        Fault("POST /interactions/*/*/callback", drop="after"),
    ],
    ids=["an error after the effect", "a lost reply"],
)
async def test_a_message_that_was_shown_counts_whatever_became_of_the_reply(
    discord: SandboxDiscord, matinee: Matinee, fault: Fault
) -> None:
    guild, alice = members(discord)
    discord.faults.add(fault)
    reply = await alice.slash(guild.channels[0], "video", prompt="a cat")
    await settled(matinee)
    job = await matinee.only_job()
    assert reply.message is not None
    assert (job.state, job.ack_message_id) == (JobState.QUEUED, reply.message.id)
    assert len(alice.messages(guild.channels[0])) == 1


async def test_no_token_is_logged_even_when_everything_is(
    discord: SandboxDiscord, matinee: Matinee, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guild, alice = members(discord)
    discord.faults.add(Fault("POST /interactions/*/*/callback", effect_then_status=502))
    await alice.slash(guild.channels[0], "video", prompt="a cat")
    await settled(matinee)
    await alice.slash(guild.channels[0], "video", prompt="a cat", steps=1)
    assert caplog.records
    for interaction in discord.interactions:
        assert interaction.token not in caplog.text
    assert TOKEN not in caplog.text


CALLBACK = "POST /interactions/*/*/callback"


async def test_a_rate_limit_that_outlasts_discords_patience_spends_nothing(
    discord: SandboxDiscord, matinee: Matinee
) -> None:
    guild, alice = members(discord)
    discord.faults.add(Fault(CALLBACK, retry_after=3.2))
    reply = await alice.slash(guild.channels[0], "video", prompt="a cat")
    await settled(matinee)
    assert reply.refusal is not None
    assert (await matinee.only_job()).state is JobState.ABANDONED
    assert alice.messages(guild.channels[0]) == []


async def test_a_short_rate_limit_is_respected(discord: SandboxDiscord, matinee: Matinee) -> None:
    guild, alice = members(discord)
    discord.faults.add(Fault(CALLBACK, retry_after=0.5))
    reply = await alice.slash(guild.channels[0], "video", prompt="a cat")
    await settled(matinee)
    job = await matinee.only_job()
    assert (job.state, job.ack_message_id) == (JobState.QUEUED, reply.message.id)


async def test_a_limit_on_everything_while_a_queue_message_is_posted_ends_when_discord_says_so(
    discord: SandboxDiscord, matinee: Matinee
) -> None:
    """The library forgets to lift it when its call is given up meanwhile."""
    guild, alice = members(discord)
    channel = guild.channels[0]
    matinee.pictures.gate.clear()
    matinee.pictures.wait = asyncio.ensure_future
    asking = asyncio.create_task(alice.slash(channel, "animate", image=Upload("cat.png", PNG)))
    while not matinee.clock.waited_for:
        await asyncio.sleep(0.005)
    matinee.clock.advance(1.8)
    await asking
    discord.faults.add(Fault("POST /channels/*/messages", retry_after=5.5, scope="global"))
    matinee.pictures.gate.set()
    await settled(matinee)
    assert (await matinee.only_job()).state is JobState.QUEUED
    (message,) = [each for each in channel.messages.values() if not each.ephemeral]
    await matinee.client.get_partial_messageable(channel.id).get_partial_message(message.id).edit(content="free")
    assert message.content == "free"
