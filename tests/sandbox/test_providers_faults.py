"""Every scripted fault, as a client meets it, and what it does to the bill."""

import asyncio
import base64
import gzip
import json

import aiohttp
import pytest
import pytest_asyncio
from providers_kit import Client

from bot.sandbox.providers import (
    GenerationState,
    ManualClock,
    ProviderFault,
    SandboxProviderOptions,
    SandboxProviders,
)

FILM = bytes(range(256)) * 1000
WAN = "/chutes/wan2.1-14b/text2video"
PIPELET = "/pipelet/queue/wan22-fast-t2v"
BODY = {"prompt": "a cat"}
PATIENCE = aiohttp.ClientTimeout(total=0.3)


@pytest_asyncio.fixture
async def client():
    options = SandboxProviderOptions(instant=True, film_bytes=FILM)
    async with (
        SandboxProviders(options) as providers,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Client(providers, session)


def fault(client, step="generate", provider="chutes", **kind):
    client.providers.faults.add(ProviderFault(provider=provider, step=step, **kind))


def billed(client):
    return [generation for generation in client.providers.generations if generation.billed]


async def test_a_refusal_comes_as_scripted_and_is_not_billed(client):
    fault(client, status=429, body='{"detail": "slow down"}', headers={"Retry-After": "7"})
    answer = await client.post(WAN, BODY)
    assert (answer.status, answer.json, answer.headers["Retry-After"]) == (429, {"detail": "slow down"}, "7")
    assert client.providers.requests[-1].body == BODY
    assert billed(client) == []


async def test_a_status_can_hide_work_that_was_done_and_billed(client):
    fault(client, status=502, billed=True)
    assert (await client.post(WAN, BODY)).status == 502
    (generation,) = billed(client)
    assert (generation.state, generation.delivered) == (GenerationState.COMPLETED, False)


async def test_a_redirect_names_another_place(client):
    fault(client, redirect="http://elsewhere.example/steal")
    answer = await client.post(WAN, BODY)
    assert (answer.status, answer.headers["Location"]) == (307, "http://elsewhere.example/steal")
    assert billed(client) == []


async def test_a_socket_closed_before_reading_bills_nothing(client):
    fault(client, drop="before_read")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(WAN, BODY)
    assert billed(client) == []
    assert client.providers.requests[-1].status is None


async def test_a_socket_closed_after_reading_bills_a_film_that_nobody_gets(client):
    fault(client, drop="after_read")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(WAN, BODY)
    (generation,) = billed(client)
    await generation.finished.wait()
    assert (generation.state, generation.delivered) == (GenerationState.COMPLETED, False)


async def test_a_socket_closed_after_a_cancel_still_cancels():
    options = SandboxProviderOptions(clock=ManualClock(), pipelet_workers=1, film_bytes=FILM)
    async with SandboxProviders(options) as providers, aiohttp.ClientSession() as session:
        client = Client(providers, session)
        await client.post(PIPELET, BODY)
        queued = (await client.post(PIPELET, BODY)).json
        fault(client, "cancel", "pipelet", drop="after_read")
        # aiohttp silently repeats a PUT whose connection was dropped: the caller sees only the second answer.
        assert (await client.call("PUT", queued["cancel_url"])).status == 409
        assert [record.status for record in providers.requests if record.step == "cancel"] == [None, 409]
        assert providers.generations[-1].state is GenerationState.CANCELLED


async def test_a_lost_answer_to_create_leaves_a_request_that_runs(client):
    fault(client, "create", "pipelet", drop="after_read")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(PIPELET, BODY)
    assert [generation.request_id for generation in billed(client)] == ["1"]
    assert (await client.get(f"{PIPELET}/requests/1/status")).json["status"] == "COMPLETED"


async def test_a_body_can_break_off_in_the_middle(client):
    fault(client, drop="mid_body")
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.post(WAN, BODY)
    (generation,) = billed(client)
    assert not generation.delivered


async def test_a_body_can_be_cut_short_and_look_complete(client):
    fault(client, truncate_at=0.9)
    answer = await client.post(WAN, BODY)
    assert (answer.status, answer.data) == (200, FILM[: int(len(FILM) * 0.9)])
    assert not client.providers.generations[-1].delivered


async def test_a_result_can_be_cut_short_within_its_base64(client):
    created = (await client.post(PIPELET, BODY)).json
    fault(client, "result", "pipelet", truncate_at=0.5)
    answer = await client.get(created["response_url"])
    assert answer.status == 200
    assert answer.data.startswith(b'{"video": {"data_uri": "')
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json


async def test_garbage_comes_in_place_of_the_film_and_is_billed(client):
    fault(client, garbage=b"<html>oops</html>")
    answer = await client.post(WAN, BODY)
    assert (answer.status, answer.content_type, answer.data) == (200, "video/mp4", b"<html>oops</html>")
    assert len(billed(client)) == 1
    assert not client.providers.generations[-1].delivered


async def test_an_answer_can_be_no_http_at_all(client):
    fault(client, raw=b"\x00\x01 not http\r\n\r\n")
    with pytest.raises(aiohttp.ClientResponseError):
        await client.post(WAN, BODY)
    assert len(billed(client)) == 1


async def test_another_film_can_come_instead(client):
    fault(client, film=b"another")
    assert (await client.post(WAN, BODY)).data == b"another"
    created = (await client.post(PIPELET, BODY)).json
    fault(client, "result", "pipelet", film=b"another")
    answer = await client.get(created["response_url"])
    assert base64.b64decode(answer.json["video"]["data_uri"]) == b"another"


async def test_a_body_can_come_compressed_unasked(client):
    fault(client, gzip=True)
    answer = await client.post(WAN, BODY)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == FILM


async def test_a_body_can_go_on_for_ever(client):
    fault(client, endless=True)
    headers = {"Authorization": f"Bearer {client.providers.tokens['chutes']}"}
    async with client.session.post(client.providers.origin + WAN, json=BODY, headers=headers) as answer:
        assert await answer.content.readexactly(len(FILM)) == FILM
        assert not any(await answer.content.readexactly(5_000_000))
    assert (await client.post(WAN, BODY)).status == 200


async def test_a_request_can_hang_for_ever_and_is_billed(client):
    fault(client, hang=True)
    with pytest.raises(TimeoutError):
        await client.post(WAN, BODY, timeout=PATIENCE)
    assert len(billed(client)) == 1


async def test_an_answer_can_be_late():
    clock = ManualClock()
    async with (
        SandboxProviders(SandboxProviderOptions(instant=True, film_bytes=FILM, clock=clock, speed=60)) as providers,
        aiohttp.ClientSession() as session,
    ):
        client = Client(providers, session)
        fault(client, "health", "cogvideox", delay=30, status=503)
        request = asyncio.create_task(client.get("/cogvideox/health"))
        while not providers.requests:
            await asyncio.sleep(0)
        await clock.live_through(29)
        assert not request.done()
        await clock.live_through(1)
        assert (await request).status == 503


async def test_an_unknown_status_word_is_only_told(client):
    created = (await client.post(PIPELET, BODY)).json
    fault(client, "status", "pipelet", status_word="SLEEPING")
    words = [(await client.get(created["status_url"])).json["status"] for _ in range(2)]
    assert words == ["SLEEPING", "COMPLETED"]


async def test_a_failed_word_fails_the_generation_for_good():
    options = SandboxProviderOptions(clock=ManualClock(), film_bytes=FILM, pipelet_workers=1)
    async with SandboxProviders(options) as providers, aiohttp.ClientSession() as session:
        client = Client(providers, session)
        running, queued = [(await client.post(PIPELET, BODY)).json for _ in range(2)]
        for created in (running, queued):
            fault(client, "status", "pipelet", status_word="FAILED", reason="out of memory")
            told = [(await client.get(created["status_url"])).json for _ in range(2)]
            assert [(each["status"], each["statusMessages"]["detail_message"]) for each in told] == [
                ("FAILED", "out of memory")
            ] * 2
            assert (await client.get(created["response_url"])).status == 409
        await options.clock.live_through(200)
        assert [each.state for each in providers.generations] == [GenerationState.FAILED] * 2


async def test_faults_are_used_up_in_order_and_only_where_they_belong(client):
    fault(client, status=503, times=2)
    fault(client, status=500)
    fault(client, "create", "pipelet", status=402)
    fault(client, status=418, model="qwen-image")
    statuses = [(await client.post(WAN, BODY)).status for _ in range(4)]
    assert statuses == [503, 503, 500, 200]
    assert [each.status for each in client.providers.faults.waiting] == [402, 418]
    client.providers.faults.clear()
    assert (await client.post(PIPELET, BODY)).status == 200


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"status": 500, "hang": True},
        {"times": 0, "hang": True},
        {"truncate_at": 1.0},
        {"delay": -1},
        {"status_word": "FAILED"},
        {"billed": True, "hang": True},
        {"body": "x", "hang": True},
        {"reason": "x", "hang": True},
        {"step": "health", "hang": True},
        {"provider": "pipelet", "step": "create", "film": b"x"},
    ],
)
def test_a_fault_that_could_not_happen_as_written_is_refused(kind):
    with pytest.raises(ValueError, match=r".+"):
        ProviderFault(**{"provider": "chutes", "step": "generate", **kind})
