"""Pipelet jobs in a time that costs none: Matinee's own following, asking a provider that is only simulated."""

import asyncio
import heapq
import itertools
import random
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core import NO_LIMITS, STUCK_SECONDS, InstantArtifacts, InstantDelivery, NoPictures
from bot.domain.generation import Asked, Capability, GenerationRequest, ModelSpec, Quality, plan
from bot.domain.job import Completed, Destination, InProgress, InQueue, Job, RemoteHandle, RemoteStatus
from bot.jobs.catalog import Catalog
from bot.jobs.fetching import Fetching
from bot.jobs.following import Following
from bot.jobs.paces import Paces
from bot.jobs.submission import Submission
from bot.providers.pipelet import MODELS
from storage.database import Database
from storage.job_store import SqliteJobStore

TASKS = 24
POLL_SECONDS = 0.05
_EPOCH = 1_800_000_000.0
_QUIET_TURNS = 12
_HALF_A_MILLISECOND = 0.0005


@dataclass(frozen=True, slots=True)
class Course:
    """One request at the provider: seconds in its queue, seconds under way, and what it says of its progress.

    The tasks done go with the share of the time to the power of `bend`; `silence` is the share of answers without
    them. Somebody before it in the queue starts every `turn` seconds.
    """

    queued: float
    running: float
    quality: Quality = Quality.STANDARD
    bend: float = 1.0
    silence: float = 0.0
    turn: float = 30.0

    @property
    def seconds(self) -> float:
        return self.queued + self.running

    @property
    def request(self) -> GenerationRequest:
        return _REQUESTS[self.quality]


_REQUESTS = {
    quality: plan(MODELS[0], Asked(Capability.TEXT_TO_VIDEO, "a paper boat", quality=quality), seed=1)
    for quality in Quality
}


@dataclass(frozen=True, slots=True)
class Followed:
    """What one job cost: questions asked, and seconds from ready at the provider to the start of its fetch."""

    questions: int
    delay: float


class BusyDatabase(Database):
    """Says whether its threads are at work, so that virtual time can wait for them."""

    at_work = 0

    async def write(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401  # as Database has it
        return await self._counted(super().write(*arguments, **named))

    async def read(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        return await self._counted(super().read(*arguments, **named))

    async def _counted(self, call: Awaitable[Any]) -> Any:  # noqa: ANN401
        self.at_work += 1
        try:
            return await call
        finally:
            self.at_work -= 1


class VirtualClock:
    """ports.Clock whose time passes once nobody has anything left to do at this one."""

    def __init__(self, busy: Callable[[], bool] = lambda: False) -> None:
        self._busy, self._passed = busy, 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return _EPOCH + self._passed

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waker = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), waker))
        await waker

    async def run(self, over: Callable[[], bool]) -> None:
        """Until it is `over`, or until nobody waits for time any more."""
        await self._settle()
        while not over() and self._sleepers:
            self._passed = self._sleepers[0][0]
            while self._sleepers and self._sleepers[0][0] <= self._passed:
                waker = heapq.heappop(self._sleepers)[2]
                if not waker.done():
                    waker.set_result(None)
            await self._settle()

    async def _settle(self) -> None:
        quiet = 0
        while quiet < _QUIET_TURNS:
            busy = self._busy()
            quiet = 0 if busy else quiet + 1
            await asyncio.sleep(_HALF_A_MILLISECOND if busy else 0)


class SimulatedProvider:
    """ports.QueueProvider whose requests take their courses. `asked`: when questions came, in monotonic seconds."""

    name = "pipelet"
    billed = True
    concurrency = 10**6

    def __init__(self, clock: VirtualClock, courses: Mapping[str, Course], chance: random.Random) -> None:
        self._clock, self._courses, self._chance = clock, courses, chance
        self.accepted: dict[str, float] = {}
        self.questions = dict.fromkeys(courses, 0)
        self.fetched: dict[str, float] = {}
        self.asked: list[float] = []

    def models(self) -> Sequence[ModelSpec]:
        return MODELS

    async def refresh(self) -> None:
        pass

    async def healthy(self) -> str:
        return "simulated"

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        """The next of the courses begins, whatever is asked for."""
        name = next(name for name in self._courses if name not in self.accepted)
        self.accepted[name] = self._clock.monotonic()
        return RemoteHandle(request.model, name)

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        self.asked.append(self._clock.monotonic())
        self.questions[handle.request_id] += 1
        await self._clock.sleep(POLL_SECONDS)
        course = self._courses[handle.request_id]
        passed = self._clock.monotonic() - self.accepted[handle.request_id] - course.queued
        if passed < 0:
            return InQueue(int(-passed / course.turn))
        if passed >= course.running:
            return Completed()
        if self._chance.random() < course.silence:
            return InProgress()
        return InProgress(int(TASKS * (passed / course.running) ** course.bend), TASKS)

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        self.fetched[handle.request_id] = self._clock.monotonic()

    async def cancel(self, handle: RemoteHandle) -> bool:
        return False

    def followed(self, request_id: str) -> Followed:
        ready_at = self.accepted[request_id] + self._courses[request_id].seconds
        return Followed(self.questions[request_id], self.fetched[request_id] - ready_at)


async def follow_all(courses: Sequence[Course], seed: int, every: float = 5.0) -> list[Followed]:
    """Each course from its submission to its fetch, by one planner; one is submitted `every` seconds on average."""
    chance = random.Random(seed)  # noqa: S311  # the same figures every time
    requests = {str(number): course for number, course in enumerate(courses)}
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as folder:
        database = await BusyDatabase.open(Path(folder) / "matinee.db")
        try:
            clock = VirtualClock(lambda: database.at_work > 0)
            provider = SimulatedProvider(clock, requests, chance)
            await _follow(database, clock, provider, requests, [chance.expovariate(1 / every) for _ in courses])
        finally:
            await database.close()
    return [provider.followed(name) for name in requests]


async def _follow(
    database: Database, clock: VirtualClock, provider: SimulatedProvider, requests: Mapping[str, Course],
    pauses: Sequence[float],
) -> None:  # fmt: skip
    store = SqliteJobStore(database, NO_LIMITS, clock, lambda _job: None)
    catalog, artifacts = Catalog([provider], {}), InstantArtifacts()
    submission = Submission(catalog, store, artifacts, NoPictures(), clock)
    fetching, paces = Fetching(artifacts, submission, clock), Paces(store, catalog, clock)
    following = Following(store, InstantDelivery(), submission, fetching, paces, clock, STUCK_SECONDS)

    def ended(job: Job) -> None:
        provider.fetched[job.id] = clock.monotonic()

    async def submit() -> None:
        for (name, course), pause in zip(requests.items(), pauses, strict=True):
            await clock.sleep(pause)
            job = _JOB._replace(id=name, request=course.request, created_at=clock.now(), started_at=clock.now())
            following.watch(job, await provider.submit(course.request, []), provider)

    following.call_back(ended)

    submitting = asyncio.create_task(submit())
    await clock.run(lambda: len(provider.fetched) == len(requests))
    await submitting
    await following.close()


_JOB = Job("", 1, Destination(1, 1, 1, 1), _REQUESTS[Quality.STANDARD], "pipelet", "", _EPOCH)
