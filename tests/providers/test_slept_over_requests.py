"""A paid request does not leave on a claim that its process has slept over (R8)."""

from pathlib import Path

import pytest
from adapter_contract import TOKEN, request_for
from wire_servers import answering, serving

from bot.age import Age, TooOld
from bot.providers.chutes import ChutesProvider
from tests.support.clock import VirtualClock

WAN = "wan2.1-14b"


@pytest.mark.parametrize(("slept", "sent"), [(0, 1), (59, 1), (61, 0), (7200, 0)])
async def test_after_a_minute_no_byte_of_it_is_sent(tmp_path: Path, slept: float, sent: int) -> None:
    clock = VirtualClock()
    async with serving(answering(200, b"film")) as server:
        adapter = ChutesProvider(TOKEN, concurrency=1, base_urls={WAN: server.origin})
        with Age(clock).limits():
            await clock.leap(slept)
            try:
                await adapter.generate(request_for(adapter.models()[0]), [], tmp_path / "part")
            except TooOld:
                assert sent == 0
        assert len(server.received) == sent


async def test_a_question_may_be_asked_at_any_age(tmp_path: Path) -> None:
    async with serving(answering(200)) as server:
        adapter = ChutesProvider(TOKEN, concurrency=1, base_urls={WAN: server.origin})
        assert await adapter.healthy()
