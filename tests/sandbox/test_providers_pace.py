"""Queues, progress, cancelling and the passing of the providers' time, on a clock that the tests move."""

import asyncio
import base64

import aiohttp
import pytest
import pytest_asyncio
from providers_kit import Client, FilmFacts, facts, image_base64

from bot.sandbox.providers import (
    CogVideoXOptions,
    GenerationState,
    ManualClock,
    SandboxProviderOptions,
    SandboxProviders,
    noise_film,
)

FILM = b"the film" * 100
T2V, I2V = "/pipelet/queue/wan22-fast-t2v", "/pipelet/queue/wan22-fast-i2v"
SMALL, LARGE = {"prompt": "a cat"}, {"prompt": "a cat", "width": 1280, "height": 720}


@pytest_asyncio.fixture
async def open_client():
    """Starts providers with these options, on a clock that stands still."""
    started = []

    async def start(**options) -> Client:
        options = {"clock": ManualClock(), "film_bytes": FILM, **options}
        providers = SandboxProviders(SandboxProviderOptions(**options))
        session = aiohttp.ClientSession()
        started.extend([session.close, providers.stop])
        await providers.start()
        return Client(providers, session)

    yield start
    for stop in reversed(started):
        await stop()


async def advance(client, seconds):
    await client.providers.options.clock.live_through(seconds)


async def status(client, created):
    return (await client.get(created["status_url"])).json


async def create(client, path=T2V, body=SMALL):
    answer = await client.post(path, body)
    assert answer.status == 200, answer.data
    return answer.json


async def test_a_created_request_names_its_own_urls(open_client):
    client = await open_client()
    created = await create(client)
    one = f"{client.providers.pipelet_base_url}/queue/wan22-fast-t2v/requests/{created['request_id']}"
    assert created == {
        "request_id": "1",
        "response_url": one,
        "status_url": f"{one}/status",
        "cancel_url": f"{one}/cancel",
    }


async def test_the_urls_can_point_elsewhere(open_client):
    client = await open_client(pipelet_urls="http://elsewhere.example")
    created = await create(client)
    assert created["status_url"] == "http://elsewhere.example/pipelet/queue/wan22-fast-t2v/requests/1/status"


async def test_requests_wait_their_turn_and_know_how_many_are_in_front(open_client):
    client = await open_client(pipelet_workers=1)
    first, second, third = [await create(client) for _ in range(3)]
    assert (await status(client, first))["status"] == "IN_PROGRESS"
    assert await status(client, second) == {
        "status": "IN_QUEUE",
        "queue_position": 0,
        "statusMessages": {},
        "response_url": second["response_url"],
    }
    assert (await status(client, third))["queue_position"] == 1
    await advance(client, 90)
    assert (await status(client, first))["status"] == "COMPLETED"
    assert (await status(client, second))["status"] == "IN_PROGRESS"
    assert (await status(client, third))["queue_position"] == 0


async def test_each_model_has_its_own_queue(open_client):
    client = await open_client(pipelet_workers=1)
    await create(client)
    other = await create(client, "/pipelet/queue/wan22-fast-t2v-pro")
    assert (await status(client, other))["status"] == "IN_PROGRESS"


@pytest.mark.parametrize(("body", "seconds"), [(SMALL, 90), (LARGE, 180)])
async def test_a_started_film_takes_its_time_and_tells_its_progress(open_client, body, seconds):
    client = await open_client(pipelet_messages="full")
    created = await create(client, body=body)
    told = []
    for _ in range(4):
        told.append((await status(client, created)).get("statusMessages"))
        await advance(client, seconds / 4 - 0.01)
    assert told == [
        {"message": "PROCESSING", "detail_message": f"Progress: {done}/24 Tasks done"} for done in (0, 5, 11, 17)
    ]
    assert (await status(client, created))["status"] == "IN_PROGRESS"
    await advance(client, 0.05)
    assert (await status(client, created))["status"] == "COMPLETED"


async def test_the_providers_time_is_divided_by_the_speed(open_client):
    client = await open_client(speed=30)
    created = await create(client)
    await advance(client, 2.9)
    assert (await status(client, created))["status"] == "IN_PROGRESS"
    await advance(client, 0.1)
    assert (await status(client, created))["status"] == "COMPLETED"


async def test_status_messages_may_be_empty_or_lack_a_key(open_client):
    client = await open_client()
    created = await create(client)
    keys = [tuple((await status(client, created))["statusMessages"]) for _ in range(7)]
    both = ("message", "detail_message")
    assert keys == [both, both, (), both, ("message",), both, ("detail_message",)]


async def test_a_queued_request_can_be_cancelled_and_costs_nothing(open_client):
    client = await open_client(pipelet_workers=1)
    _, second, third = [await create(client) for _ in range(3)]
    answer = await client.call("PUT", second["cancel_url"])
    assert (answer.status, answer.data) == (204, b"")
    assert (await status(client, second))["status"] == "CANCELLED"
    assert (await status(client, third))["queue_position"] == 0
    assert [generation.billed for generation in client.providers.generations] == [True, False, True]
    await advance(client, 90)
    assert (await status(client, third))["status"] == "IN_PROGRESS"


async def test_a_started_or_ended_request_can_not_be_cancelled(open_client):
    client = await open_client(pipelet_workers=1)
    first, second = [await create(client) for _ in range(2)]
    assert (await client.call("PUT", first["cancel_url"])).status == 409
    assert (await client.call("PUT", second["cancel_url"])).status == 204
    assert (await client.call("PUT", second["cancel_url"])).status == 409
    await advance(client, 90)
    assert (await client.call("PUT", first["cancel_url"])).status == 409
    assert (await status(client, first))["status"] == "COMPLETED"


async def test_there_is_no_result_before_the_end(open_client):
    client = await open_client()
    created = await create(client)
    assert (await client.get(created["response_url"])).status == 409
    await advance(client, 90)
    answer = await client.get(created["response_url"])
    assert (answer.status, base64.b64decode(answer.json["video"]["data_uri"])) == (200, FILM)


async def test_a_request_is_known_only_to_its_own_model(open_client):
    client = await open_client()
    created = await create(client)
    for url in (created["status_url"], created["response_url"]):
        assert (await client.get(url.replace("t2v", "i2v"))).status == 404


@pytest.mark.parametrize(
    ("choice", "prefixed"), [("never", [False, False]), ("always", [True, True]), ("alternate", [False, True])]
)
async def test_a_result_may_carry_a_data_prefix(open_client, choice, prefixed):
    client = await open_client(instant=True, pipelet_prefix=choice)
    for expected in prefixed:
        created = await create(client)
        text = (await client.get(created["response_url"])).json["video"]["data_uri"]
        assert text.startswith("data:video/mp4;base64,") is expected
        assert base64.b64decode(text.removeprefix("data:video/mp4;base64,")) == FILM


async def test_a_chutes_request_is_held_open_for_the_whole_render(open_client):
    client = await open_client()
    request = asyncio.create_task(client.post("/chutes/wan2.1-14b/text2video", SMALL))
    await until(lambda: client.providers.generations)
    await advance(client, 119)
    assert not request.done()
    await advance(client, 1)
    assert (await request).data == FILM


async def test_cogvideox_makes_one_film_at_a_time_and_the_others_wait(open_client):
    client = await open_client(cogvideox=CogVideoXOptions())
    requests = [asyncio.create_task(client.post("/cogvideox/generate", SMALL)) for _ in range(2)]
    await until(lambda: len(client.providers.generations) == 2)
    generations = client.providers.generations
    assert [each.state for each in generations] == [GenerationState.RUNNING, GenerationState.QUEUED]
    await advance(client, 60)
    assert [each.state for each in generations] == [GenerationState.COMPLETED, GenerationState.RUNNING]
    await advance(client, 60)
    assert [answer.status for answer in await asyncio.gather(*requests)] == [200, 200]


async def test_a_client_that_hangs_up_is_billed_all_the_same(open_client):
    client = await open_client()
    request = asyncio.create_task(client.post("/chutes/wan2.1-14b/text2video", SMALL))
    await until(lambda: client.providers.generations)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await advance(client, 120)
    (generation,) = client.providers.generations
    assert (generation.state, generation.billed) == (GenerationState.COMPLETED, True)
    assert not generation.delivered


async def test_a_provider_that_goes_down_fails_what_it_had_and_can_come_back(open_client):
    client = await open_client()
    created = await create(client)
    port = int(client.providers.origin.rpartition(":")[2])
    await client.providers.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.get(created["status_url"])
    await client.providers.start(port=port)
    told = await status(client, created)
    assert (told["status"], told["statusMessages"]["detail_message"]) == ("FAILED", "the provider went down")
    assert (await status(client, await create(client)))["status"] == "IN_PROGRESS"


async def test_every_request_is_recorded(open_client):
    client = await open_client(instant=True)
    await create(client, I2V, {"prompt": "a cat", "data_uri": image_base64()})
    await client.get("/nowhere/at/all", token=None)
    known, unknown = client.providers.requests
    assert (known.provider, known.model, known.step, known.status) == ("pipelet", "wan22-fast-i2v", "create", 200)
    assert (known.method, known.path, known.when) == ("POST", I2V, client.providers.options.clock.now())
    assert known.headers["Content-Type"] == "application/json"
    assert known.body == {"prompt": "a cat", "data_uri": "<image>"}
    assert (unknown.provider, unknown.path, unknown.status) == (None, "/nowhere/at/all", 404)


async def test_an_instant_provider_answers_with_one_small_film_and_one_small_picture(open_client):
    client = await open_client(instant=True, film_bytes=None)
    films = {(await client.post("/chutes/wan2.1-14b/text2video", SMALL)).data for _ in range(3)}
    films.add((await client.post("/cogvideox/generate", SMALL)).data)
    (film,) = films
    assert facts(film) == FilmFacts((160, 96), 24, 24)
    picture = await client.post("/chutes/qwen-image/generate", {"model": "qwen-image", "prompt": "a cat"})
    assert picture.data[:3] == b"\xff\xd8\xff"


async def test_films_may_be_made_of_what_was_ordered(open_client):
    client = await open_client(instant=True, film_bytes=lambda order: FILM + order.prompt.encode())
    answers = [await client.post("/cogvideox/generate", {**SMALL, "prompt": words}) for words in ("a cat", "a fox")]
    assert [answer.data for answer in answers] == [FILM + b"a cat", FILM + b"a fox"]


async def test_single_frame_may_come_as_a_jpeg(open_client):
    client = await open_client(instant=True, film_bytes=None, single_frame="jpeg")
    answer = await client.post("/chutes/wan2.1-14b/text2video", {**SMALL, "single_frame": True})
    assert (answer.content_type, answer.data[:3]) == ("image/jpeg", b"\xff\xd8\xff")


def test_a_noise_film_is_valid_and_about_as_large_as_asked():
    film = noise_film(3)
    assert 3_000_000 < len(film) < 3_800_000
    found = facts(film)
    assert (found.size, found.fps) == ((640, 360), 24)


async def until(condition):
    """Turns the event loop until the request that is under way has arrived."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happened")
