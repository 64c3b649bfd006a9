"""A provider's words may hold our key; what we keep of them is read by everybody in a channel (threat 11)."""

import json
from pathlib import Path

import pytest
from adapter_contract import PATIENT, QUICK, TOKEN, request_for
from wire_servers import answering, serving

from bot.domain.errors import ProviderError
from bot.domain.job import Failed, RemoteHandle, Unknown
from bot.providers.chutes import ChutesProvider
from bot.providers.cogvideox import CogVideoXProvider
from bot.providers.pipelet import PipeletProvider

HANDLE = RemoteHandle("wan22-fast-t2v", "12")
# Invisible characters are taken out of a provider's words: nothing may become a key by that.
ECHOES = [TOKEN, "\u200b".join(TOKEN), "x" * 190 + TOKEN, f"{TOKEN[:9]}\u202e{TOKEN[9:]}"]


def pipelet(origin: str) -> PipeletProvider:
    limits = {"create": PATIENT, "ask": PATIENT, "fetch": PATIENT}
    return PipeletProvider(TOKEN, concurrency=4, base_url=origin, wire=QUICK, **limits)


@pytest.mark.parametrize("echo", ECHOES)
async def test_the_reason_of_a_failed_job_does_not_hold_it(echo: str) -> None:
    messages = {"message": "FAILED", "detail_message": f"upstream refused Bearer {echo}"}
    reply = {"status": "FAILED", "statusMessages": messages}
    async with serving(answering(200, json.dumps(reply).encode())) as server:
        status = await pipelet(server.origin).poll(HANDLE)
    assert isinstance(status, Failed)
    assert status.reason.startswith("FAILED: upstream refused Bearer")
    assert len(status.reason) <= 200
    assert TOKEN[:9] not in status.reason


async def test_a_status_that_nobody_knows_does_not_hold_it() -> None:
    async with serving(answering(200, json.dumps({"status": TOKEN}).encode())) as server:
        assert await pipelet(server.origin).poll(HANDLE) == Unknown("[key]")


@pytest.mark.parametrize("echo", ECHOES)
async def test_neither_does_the_reason_of_a_refusal(echo: str, tmp_path: Path) -> None:
    async with serving(answering(400, json.dumps({"detail": f"bad key {echo}"}).encode())) as server:
        adapter = ChutesProvider(TOKEN, concurrency=1, base_urls={"wan2.1-14b": server.origin}, wire=QUICK)
        (spec,) = [each for each in adapter.models() if each.id == "wan2.1-14b"][:1]
        with pytest.raises(ProviderError) as refused:
            await adapter.generate(request_for(spec), [], tmp_path / "part")
    assert refused.value.detail.startswith("HTTP 400: bad key")
    assert TOKEN[:9] not in refused.value.detail


@pytest.mark.parametrize("path", ["/health", "/info"])
async def test_nor_what_a_self_hosted_one_says_of_itself(path: str) -> None:
    health = {"status": "healthy" if path == "/info" else f"unhappy about {TOKEN}"}
    config = {"default_steps": 50, "default_guidance": 6.0, "min_frames": 8, "max_frames": 100, "default_fps": 24}
    info = {"model": "cogvideox", "is_loaded": False, "error": f"no such key: {TOKEN}", "config": config}

    async def answer(connection) -> None:
        asked = await connection.request()
        await connection.answer(200, json.dumps(health if asked.target == "/health" else info).encode())

    async with serving(answer) as server:
        with pytest.raises(ProviderError) as down:
            await CogVideoXProvider(TOKEN, base_url=server.origin, wire=QUICK).healthy()
    assert "[key]" in down.value.detail
    assert TOKEN not in down.value.detail
