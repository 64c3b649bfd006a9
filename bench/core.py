"""The core as `bot.app` puts it together, on a real database, with an outside that needs no time."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bot.clock import RandomIdentity
from bot.domain.errors import BadPicture, PictureProblem
from bot.domain.generation import Frame, GenerationRequest, ModelSpec
from bot.domain.job import Artifact, Job, MediaKind, RemoteStatus
from bot.domain.limits import GuildLimits
from bot.jobs.catalog import Catalog
from bot.jobs.core import Core, Plugs, Rules
from bot.jobs.policy import Policies
from bot.jobs.service import Upload
from bot.ports import Clock, Delivered, Picture, Place, Provider
from bot.providers.chutes import MODELS
from storage.database import Database
from storage.departures import SqliteDepartures
from storage.job_store import SqliteJobStore
from storage.policy_store import SqlitePolicyStore
from storage.spill import Spill
from storage.witness import Witness

_MANY = 10**6
# Out of the way of what is measured.
NO_LIMITS = GuildLimits(
    jobs_per_hour=3600.0 * _MANY, burst=_MANY, active_per_guild=_MANY, active_per_member=_MANY,
    queued_per_member=_MANY, queued_per_guild=_MANY,
)  # fmt: skip
STUCK_SECONDS = 24 * 3600.0
_PATIENCE = 1800.0
FILM = Artifact("v-bench.mp4", MediaKind.FILM, 1000, "ab" * 32, 832, 480, "h264", 81, 3.4)


class InstantProvider:
    """ports.DirectProvider: the answer is there at once, and has no bytes."""

    name = "chutes"
    billed = True

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency

    def models(self) -> Sequence[ModelSpec]:
        return MODELS

    async def refresh(self) -> None:
        pass

    async def healthy(self) -> str:
        return "instant"

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        pass


class InstantArtifacts:
    """ports.Artifacts without a disk: whatever came is the same film."""

    def part(self, job: Job) -> Path:
        return Path(job.id)

    async def keep(self, job: Job, part: Path) -> Artifact:
        return FILM

    def left_over(self, job: Job) -> Path | None:
        return None

    def crashes(self, job: Job) -> int:
        return 0

    def give_up(self, job: Job) -> None:
        pass

    async def fit(self, artifact: Artifact, limit: int) -> Artifact:
        return replace(artifact, size=limit)

    def path(self, artifact: Artifact) -> Path:
        return Path(artifact.name)

    def forget(self, artifact: Artifact) -> None:
        pass

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        pass


class InstantDelivery:
    """ports.Delivery to a Discord that takes everything at once."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    async def findable(self, job: Job) -> bool:
        return True

    async def deliver(self, job: Job, artifact: Artifact, *, recovering: bool = False) -> Delivered:
        return Delivered(next(self._numbers))

    async def find_acknowledgement(self, job: Job) -> int | None:
        return None

    async def tell(self, job: Job) -> None:
        pass

    def show(self, job: Job, place: Place | None = None, progress: RemoteStatus | None = None) -> None:
        pass


class NoPictures:
    """ports.Pictures and the service's Uploads: nobody attaches one."""

    async def fetch(self, upload: Upload) -> Path:
        raise BadPicture(PictureProblem.UNREACHABLE)

    async def prepare(self, data: Path, frames: Sequence[Frame], option: str = "image") -> Picture:
        raise BadPicture(PictureProblem.UNREACHABLE)

    async def again(self, name: str, frames: Sequence[Frame] = (), *, small: bool = False) -> Picture:
        raise BadPicture(PictureProblem.UNREACHABLE)

    def path(self, name: str) -> Path:
        return Path(name)

    def forget(self, name: str) -> None:
        pass

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        pass


@asynccontextmanager
async def running(core: Core) -> AsyncIterator[None]:
    tasks = await core.start()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await core.runner.stop(0)


@asynccontextmanager
async def opened(
    folder: Path, provider: Provider, clock: Clock, observer: Callable[[Job], None] = lambda _job: None
) -> AsyncIterator[Core]:
    """`observer` hears of every committed job, after the core. Nothing runs yet."""
    database = await Database.open(folder / "matinee.db")
    try:
        yield core_on(database, provider, clock, observer, folder)
    finally:
        await database.close()


def core_on(
    database: Database,
    provider: Provider,
    clock: Clock,
    observer: Callable[[Job], None] = lambda _job: None,
    folder: Path | None = None,
) -> Core:
    """With a `folder` for what stands beside the database, as the bot has it."""
    witness = None if folder is None else Witness(database, folder / "matinee.witness").claimed
    spill = None if folder is None else Spill(folder / "matinee.spill")

    def observe(job: Job) -> None:
        core.observe(job)
        observer(job)

    async def turn() -> None:
        pass

    store, pictures = SqliteJobStore(database, NO_LIMITS, clock, observe, witness=witness, spill=spill), NoPictures()
    plugs = Plugs(
        catalog=Catalog([provider], {}), policies=Policies(SqlitePolicyStore(database), NO_LIMITS, clock),
        store=store, pictures=pictures, artifacts=InstantArtifacts(),
        uploads=pictures, delivery=InstantDelivery(), identity=RandomIdentity(), clock=clock, room=lambda: True,
        turn=turn, departures=SqliteDepartures(database),
    )  # fmt: skip
    rules = Rules(wait_seconds=_PATIENCE, stuck_seconds=STUCK_SECONDS, keep_days=7, max_paid_attempts=1, fall_back={})
    core = Core(plugs, rules)
    return core
