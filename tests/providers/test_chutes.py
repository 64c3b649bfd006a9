from pathlib import Path

import pytest
from adapter_contract import PATIENT, QUICK, TOKEN, HoldOpenContract, failure_of, request_for
from wire_servers import answering, says_garbage, serving

from bot.domain.errors import Evidence, Unavailable
from bot.domain.generation import Capability
from bot.providers._http import Wire
from bot.providers.chutes import ChutesProvider

WAN = "wan2.1-14b"


class TestGenerate(HoldOpenContract):
    def adapter(self, origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> ChutesProvider:
        return ChutesProvider(TOKEN, concurrency=2, base_urls={WAN: f"{origin}/wan/"}, total=limit, wire=wire)

    def adapter_with_token(self, token: str) -> ChutesProvider:
        return ChutesProvider(token, concurrency=2)

    async def call(self, adapter: ChutesProvider, into: Path) -> None:
        spec = adapter.models()[0]
        await adapter.generate(request_for(spec), [], into)

    async def test_the_path_is_added_to_the_configured_address(self, tmp_path: Path) -> None:
        async with serving(answering(200, b"film")) as server:
            await self.call(self.adapter(server.origin), tmp_path / "part")
            assert [received.target for received in server.received] == ["/wan/text2video"]


async def test_each_host_is_reached_without_key_or_cost() -> None:
    async with serving(answering(404)) as one, serving(answering(302)) as two:
        adapter = ChutesProvider(TOKEN, concurrency=1, base_urls={WAN: one.origin, "qwen-image": two.origin})
        assert "all 2 addresses answer" in await adapter.healthy()
        assert "cannot be checked" in await adapter.healthy()
        for received in one.received + two.received:
            assert (received.method, received.target) == ("GET", "/")
            assert "Authorization" not in received.headers


async def test_a_host_that_is_down_is_named(nobody: str) -> None:
    async with serving(answering(200)) as up:
        adapter = ChutesProvider(TOKEN, concurrency=1, base_urls={WAN: up.origin, "qwen-image": nobody})
        error = await failure_of(adapter.healthy())
        assert type(error) is Unavailable
        assert "127.0.0.1" in error.detail
        assert error.evidence is Evidence.NOT_SENT


async def test_a_host_that_does_not_speak_http_is_down() -> None:
    async with serving(says_garbage) as server:
        adapter = ChutesProvider(TOKEN, concurrency=1, base_urls={WAN: server.origin})
        assert type(await failure_of(adapter.healthy())) is Unavailable


async def test_only_models_with_an_address_are_offered() -> None:
    adapter = ChutesProvider(TOKEN, concurrency=3, base_urls={WAN: "https://example.org"})
    assert [(spec.id, spec.capability) for spec in adapter.models()] == [
        (WAN, Capability.TEXT_TO_VIDEO),
        (WAN, Capability.IMAGE_TO_VIDEO),
    ]
    assert (adapter.name, adapter.billed, adapter.concurrency) == ("chutes", True, 3)
    await adapter.refresh()
    await adapter.close()


def test_the_documented_hosts_offer_every_model() -> None:
    assert len(ChutesProvider(TOKEN, concurrency=1).models()) == 9


def test_an_address_for_an_unknown_model_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no model sora"):
        ChutesProvider(TOKEN, concurrency=1, base_urls={"sora": "https://example.org"})
