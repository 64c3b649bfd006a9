"""Pipelet jobs in a time that costs none: Matinee's own following, asking a provider that is only simulated."""

import asyncio
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.clock import RandomIdentity
from bot.domain.generation import Asked, Capability, GenerationRequest, ModelSpec, plan
from bot.domain.job import Artifact, Completed, Destination, InProgress, InQueue, Job, RemoteHandle, RemoteStatus
from bot.domain.limits import GuildLimits
from bot.jobs.catalog import Catalog
from bot.jobs.fetching import Fetching
from bot.jobs.following import Following
from bot.jobs.paces import Paces
from bot.jobs.submission import Submission
from bot.media.artifacts import CheckedArtifacts
from bot.media.pictures import SafePictures
from bot.ports import Delivered, Place
from bot.providers._pipelet_models import MODELS
from storage.database import Database
from storage.job_store import SqliteJobStore

TASKS = 24
_STUCK = 45 * 60.0
_POLL_SECONDS = 0.05
_LIMITS = GuildLimits(
    jobs_per_hour=30, burst=5, active_per_guild=3, active_per_member=2, queued_per_member=5, queued_per_guild=50
)


@dataclass(frozen=True, slots=True)
class Course:
    """One request at the provider: seconds in its queue, seconds under way, and what it says of its progress.

    The tasks done go with the share of the time to the power of `bend`; `silence` is the share of answers without them.
    """

    queued: float
    running: float
    bend: float = 1.0
    silence: float = 0.0


@dataclass(frozen=True, slots=True)
class Followed:
    """What one job cost: questions asked, and seconds from ready at the provider to the start of its fetch."""

    questions: int
    delay: float


class JumpingClock:
    """Sleeping is all that takes time, and it takes none."""

    def __init__(self) -> None:
        self._time = 0.0

    def now(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._time

    async def sleep(self, seconds: float) -> None:
        self._time += seconds


class _FetchBegins(Exception):
    pass


class SimulatedProvider:
    """ports.QueueProvider with one request, which takes its `course`."""

    name = "pipelet"
    billed = True
    concurrency = 1

    def __init__(self, clock: JumpingClock, course: Course, chance: random.Random) -> None:
        self._clock, self._course, self._chance = clock, course, chance
        self._accepted = clock.monotonic()
        self.questions = 0

    @property
    def ready_at(self) -> float:
        return self._accepted + self._course.queued + self._course.running

    def models(self) -> Sequence[ModelSpec]:
        return MODELS

    async def refresh(self) -> None:
        pass

    async def healthy(self) -> str:
        return "simulated"

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        return RemoteHandle(request.model, "1")

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        self.questions += 1
        await self._clock.sleep(_POLL_SECONDS)
        passed = self._clock.monotonic() - self._accepted - self._course.queued
        if passed < 0:
            return InQueue(1)
        if passed >= self._course.running:
            return Completed()
        if self._chance.random() < self._course.silence:
            return InProgress()
        return InProgress(int(TASKS * (passed / self._course.running) ** self._course.bend), TASKS)

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        raise _FetchBegins

    async def cancel(self, handle: RemoteHandle) -> bool:
        return False


class Unseen:
    """ports.Delivery to nobody."""

    async def deliver(self, job: Job, artifact: Artifact, *, recovering: bool = False) -> Delivered:
        return Delivered(None)

    async def find_acknowledgement(self, job: Job) -> int | None:
        return None

    async def tell(self, job: Job) -> None:
        pass

    def show(self, job: Job, place: Place | None = None, progress: RemoteStatus | None = None) -> None:
        pass


async def follow_all(courses: Sequence[Course], seed: int) -> list[Followed]:
    """Each course followed from its submission to its fetch, one after the other."""
    clock, chance = JumpingClock(), random.Random(seed)  # noqa: S311  # the same figures every time
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as name:
        folder = Path(name)
        database = await Database.open(folder / "matinee.db")
        try:
            store = SqliteJobStore(database, _LIMITS, clock, lambda _job: None)
            artifacts, pictures = CheckedArtifacts(folder), SafePictures(folder, max_bytes=1)
            results = []
            for course in courses:
                provider = SimulatedProvider(clock, course, chance)
                catalog = Catalog([provider], {})
                submission = Submission(catalog, store, artifacts, pictures, clock)
                fetching, paces = Fetching(artifacts, submission, clock), Paces(store, catalog, clock)
                following = Following(store, Unseen(), submission, fetching, paces, clock, _STUCK)
                results.append(await _follow(following, provider, clock))
            return results
        finally:
            await database.close()


async def _follow(following: Following, provider: SimulatedProvider, clock: JumpingClock) -> Followed:
    request = plan(MODELS[0], Asked(Capability.TEXT_TO_VIDEO, "a paper boat"), seed=1)
    identity = RandomIdentity()
    job = Job(
        identity.job_id(), 1, Destination(1, 1, 1, 1), request, provider.name, identity.nonce(), clock.now()
    )  # fmt: skip
    ended = asyncio.Event()
    following.call_back(lambda _job: ended.set())
    handle = await provider.submit(request, [])
    following.watch(job, handle, provider)
    await ended.wait()
    try:
        await following.step(job, handle, provider)
    except _FetchBegins:
        return Followed(provider.questions, clock.monotonic() - provider.ready_at)
    finally:
        await following.close()
    raise AssertionError("a job was given up")
