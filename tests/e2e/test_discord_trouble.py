"""Discord that refuses, loses, delays and drops: one film or one failure for each request, and it is told somewhere."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import av
import pytest
import pytest_asyncio
from e2e_kit import Meanwhile, Play, Scene, eventually, everyone_was_told, job_of, private, scene

from bot.sandbox.discord import Channel, Fault, Permission
from bot.sandbox.providers import GenerationState, noise_film

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("lost_replies", "meanwhile")]

WAN, FAST = "wan2.1-14b", "wan22-fast-t2v"
POST, CALLBACK = "POST /channels/*/messages", "POST /interactions/*/*/callback"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("discord"), speed=60) as playing:
        playing.discord.options.rate_limits = False
        yield playing
        playing.discord.faults.clear()
        await playing.film(await playing.ask())
        await everyone_was_told(playing)


@pytest_asyncio.fixture(loop_scope="module")
async def room(it: Scene) -> Channel:
    """A channel that is this test's own."""
    return it.guild.add_channel("room")


def posting(room: Channel) -> str:
    return f"POST /channels/{room.id}/messages"


async def one_film(it: Scene, job: str) -> None:
    """That it stays the only one, and nobody is told of a failure, is looked at when all is over."""
    await it.film(job)
    row = await it.reaches(job, "done")
    assert row["result_message_id"] == it.films(job)[0].id


LOST = (
    {"drop": "after"}, {"drop": "before"}, {"status": 500, "times": 2}, {"effect_then_status": 502, "times": 2},
    # More often than the library tries by itself.
    {"effect_then_status": 504, "times": 6},
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lost_replies(it: Scene) -> AsyncIterator[asyncio.Task[list[str]]]:
    """Begun before the first test: jobs whose film Discord takes without saying so, each in a channel of its own."""

    async def ask(fault: Mapping[str, Any]) -> str:
        room = it.guild.add_channel("doubt")
        it.discord.faults.add(Fault(posting(room), **fault))
        job = await it.ask("image", channel=room)
        await it.reaches(job, "done", timeout=90)
        return job

    async def all_of_them() -> list[str]:
        return [await job for job in [asyncio.create_task(ask(fault)) for fault in LOST]]

    yield asyncio.create_task(all_of_them())


async def test_a_storm_of_rate_limits_is_waited_out(it: Scene, room: Channel) -> None:
    it.discord.faults.add(Fault(posting(room), retry_after=0.3, times=3))
    it.discord.faults.add(Fault(posting(room), retry_after=0.5, scope="shared"))
    it.discord.faults.add(Fault(posting(room), retry_after=0.5, scope="global"))
    it.discord.faults.add(Fault("PATCH /channels/*/messages/*", retry_after=0.3, times=3))
    await one_film(it, await it.ask("image", channel=room))


async def test_where_nothing_new_may_be_posted_the_queue_message_becomes_the_film(it: Scene, room: Channel) -> None:
    it.discord.faults.add(Fault(posting(room), status=403, code=50013, times=9))
    job = await it.ask(channel=room, model=WAN)
    film = await it.film(job)
    row = await it.told(job)
    assert row["state"] == "done"
    assert film.id == row["ack_message_id"] == row["result_message_id"]
    assert film.attachments[0].sha256 == it.providers.generations[-1].film_sha256
    assert [each for each in it.everywhere() if each.channel is room] == [film]


async def test_where_files_may_no_longer_be_sent_the_film_comes_as_a_direct_message(it: Scene, room: Channel) -> None:
    job = await it.ask(channel=room, model=WAN)
    room.set_permissions(it.guild.bot, deny=Permission.ATTACH_FILES)
    film = await it.film(job)
    assert film.channel is it.alice.direct
    assert film.notified == [it.alice.user]
    await it.told(job)
    (message,) = it.said(room)
    assert "done" in message.content
    assert str(film.id) not in message.content


async def test_without_the_right_to_look_back_films_and_failures_are_still_told(it: Scene, room: Channel) -> None:
    room.set_permissions(it.guild.bot, deny=Permission.READ_MESSAGE_HISTORY)
    job = await it.ask("image", channel=room)
    await one_film(it, job)
    row = await it.told(job)
    assert row["result_message_id"] == row["ack_message_id"]
    (notice,) = it.notices(job)
    assert notice.notified == [it.alice.user]


async def test_when_the_channel_is_gone_the_film_comes_as_a_direct_message(it: Scene, room: Channel) -> None:
    job = await it.ask(channel=room, model=WAN)
    room.delete()
    film = await it.film(job)
    assert film.channel is it.alice.direct
    assert (await it.told(job))["state"] == "done"


async def test_when_nothing_is_open_the_film_is_kept_and_the_job_ends(it: Scene, room: Channel) -> None:
    it.ben.user.direct_messages = False
    job = await it.ask(channel=room, model=WAN, member=it.ben)
    room.delete()
    row = await it.told(job)
    assert row["state"] == "undeliverable"
    assert it.films(job) == []
    kept = list((it.stage.folder / "media" / "artifacts").rglob(f"*{job}*"))
    assert [path.read_bytes() for path in kept] == [it.providers.generations[-1].film]
    it.ben.user.direct_messages = True


async def test_a_queue_message_that_somebody_removed_does_not_cost_the_film(it: Scene, room: Channel) -> None:
    job = await it.ask(channel=room, model=WAN)
    message = next(iter(room.messages.values()))
    it.mara.delete(message)
    film = await it.film(job)
    it.mara.delete(film)
    await it.reaches(job, "done")


async def test_a_filter_of_the_guild_is_told_as_one(it: Scene, room: Channel) -> None:
    it.discord.faults.add(Fault(posting(room), status=400, code=200000))
    job = await it.ask("image", channel=room)
    assert (await it.told(job))["state"] == "undeliverable"
    (notice,) = it.notices(job)
    assert "AutoMod" in notice.content


def _decodes(data: bytes) -> int:
    with av.open(io.BytesIO(data)) as container:
        return sum(1 for _ in container.decode(video=0))


async def a_film_over_the_limit_is_encoded_until_it_fits_and_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path, film_bytes=await asyncio.to_thread(noise_film, 3)) as it:
        it.discord.options.file_limit = 900_000
        told = await it.ask(model=WAN)
        it.discord.options.file_limit = None
        surprised = await it.ask(model="skyreels")
        await it.reaches(surprised, "submitting", "result", "posting")
        it.discord.faults.add(Fault(POST, status=413, code=40005, times=2))
        for job in (told, surprised):
            film = await it.film(job, timeout=90)
            assert "compressed" in film.content
            assert await asyncio.to_thread(_decodes, film.attachments[0].data) > 5
        assert it.films(told)[0].attachments[0].size <= 900_000
        assert it.films(surprised)[0].attachments[0].size < len(it.providers.generations[0].film or b"")


async def test_a_gateway_that_comes_and_goes_costs_nothing(it: Scene, room: Channel) -> None:
    for kind in ("drop", "reconnect", "invalid_resumable", "invalid"):
        job = await it.ask(channel=room, model=WAN)
        it.discord.faults.add(Fault(gateway=kind))
        await one_film(it, job)
        await it.discord.until(lambda: it.discord.gateway.online, timeout=30)
    private(await it.alice.slash(room, "queue"))


async def an_acknowledgement_whose_reply_was_lost_counts_when_it_is_seen(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        for fault in ({"effect_then_status": 502}, {"drop": "after"}):
            it.discord.faults.add(Fault(CALLBACK, **fault))
            await one_film(it, job_of(await it.alice.slash(it.channel, "image", prompt="a cat")))


async def a_member_who_saw_the_command_fail_pays_nothing_and_is_told(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        made = len(it.providers.generations)
        it.discord.faults.add(Fault(CALLBACK, status=404, code=10062))
        reply = await it.alice.slash(it.channel, "image", prompt="too late")
        assert reply.refusal is not None
        job = it.jobs()[-1]["id"]
        row = await it.told(job)
        assert row["state"] == "abandoned"
        (notice,) = it.notices(job)
        assert "Nothing was spent" in notice.content
        it.discord.faults.add(Fault(CALLBACK, status=500, times=20))
        began = time.monotonic()
        reply = await it.alice.slash(it.channel, "image", prompt="never")
        assert reply.refusal is not None
        row = await it.told(it.jobs()[-1]["id"])
        assert row["state"] == "abandoned"
        assert time.monotonic() - began < 30
        it.discord.faults.clear()
        assert len(it.providers.generations) == made


async def test_a_bot_that_is_thrown_out_cancels_what_it_can_and_lives_on(it: Scene) -> None:
    lost = it.elsewhere("Leaving")
    job = await lost.ask(model=FAST)
    await it.reaches(job, "submitted")
    lost.guild.remove_member(it.discord.world.bot)
    row = await eventually(lambda: row if (row := it.job(job))["told"] else None)
    assert row["state"] in ("cancelled", "undeliverable")
    private(await it.alice.slash(it.channel, "queue"))


async def a_token_that_is_refused_ends_the_process_with_78_and_keeps_the_film(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        # Only from there on: before it, a call that is held open would end with the process.
        it.discord.faults.add(Fault(POST, status=401, times=50))
        job = await it.ask("image")
        assert await it.died() == 78
        assert it.job(job)["state"] in ("result", "posting")
        it.discord.faults.clear()
        await it.start()
        await one_film(it, job)
        assert [each.state for each in it.providers.generations] == [GenerationState.COMPLETED]


async def a_connection_that_breaks_for_good_ends_the_process_with_a_code_that_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        it.discord.faults.add(Fault(gateway="garbage"))
        # With 0 a supervisor would take it for a stop, and leave it at that.
        assert await it.died() == 1
        (line,) = it.events("error")
        assert "the connection to Discord broke" in line["event"]
        await it.start()
        await one_film(it, await it.ask("image"))


async def answers_that_are_not_discords_are_waited_out_by_a_start(tmp_path: Path) -> None:
    async with scene(tmp_path, start=False) as it:
        for where in ("GET /users/@me", "GET /gateway/bot"):
            it.discord.faults.add(Fault(where, status=200))
        await it.start()
        warned = [each["why"] for each in it.events("warning") if each["event"] == "Discord cannot be reached"]
        assert len(warned) == 2


async def test_a_reply_that_is_lost_leaves_one_film(it: Scene, lost_replies: asyncio.Task[list[str]]) -> None:
    for job in await lost_replies:
        assert len(it.films(job)) == 1
        assert it.notices(job) == []


PLAYS = (
    a_film_over_the_limit_is_encoded_until_it_fits_and_says_so,
    a_token_that_is_refused_ends_the_process_with_78_and_keeps_the_film,
    an_acknowledgement_whose_reply_was_lost_counts_when_it_is_seen,
    a_member_who_saw_the_command_fail_pays_nothing_and_is_told,
    a_connection_that_breaks_for_good_ends_the_process_with_a_code_that_says_so,
    answers_that_are_not_discords_are_waited_out_by_a_start,
)


async def test_that(play: Play, meanwhile: Meanwhile) -> None:
    await meanwhile[play]
