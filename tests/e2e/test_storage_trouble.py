"""A database that is busy, a disk that is full: the member is told so, and nobody pays for it."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import pytest
import pytest_asyncio
from e2e_kit import Scene, eventually, everyone_was_told, private, scene

from bot.sandbox.discord import Upload
from bot.sandbox.providers import ProviderFault
from tests.support.media import picture, small_film

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAN, FAST = "wan2.1-14b", "wan22-fast-t2v"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("storage"), speed=60) as playing:
        yield playing
        await playing.film(await playing.ask("image"))
        await everyone_was_told(playing)


@contextmanager
def locked(it: Scene) -> Iterator[None]:
    """Another program writes, and does not finish."""
    with closing(sqlite3.connect(it.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(it: Scene, room: int = 512) -> Iterator[None]:
    """No file of the bot's process, or of a child that it starts meanwhile, grows beyond `room` bytes."""
    assert it.stage.bot is not None
    before = resource.prlimit(it.stage.bot.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(it.stage.bot.pid, resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        if it.alive:
            resource.prlimit(it.stage.bot.pid, resource.RLIMIT_FSIZE, before)


async def test_a_busy_database_refuses_in_time_and_takes_the_next(it: Scene) -> None:
    rows, made = len(it.jobs()), len(it.providers.generations)
    with locked(it):
        began = time.monotonic()
        text = private(await it.alice.slash(it.channel, "video", prompt="a cat"))
        assert time.monotonic() - began < 2.5
        assert "busy" in text
        assert "again" in text
        assert "busy" in private(await it.mara.slash(it.channel, "admin pause"))
        private(await it.alice.slash(it.channel, "queue"))
    assert (len(it.jobs()), len(it.providers.generations)) == (rows, made)
    await it.film(await it.ask("image"))


async def test_a_database_that_is_busy_while_a_job_runs_costs_only_time(it: Scene) -> None:
    made = len(it.providers.generations)
    jobs = [await it.ask(model=FAST), await it.ask(model=WAN)]
    for job in jobs:
        await it.reaches(job, "submitting", "submitted")
    with locked(it):
        # Both results arrive meanwhile; that nothing happens is what has to be waited for.
        await asyncio.sleep(4)
        assert it.films(jobs[0]) == []
    for job in jobs:
        await it.film(job)
    assert len(it.providers.generations) == made + 2


async def test_a_full_disk_refuses_and_leaves_nothing_behind(it: Scene) -> None:
    rows, made = len(it.jobs()), len(it.providers.generations)
    with full(it):
        text = private(await it.alice.slash(it.channel, "video", prompt="a cat"))
        assert "storage is full" in text
        reply = await it.alice.slash(it.channel, "animate", image=Upload("cat.png", picture((640, 480))))
        assert "storage is full" in private(reply)
        private(await it.alice.slash(it.channel, "models"))
    media = it.stage.folder / "media"
    left = [path for part in ("uploads", "inputs") for path in (media / part).rglob("*") if path.is_file()]
    assert left == []
    assert (len(it.jobs()), len(it.providers.generations)) == (rows, made)
    await it.film(await it.ask("image"))


async def test_a_disk_that_is_not_there_takes_no_requests_and_is_named_in_the_log(it: Scene) -> None:
    media = it.stage.folder / "media"
    media.rename(away := media.with_name("away"))
    text = private(await it.alice.slash(it.channel, "image", prompt="a cat"))
    assert "storage is full" in text
    assert f"{media} cannot be used" in it.events("error")[-1]["event"]
    away.rename(media)
    await it.film(await it.ask("image"))


async def test_a_disk_that_is_full_when_results_come_is_waited_for(it: Scene) -> None:
    made = len(it.providers.generations)
    jobs = [await it.ask(model=FAST), await it.ask(model=WAN)]
    await it.reaches(jobs[0], "submitted")
    await eventually(lambda: it.asked("generate", WAN))
    with full(it):
        await eventually(lambda: it.asked("result", FAST))
        await eventually(lambda: all(each.finished_at for each in it.providers.generations))
        await asyncio.sleep(1)
        assert it.films(jobs[0]) + it.films(jobs[1]) == []
    for job in jobs:
        film = await it.film(job, timeout=60)
        assert film.attachments[0].data == small_film()
    assert len(it.providers.generations) == made + 2


@pytest.mark.parametrize("trouble", [locked, full])
async def test_what_a_provider_answered_outlives_a_kill_before_it_is_committed(
    it: Scene, trouble: Callable[[Scene], AbstractContextManager[None]]
) -> None:
    made = len(it.providers.generations)
    it.providers.faults.add(ProviderFault(provider="pipelet", step="create", delay=2))
    job = await it.ask(model=FAST)
    await it.reaches(job, "submitting")
    with trouble(it):
        await eventually(lambda: list(it.database.with_suffix(".spill").glob(f"{job}.json")))
        assert await it.stop(signal.SIGKILL) == -signal.SIGKILL
    assert it.job(job)["state"] == "submitting"
    await it.start()
    await it.film(job, timeout=60)
    assert len(it.providers.generations) == made + 1
