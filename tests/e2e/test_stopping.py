"""SIGTERM: out in time, with code 0, and the next start goes on with everything."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from pathlib import Path

import pytest
from e2e_kit import Meanwhile, Play, eventually, scene

from bot.sandbox.providers import GenerationState

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAIN = 3.0


async def a_call_that_is_held_open_ends_as_uncertain_and_the_queue_goes_on_after_the_restart(tmp_path: Path) -> None:
    async with scene(tmp_path, speed=2, environment={"MATINEE_JOBS__DRAIN_SECONDS": str(DRAIN)}) as it:
        held = await it.ask(model="wan2.1-14b", prompt="held open")
        own = await it.ask(model="cogvideox", prompt="held open at a server of one's own")
        for job in (held, own):
            await it.reaches(job, "submitting")
        waiting = await it.ask(model="cogvideox", prompt="waiting")
        began = time.monotonic()
        assert it.stage.bot is not None
        it.stage.bot.send_signal(signal.SIGTERM)
        await eventually(lambda: [each for each in it.events() if each["event"] == "stopping"])
        late = await it.ask("image", prompt="while it stops")
        assert "restarting" in it.queue_message(late).content
        assert await it.died() == 0
        assert time.monotonic() - began < DRAIN + 10
        assert it.job(held)["state"] == "ambiguous"
        assert [it.job(job)["state"] for job in (own, waiting, late)] == ["submitting", "queued", "queued"]
        it.environment["MATINEE_JOBS__DRAIN_SECONDS"] = "0"
        await it.start()
        await eventually(lambda: it.job(own)["repeated"])
        assert it.job(waiting)["state"] in ("queued", "submitting")
        await it.told(held)
        (notice,) = it.notices(held)
        assert "may have been charged" in notice.content
        assert notice.notified == [it.alice.user]
        await it.film(late)
        assert len(it.jobs()) == 4


async def a_pipelet_job_and_its_queue_are_found_again_by_the_next_start(tmp_path: Path) -> None:
    async with scene(tmp_path, speed=20, limits={"burst": 2, "jobs_per_hour": 1200}) as it:
        running = [await it.ask(prompt=f"film {number}") for number in range(2)]
        for job in running:
            await it.reaches(job, "submitted")
        queued = await it.ask("image", prompt="waits for the rate")
        began = time.monotonic()
        assert await it.stop() == 0
        assert time.monotonic() - began < 15
        assert [it.job(job)["state"] for job in (*running, queued)] == ["submitted", "submitted", "queued"]
        await it.start()
        for job in (*running, queued):
            await it.film(job)
            await it.told(job)
        assert it.notices() == []
        assert [each.state for each in it.providers.generations] == [GenerationState.COMPLETED] * 3


async def a_second_signal_ends_the_drain(tmp_path: Path) -> None:
    async with scene(tmp_path, speed=1, environment={"MATINEE_JOBS__DRAIN_SECONDS": "120"}) as it:
        job = await it.ask(model="wan2.1-14b")
        await eventually(lambda: it.providers.generations)
        assert it.stage.bot is not None
        it.stage.bot.send_signal(signal.SIGTERM)
        await eventually(lambda: [each for each in it.events() if each["event"] == "stopping"])
        it.stage.bot.send_signal(signal.SIGINT)
        assert await it.died(10) == 0
        assert it.job(job)["state"] == "ambiguous"


async def a_bot_that_does_not_reach_discord_stops_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, start=False) as it:
        await it.discord.stop()
        starting = asyncio.create_task(it.start())
        await eventually(lambda: [each for each in it.events() if each["event"] == "Discord cannot be reached"])
        assert it.stage.bot is not None
        began = time.monotonic()
        it.stage.bot.send_signal(signal.SIGTERM)
        assert await it.stage.bot.wait() == 0
        assert time.monotonic() - began < 15
        await asyncio.gather(starting, return_exceptions=True)


async def a_start_that_waits_for_another_process_stops_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, start=False) as it:
        with (tmp_path / "matinee.db.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            starting = asyncio.create_task(it.start())
            await eventually(lambda: it.stage.bot and _opened(it.stage.bot.pid, lock.name))
            began = time.monotonic()
            it.stage.bot.send_signal(signal.SIGTERM)
            assert await it.stage.bot.wait() == 0
            assert time.monotonic() - began < 5
            assert it.log.read_text("utf-8") == ""
            await asyncio.gather(starting, return_exceptions=True)


def _opened(process: int, file: str) -> bool:
    return file in {os.path.realpath(handle) for handle in Path(f"/proc/{process}/fd").iterdir()}


PLAYS = (
    a_call_that_is_held_open_ends_as_uncertain_and_the_queue_goes_on_after_the_restart,
    a_pipelet_job_and_its_queue_are_found_again_by_the_next_start,
    a_second_signal_ends_the_drain,
    a_bot_that_does_not_reach_discord_stops_at_once,
    a_start_that_waits_for_another_process_stops_at_once,
)


async def test_that(play: Play, meanwhile: Meanwhile) -> None:
    await meanwhile[play]
