"""Polling that is thrifty: the goals, on a trace of films that take about 90 s and 180 s."""

import asyncio
import gc
import math
import random
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from bot.domain.generation import GenerationRequest, Quality
from bot.domain.job import Completed, InProgress, InQueue, Job, RemoteHandle, RemoteStatus
from bot.jobs.fetching import Fetching
from bot.jobs.following import Following
from bot.jobs.paces import Paces
from bot.jobs.submission import Submission
from tests.support.outside import Reaching, ScriptedQueue, Studio
from tests.support.rows import job, limits, request
from tests.support.world import STUCK_SECONDS, World, running

USUAL = {Quality.STANDARD: 90.0, Quality.HIGH: 180.0}
STANDARD_SIZE, HIGH_SIZE = 0, 3
TASKS = 24
MANY = limits(burst=5000, active_per_guild=5000, active_per_member=5000, queued_per_guild=5000, queued_per_member=5000)


def course(chance: random.Random, usual: float) -> list[tuple[float, RemoteStatus]]:
    """Up to a minute in a queue, a run that varies, tasks of uneven length; one in four says not always how
    far it is, one in eight never."""
    queued, run = chance.uniform(0, 60), usual * math.exp(chance.gauss(0, 0.15))
    silence = chance.choice([0, 0, 0, 0, 0, 2 / 7, 2 / 7, 1])
    bend = chance.uniform(0.8, 1.25)
    lengths = [chance.uniform(0.7, 1.3) for _ in range(TASKS)]
    answers: list[tuple[float, RemoteStatus]] = [(0, InQueue(int(queued / 20)))]
    for done in range(TASKS):
        share = (sum(lengths[:done]) / sum(lengths)) ** (1 / bend)
        answers.append((queued + run * share, InProgress() if chance.random() < silence else InProgress(done, TASKS)))
    return [*answers, (queued + run, Completed())]


@dataclass
class Measuring(ScriptedQueue):
    """Each request takes a course of its own; counts what it costs."""

    chance: random.Random = field(default_factory=lambda: random.Random(2026))
    asked: dict[str, int] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        quality = Quality.HIGH if request.size == HIGH_SIZE else Quality.STANDARD
        self.studio.timeline = course(self.chance, USUAL[quality])
        return await super().submit(request, images)

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        self.asked[handle.request_id] = self.asked.get(handle.request_id, 0) + 1
        return await super().poll(handle)

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        made = self.studio.requests[handle.request_id]
        self.delays[handle.request_id] = self.studio.clock.monotonic() - (made.at + made.timeline[-1][0])
        await super().fetch(handle, into)


async def test_eight_questions_and_a_second(tmp_path: Path):
    providers = []

    def one(studio: Studio, reach: Reaching) -> list[Measuring]:
        providers.append(Measuring(studio, reach, concurrency=1000))
        return providers

    async with running(tmp_path, limits=MANY, providers=one) as world:
        jobs = []
        for number in range(200):
            jobs.append(await world.ask(quality=list(USUAL)[number % 2]))
            await world.clock.advance(2)
        await world.clock.until(lambda: len(world.theatre.films) == len(jobs), 1000)
    (measured,) = providers
    assert len(measured.delays) == len(jobs)
    assert mean(measured.asked.values()) <= 8
    assert median(measured.delays.values()) <= 1
    assert max(measured.delays.values()) < 30


@dataclass
class Crowd(ScriptedQueue):
    """Ten thousand requests that are made at the same time, each as long as it takes."""

    courses: dict[str, list[tuple[float, RemoteStatus]]] = field(default_factory=dict)
    asked: list[tuple[float, str]] = field(default_factory=list)

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        now = self.studio.clock.monotonic()
        self.asked.append((now, handle.request_id))
        return [status for at, status in self.courses[handle.request_id] if now >= at][-1]


@dataclass
class Waiting:
    """Requests that wait, and nothing around them; one that is ready makes room for a new one."""

    world: World
    following: Following
    crowd: Crowd
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    completed: list[str] = field(default_factory=list)

    def add(self, *, before: float = 0.0, at_once: bool = False) -> Job:
        """One that was submitted `before` this moment."""
        quality = self.chance.choice(list(USUAL))
        size = HIGH_SIZE if quality is Quality.HIGH else STANDARD_SIZE
        submitted = self.world.clock.monotonic() - before
        waiting = job(request=request(size=size), started_at=self.world.clock.now() - before)
        self.crowd.courses[waiting.id] = [
            (submitted + at, status) for at, status in course(self.chance, USUAL[quality])
        ]
        self.following.watch(waiting, RemoteHandle(waiting.request.model, waiting.id), self.crowd, at_once=at_once)
        return waiting

    def ended(self, ready: Job) -> None:
        self.completed.append(ready.id)
        self.following.forget(ready)
        self.add()


@asynccontextmanager
async def waiting(folder: Path) -> AsyncIterator[Waiting]:
    async with running(folder, start=False) as world:
        crowd = Crowd(world.studio, world.reach)
        submission = Submission(world.catalog, world.store, world.artifacts, world.pictures, world.clock)
        following = Following(
            world.store, world.delivery, submission, Fetching(world.artifacts, submission, world.clock),
            Paces(world.store, world.catalog, world.clock), world.clock, STUCK_SECONDS,
        )  # fmt: skip
        found = Waiting(world, following, crowd)
        following.call_back(found.ended)
        try:
            yield found
        finally:
            await following.close()


async def test_ten_thousand_at_once_cost_less_than_sixty_questions_a_second_and_all_have_a_turn(tmp_path: Path):
    async with waiting(tmp_path) as crowded:
        for _ in range(10_000):
            crowded.add(before=crowded.chance.uniform(0, 150), at_once=True)
        clock, asked = crowded.world.clock, crowded.crowd.asked
        await clock.advance(0.5)
        first = {name for _, name in asked}
        assert len(first) >= 10_000
        begun, so_far = clock.monotonic(), len(asked)
        await clock.advance(430)
        later = [at for at, _ in asked[so_far:]]
        assert all(at - before >= 1 - 1e-6 for before, at in zip(later, later[60:], strict=False))
        # Nobody who is still waiting was left out.
        left = {name for at, name in asked[so_far:] if at > begun} | set(crowded.completed)
        assert first <= left


async def test_a_start_asks_after_everybody_before_it_brings_their_messages_up_to_date(tmp_path: Path):
    async with waiting(tmp_path) as crowded:
        for _ in range(500):
            crowded.add(at_once=True)
        clock, asked, shown = crowded.world.clock, crowded.crowd.asked, crowded.world.theatre.shown
        await clock.advance(0.5)
        assert len({name for _, name in asked}) == 500
        assert len(shown) <= 50
        await clock.advance(300)
        assert len(shown) >= 500


async def test_few_that_a_start_takes_up_have_their_messages_at_once(tmp_path: Path):
    async with waiting(tmp_path) as crowded:
        for _ in range(20):
            crowded.add(at_once=True)
        await crowded.world.clock.advance(0.5)
        assert len(crowded.world.theatre.shown) == 20


async def test_one_that_waits_costs_less_than_ten_kilobytes(tmp_path: Path):
    async with waiting(tmp_path) as crowded:
        crowded.add(at_once=True)
        await crowded.world.clock.advance(0)
        gc.collect()
        tracemalloc.start()
        jobs = []
        try:
            for _ in range(2000):
                jobs.append(crowded.add(at_once=True)._replace(nonce="n" * 20))
                crowded.world.live.update(jobs[-1])
            await crowded.world.clock.advance(1)
            gc.collect()
            used, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len({name for _, name in crowded.crowd.asked}) == 2001
        assert len(asyncio.all_tasks()) < 20
        assert used / len(jobs) < 10_000
