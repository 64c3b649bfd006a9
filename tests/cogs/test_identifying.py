"""A bot that is started again and again does not wear out its token (threat 38)."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cogs_kit import stay_connected
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.client import MatineeClient
from bot.identifies import Identifies
from bot.sandbox.discord import Fault, SandboxDiscord, SandboxOptions
from storage.database import Database
from storage.policy_store import SqlitePolicyStore
from tests.support.clock import HandClock

TOKEN = "a.bot.token"
HOUR = 3600


@dataclass
class House:
    """One data folder and one Discord; processes come and go."""

    discord: SandboxDiscord
    database: Database
    clock: HandClock
    per_hour: int = 10

    @property
    def identifies(self) -> int:
        return sum(entry.event == "op 2" for entry in self.discord.transcript)

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[MatineeClient]:
        """A start that remembers only what is in the database; it ends as abruptly as a kill."""
        identifies = Identifies(SqlitePolicyStore(self.database), self.clock, self.per_hour)
        client = MatineeClient(clock=self.clock, api_url=self.discord.api_url, identifies=identifies)
        task = asyncio.create_task(stay_connected(client, TOKEN))
        try:
            yield client
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.close()
            await self.discord.until(lambda: not self.discord.gateway.online)

    async def connects(self) -> bool:
        """Whether a start gets a session, or waits for one."""
        async with self.process():
            return await self.greeted()

    async def greeted(self) -> bool:
        async with asyncio.timeout(20):
            while not self.discord.gateway.online and not self.clock.waited_for:
                await asyncio.sleep(0.01)
        return self.discord.gateway.online


@pytest.fixture
def addresses() -> Iterator[None]:
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


@pytest.fixture
async def house(addresses: None, tmp_path: Path) -> AsyncIterator[House]:
    database = await Database.open(tmp_path / "matinee.db")
    async with SandboxDiscord(TOKEN, SandboxOptions(rate_limits=False)) as sandbox:
        yield House(sandbox, database, HandClock())
    await database.close()


async def test_a_crash_loop_identifies_ten_times_in_an_hour_and_says_when_it_goes_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "bot.identifies")
    assert [await house.connects() for _ in range(14)] == [True] * 10 + [False] * 4
    assert house.identifies == 10
    (line, *others) = [record.getMessage() for record in caplog.records if record.name == "bot.identifies"]
    assert "2027-01-15T09:00:00+00:00" in line
    assert len(others) == 3


async def test_who_waits_for_the_next_hour_connects_then(house: House) -> None:
    for _ in range(10):
        house.clock.advance(60)
        await house.connects()
    async with house.process():
        assert not await house.greeted()
        house.clock.advance(HOUR - 600)
        assert not await house.greeted()
        house.clock.advance(61)
        assert await house.greeted()
    assert house.identifies == 11


async def test_going_on_with_a_session_counts_nothing(house: House) -> None:
    async with house.process():
        assert await house.greeted()
        for resumed in range(1, 13):
            house.discord.faults.add(Fault(gateway="reconnect"))
            await house.discord.until(
                lambda wanted=resumed: sum(entry.event == "RESUMED" for entry in house.discord.transcript) == wanted
            )
    assert house.identifies == 1
    assert [await house.connects() for _ in range(10)] == [True] * 9 + [False]


async def test_a_wall_clock_that_is_set_neither_frees_nor_blocks_for_longer_than_an_hour(house: House) -> None:
    for _ in range(10):
        await house.connects()
    house.clock.passed -= 24 * HOUR
    assert not await house.connects()
    house.clock.passed += HOUR + 1
    assert await house.connects()


async def test_what_discord_says_is_left_counts_too(house: House) -> None:
    house.discord.options.identifies_per_day = 1
    assert await house.connects()
    async with house.process():
        assert not await house.greeted()
        house.discord.options.identifies_per_day = 1000
        house.clock.advance(4 * HOUR + 1)
        assert await house.greeted()
    assert house.identifies == 2


async def test_more_shards_may_identify_more_often(house: House) -> None:
    identifies = Identifies(SqlitePolicyStore(house.database), house.clock, 10)
    async with asyncio.timeout(5):
        for _ in range(20):
            await identifies.spend(2)
    one_more = asyncio.create_task(identifies.spend(2))
    await asyncio.sleep(0.05)
    assert not one_more.done()
    one_more.cancel()


class SetClock(HandClock):
    """Its wall clock can be set; what passes is not changed by that."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@pytest.mark.parametrize("ahead", [24 * HOUR, -24 * HOUR])
async def test_nor_does_a_wall_clock_that_is_set_change_when_discord_gives_new_ones(tmp_path: Path, ahead: int) -> None:
    database, clock = await Database.open(tmp_path / "matinee.db"), SetClock()
    identifies = Identifies(SqlitePolicyStore(database), clock, 10)
    identifies.heard(0, 4 * HOUR)
    clock.ahead = ahead
    waiting = asyncio.create_task(identifies.room(1))
    while not clock.waited_for and not waiting.done():
        await asyncio.sleep(0.01)
    assert not waiting.done()
    clock.advance(4 * HOUR)
    async with asyncio.timeout(5):
        await waiting
    await database.close()
