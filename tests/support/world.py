"""The core over a real database and an outside world of plain objects."""

import asyncio
import itertools
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.domain.errors import BadPicture, PictureProblem
from bot.domain.generation import Asked, Capability, Frame
from bot.domain.job import Cause, Destination, Job, JobState
from bot.domain.limits import GuildLimits
from bot.domain.stand_in import FallBack
from bot.jobs.catalog import Catalog
from bot.jobs.core import Core, Plugs, Rules
from bot.jobs.policy import Policies
from bot.jobs.service import By, Draft, Upload
from bot.media import _disk
from bot.ports import Picture, Provider
from storage.database import Database
from storage.departures import SqliteDepartures
from storage.job_store import SqliteJobStore
from storage.policy_store import SqlitePolicyStore
from tests.support.clock import VirtualClock
from tests.support.outside import (
    PlainArtifacts,
    Reaching,
    RecordingDelivery,
    ScriptedDirect,
    ScriptedQueue,
    Studio,
    Theatre,
)
from tests.support.rows import CHANNEL, GUILD, LIMITS, MEMBER, MODERATOR

STUCK_SECONDS = 2700.0
WAIT_SECONDS = 1800.0
# Six hours: long enough for every patience, short enough to be lived through.
KEEP_DAYS = 0.25
DEFAULTS = {Capability.TEXT_TO_VIDEO: "wan22-fast-t2v", Capability.IMAGE_TO_VIDEO: "wan22-fast-i2v"}
DIRECT, QUEUED = "chutes-model", "wan22-fast-t2v"


class WatchedDatabase(Database):
    """Says whether its threads are at work, so that virtual time can wait for them."""

    at_work = 0

    async def write(self, *arguments: Any, **named: Any) -> Any:
        return await self._watched(super().write(*arguments, **named))

    async def read(self, *arguments: Any, **named: Any) -> Any:
        return await self._watched(super().read(*arguments, **named))

    async def _watched(self, call: Awaitable[Any]) -> Any:
        self.at_work += 1
        try:
            return await call
        finally:
            self.at_work -= 1


class Names:
    def __init__(self, numbers: "itertools.count[int]") -> None:
        self._numbers = numbers

    def job_id(self) -> str:
        return f"job{next(self._numbers):07}"

    def nonce(self) -> str:
        return f"nonce{next(self._numbers):017}"

    def seed(self) -> int:
        return 42


@dataclass
class PlainPictures:
    """ports.Pictures and the service's Uploads: a file for each, refused where the address says so."""

    folder: Path
    frame: int = 0

    async def fetch(self, upload: Upload) -> Path:
        if "unreachable" in upload.url:
            raise BadPicture(PictureProblem.UNREACHABLE, option=upload.option)
        path = self.folder / f"{upload.option}.raw"
        path.write_bytes(upload.url.encode())
        return path

    async def prepare(self, data: Path, frames: Sequence[Frame], option: str = "image") -> Picture:
        if b"damaged" in data.read_bytes():
            data.unlink()
            raise BadPicture(PictureProblem.DAMAGED, option=option)
        name = data.rename(data.with_suffix(".jpg")).name
        return Picture(name, 832, 480, min(self.frame, len(frames) - 1))

    async def again(self, name: str, frames: Sequence[Frame] = (), *, small: bool = False) -> Picture:
        if not self.path(name).exists():
            raise BadPicture(PictureProblem.UNREACHABLE)
        made = self.path(f"{Path(name).stem}-{'small' if small else 'again'}.jpg")
        made.write_bytes(self.path(name).read_bytes())
        return Picture(made.name, 832, 480, max(0, min(self.frame, len(frames) - 1)))

    def path(self, name: str) -> Path:
        return self.folder / name

    def forget(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        _disk.forget_strangers(self.folder, re.compile(r".*\.jpg"), seconds, known)


@dataclass
class Outside:
    """What is there before a process starts and after it was killed."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.studio, self.theatre = Studio(self.clock), Theatre(self.clock)


class World:
    """One process. `points` hears the names of commits and of what happens outside, as they happen."""

    def __init__(
        self,
        folder: Path,
        outside: Outside,
        limits: GuildLimits = LIMITS,
        providers: Callable[[Studio, Reaching], Sequence[Provider]] | None = None,
        points: Callable[[str], None] = lambda _name: None,
        fall_back: FallBack | None = None,
        max_paid_attempts: int = 1,
        prices: Mapping[str, float] | None = None,
    ) -> None:
        self._prices = prices
        self._rules = Rules(
            wait_seconds=WAIT_SECONDS, stuck_seconds=STUCK_SECONDS, keep_days=KEEP_DAYS,
            max_paid_attempts=max_paid_attempts, fall_back=fall_back or {},
        )  # fmt: skip
        self.folder, self.outside, self.operator, self._points = folder, outside, limits, points
        self.clock, self.studio, self.theatre = outside.clock, outside.studio, outside.theatre
        self.reach = Reaching(lambda name: points(f"outside:{name}"))
        self.providers = list(
            providers(self.studio, self.reach)
            if providers
            else (ScriptedQueue(self.studio, self.reach), ScriptedDirect(self.studio, self.reach))
        )
        self.room = True
        self.mistakes: list[dict[str, Any]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        for name in ("artifacts", "inputs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.database = await self.open_database()
        self._busy = lambda: self.database.at_work > 0
        self.clock.busy.append(self._busy)
        self.policies = Policies(
            SqlitePolicyStore(self.database),
            self.operator,
            self.clock,
            changed=lambda guild: self._core.rules_changed(guild),
        )
        self.store = SqliteJobStore(
            self.database, self.operator, self.clock, self._observe, self._points, prices=self._prices
        )
        self.artifacts = PlainArtifacts(self.folder / "artifacts", reach=self.reach)
        self.pictures = self.open_pictures()
        self.delivery = self.open_delivery()
        self.catalog = Catalog(self.providers, DEFAULTS, self._prices)
        self._core = Core(
            Plugs(
                catalog=self.catalog, policies=self.policies, store=self.store, pictures=self.pictures,
                artifacts=self.artifacts, uploads=self.pictures, delivery=self.delivery,
                identity=Names(self.outside.numbers), clock=self.clock, room=lambda: self.room, turn=self._turn,
                departures=SqliteDepartures(self.database),
            ),
            self._rules,
        )  # fmt: skip
        self.jobs, self.runner, self.warden = self._core.jobs, self._core.runner, self._core.warden
        self.live, self.places, self.announcer = self._core.live, self._core.places, self._core.announcer
        self.housekeeping, self.guilds = self._core.housekeeping, self._core.guilds

    async def open_database(self) -> Any:
        return await WatchedDatabase.open(self.folder / "matinee.db")

    def open_pictures(self) -> Any:
        return PlainPictures(self.folder / "inputs")

    def open_delivery(self) -> Any:
        return RecordingDelivery(self.theatre, self.reach, self.artifacts)

    async def _turn(self) -> None:
        """Nothing here is ever restored."""

    def _observe(self, job: Job) -> None:
        self._core.observe(job)

    async def start(self) -> None:
        self._tasks += await self._core.start()
        await self.clock.settle()

    async def close(self) -> None:
        """As abrupt as a kill, but for the threads, which have to end."""
        self.reach.dead = True
        while mine := [task for task in asyncio.all_tasks() if task in self._tasks or _of_runner(task)]:
            for task in mine:
                task.cancel()
            # A submission that is cut still writes down what is known of it, and has to be cut again.
            await asyncio.wait(mine, timeout=0.02)
        self.clock.busy.remove(self._busy)
        await self.database.close()

    def snapshot(self, folder: Path) -> None:
        """What a kill at this moment leaves on the disk; from now on this process reaches nobody."""
        self.reach.dead = True
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*-shm"))

    async def ask(
        self,
        model: str = QUEUED,
        *,
        member: int = MEMBER,
        guild: int = GUILD,
        acknowledge: bool = True,
        uploads: Sequence[Upload] = (),
        capability: Capability = Capability.TEXT_TO_VIDEO,
        **asked: Any,
    ) -> Job:
        """A member's command, from its text to the acknowledgement that Discord has taken."""
        to = Destination(guild, CHANNEL, member, 20 * 2**20)
        draft = await self.jobs.draft(Asked(capability, "a red balloon", model, **asked), to, uploads)
        return await self.queue(draft, acknowledge=acknowledge)

    async def queue(self, draft: Draft, *, acknowledge: bool = True, retry_of: str | None = None) -> Job:
        job = await self.jobs.accept(draft, 10**17 + next(self.outside.numbers), retry_of)
        assert job is not None
        if acknowledge:
            await self.acknowledge(job)
        return job

    async def acknowledge(self, job: Job) -> None:
        await self.reach.out()
        message_id = self.theatre.acknowledged[job.id] = 500 + len(self.theatre.acknowledged)
        await self.reach.happened("acknowledge")
        await self.jobs.acknowledged(job, message_id)

    async def job(self, job: Job | str) -> Job:
        found = await self.store.get(job if isinstance(job, str) else job.id)
        assert found is not None
        return found

    async def state(self, job: Job | str) -> tuple[JobState, Cause | None]:
        found = await self.job(job)
        return found.state, found.cause

    async def ended(self, job: Job | str, within: float = 4000) -> Job:
        """The job once it has been told how it ended."""
        name = job if isinstance(job, str) else job.id
        assert await self.clock.until(lambda: bool(self.theatre.endings[name]), within), await self.job(job)
        await self.clock.settle()
        found = await self.job(job)
        assert found.ended_at is not None or found.state is JobState.HELD, found
        return found

    async def attempts(self) -> list[tuple[str | None, int | None]]:
        """Evidence and status of every submission."""
        return await self.rows("SELECT evidence, status FROM attempts ORDER BY id")

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda connection: [tuple(row) for row in connection.execute(sql)])


def _of_runner(task: asyncio.Task[Any]) -> bool:
    return task.get_name().startswith(("job ", "call ", "dispatch ", "follow "))


def by(member: int = MEMBER, guild: int = GUILD, moderator: bool | None = None) -> By:
    return By(guild, member, member == MODERATOR if moderator is None else moderator)


@asynccontextmanager
async def running(folder: Path, outside: Outside | None = None, *, start: bool = True, **named: Any):
    world = World(folder, outside or Outside(), **named)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, mistake: world.mistakes.append(mistake))
    await world.open()
    try:
        if start:
            await world.start()
        yield world
    finally:
        await world.close()
    assert world.mistakes == []
