"""What Discord's front says to everybody: bans, floods of refusals, and answers that are no answers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import discord
import pytest
from aiohttp import web
from delivery_kit import Cause, JobState, Scene, opened, redirected

from bot.client import wire_trace
from bot.delivery.answers import Answer, Refused
from bot.delivery.line import Line
from bot.domain.errors import DeliveryRevoked
from bot.invalid import Invalid
from bot.sandbox.discord import Fault
from tests.support.clock import LeapingClock

Refusal = Callable[[], web.Response]
VIA = {"Via": "1.1 google"}


@asynccontextmanager
async def front(scene: Scene, refusals: list[Refusal]) -> AsyncIterator[None]:
    """A front before the local Discord: the next messages and edits are refused by it, all else goes through."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method in ("POST", "PATCH") and refusals:
            return refusals.pop(0)()
        headers = {key: value for key, value in request.headers.items() if key != "Host"}
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            url = scene.discord.origin + request.path_qs
            async with session.request(request.method, url, data=body, headers=headers) as reply:
                kept = {key: reply.headers[key] for key in ("Content-Type", "Via") if key in reply.headers}
                return web.Response(status=reply.status, body=await reply.read(), headers=kept)

    app = web.Application(client_max_size=10**8)
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with redirected(f"http://127.0.0.1:{runner.addresses[0][1]}/api/v10"):
            yield
    finally:
        await runner.cleanup()


def banned() -> web.Response:
    return web.Response(status=429, text="error code: 1015", headers={"Retry-After": "30"})


def cut() -> web.Response:
    return web.Response(body=b'{"id": "12', headers={"Content-Type": "application/json"})


def html(status: int) -> Refusal:
    return lambda: web.Response(status=status, text="<html>", content_type="text/html")


async def test_a_ban_stops_all_calls_for_ten_minutes(scene: Scene):
    job = await scene.job()
    async with front(scene, [banned]):
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.films) == 1
    assert scene.clock.monotonic() == 600


def limited(**body: object) -> Refusal:
    text = json.dumps({"message": "not so fast", **body}).encode()
    return lambda: web.Response(status=429, body=text, headers={"Content-Type": "application/json", **VIA})


@pytest.mark.parametrize("refusal", [cut, html(503), html(520), html(403), limited()])
async def test_an_answer_that_is_none_makes_no_second_film(scene: Scene, refusal: Refusal):
    job = await scene.job()
    async with front(scene, [refusal, refusal]):
        delivered = await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert [message.id for message in scene.films] == [delivered.message_id]
    assert [message.channel for message in scene.films] == [scene.channel]
    assert delivered.message_id != job.ack_message_id


@pytest.mark.parametrize("code", [20016, 20028, 20029, 40062])
@pytest.mark.parametrize(("retry_after", "naps"), [(0.01, []), (100, [100])])
async def test_a_limit_that_says_how_long_is_waited_out(scene: Scene, code: int, retry_after: float, naps: list[float]):
    job = await scene.job()
    async with front(scene, [limited(retry_after=retry_after, code=code)]):
        await scene.delivery.deliver(job, scene.shelf.put(1000))
    assert len(scene.films) == 1
    assert scene.clock.naps == naps


async def test_an_answer_to_the_last_edit_that_makes_no_sense_does_not_count_as_told(scene: Scene):
    job = await scene.job(JobState.CANCELLED, cause=Cause.BY_MEMBER)
    async with front(scene, [lambda: web.json_response([])]):
        with pytest.raises(TypeError):
            await scene.delivery.tell(job)
        await scene.delivery.tell(job)
    assert "**cancelled**" in scene.queue_message(job).content


async def test_when_nothing_listens_the_film_waits(tmp_path: Path):
    async with opened(tmp_path) as scene:
        job = await scene.job()
        clock = scene.clock
        assert isinstance(clock, LeapingClock)
        async with redirected("http://127.0.0.1:9/api/v10"):
            line = Line(clock, Invalid(clock))
            channel = scene.client.get_partial_messageable(job.to.channel_id)
            with pytest.raises(Refused) as caught:
                await line.patiently(lambda: channel.send("hello"), tries=5)
    assert caught.value.answer is Answer.DOUBT
    assert clock.naps == [1, 4, 15, 40]


class _Reply:
    def __init__(self, status: int) -> None:
        self.status, self.reason, self.headers = status, "scripted", {"Via": "1.1 google"}


def refusing(status: int, code: int) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        raise discord.HTTPException(_Reply(status), {"code": code, "message": "scripted"})

    return call


@asynccontextmanager
async def counted(
    invalid: Invalid, headers: Mapping[str, str] = VIA
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Ask somebody for an answer of a given status."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.path[1:]), headers=headers)

    app = web.Application()
    app.router.add_get("/{tail}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(trace_configs=[wire_trace(invalid)]) as session:

        async def ask(status: int) -> None:
            async with session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/{status}"):
                pass

        yield ask
    await runner.cleanup()


async def test_a_thousand_refusals_in_ten_minutes_close_the_line_until_they_are_past():
    clock = LeapingClock()
    invalid = Invalid(clock)
    line = Line(clock, invalid)
    async with counted(invalid) as ask:
        for number in range(999):
            await ask((401, 403, 429)[number % 3])
            await clock.sleep(0.1)
        await line.open()
        assert max(clock.naps) == 0.1
        await ask(429)
    await line.open()
    assert clock.monotonic() == pytest.approx(600)


@pytest.mark.parametrize(("status", "headers"), [(404, VIA), (502, {}), (429, {"X-RateLimit-Scope": "shared"} | VIA)])
async def test_refusals_that_discord_does_not_count_never_close_the_line(status: int, headers: dict):
    clock = LeapingClock()
    invalid = Invalid(clock)
    async with counted(invalid, headers) as ask:
        for _ in range(1001):
            await ask(status)
    await Line(clock, invalid).open()
    assert clock.naps == []


async def test_a_ban_closes_the_line_whatever_was_asked():
    clock = LeapingClock()
    invalid = Invalid(clock)
    async with counted(invalid, {}) as ask:
        await ask(429)
    await Line(clock, invalid).open()
    assert clock.naps == [600]


async def test_what_the_library_repeats_on_its_own_counts_each_time(tmp_path: Path):
    async with opened(tmp_path, most_refusals=3) as scene:
        job, film = await scene.job(), scene.shelf.put(1000)
        scene.discord.faults.add(Fault("POST /channels/*/messages", retry_after=0.01, times=3))
        await scene.delivery.deliver(job, film)
        assert scene.clock.monotonic() == 0
        await scene.delivery.deliver(await scene.job(), film)
        assert scene.clock.monotonic() == 600


async def test_a_dead_token_is_told_once_and_never_tried_again():
    told: list[str] = []
    clock = LeapingClock()
    line = Line(clock, Invalid(clock), lambda: told.append("dead"))
    asked = 0

    async def call() -> None:
        nonlocal asked
        asked += 1
        await refusing(401, 0)()

    for _ in range(3):
        with pytest.raises(DeliveryRevoked):
            await line.patiently(call)
    assert (asked, told) == (1, ["dead"])


async def test_a_mistake_of_ours_is_no_answer_of_discords():
    async def call() -> None:
        raise KeyError("job")

    clock = LeapingClock()
    with pytest.raises(KeyError):
        await Line(clock, Invalid(clock)).patiently(call)
