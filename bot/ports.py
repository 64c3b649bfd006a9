"""The sockets of the core: what jobs need from providers, storage, media, Discord and time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from bot.domain.budget import Budget
from bot.domain.errors import Evidence
from bot.domain.forecast import Crowd
from bot.domain.generation import Frame, GenerationRequest, ModelSpec
from bot.domain.health import Trouble
from bot.domain.job import Act, Artifact, Job, JobState, RemoteHandle, RemoteStatus
from bot.domain.limits import GuildLimits, turns
from bot.domain.messages import Message


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds, for rows and for members."""

    def monotonic(self) -> float:
        """Seconds since a start that never changes, a suspended machine's included: for deadlines in this process."""

    async def sleep(self, seconds: float) -> None: ...


class _Provider(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def billed(self) -> bool:
        """False for a self-hosted provider: asking again costs nothing but time."""

    @property
    def concurrency(self) -> int: ...

    def models(self) -> Sequence[ModelSpec]:
        """The models on offer now; cheap, from memory."""

    async def refresh(self) -> None:
        """Ask the provider for its models, where it can tell. Raises ProviderError, and keeps the last known ones."""

    async def healthy(self) -> str:
        """One line for the operator, costing nothing at the provider. Raises ProviderError."""


@runtime_checkable
class DirectProvider(_Provider, Protocol):
    """One POST held open until the bytes come back."""

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        """Write the answer's bytes to `into`. Raises ProviderError with its evidence."""


@runtime_checkable
class QueueProvider(_Provider, Protocol):
    """A request is queued at the provider, asked after, and fetched; it survives our restart."""

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        """Raises ProviderError with its evidence."""

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        """Raises Unavailable (ask again later), Unauthorized, Rejected (404: no such request) or BadResponse."""

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        """Write the decoded film to `into`; may be repeated. Raises as `poll` does."""

    async def cancel(self, handle: RemoteHandle) -> bool:
        """False when the provider has already started: the job runs on and is paid for. Raises as `poll` does."""


Provider = DirectProvider | QueueProvider


@dataclass(frozen=True, slots=True)
class Picture:
    """A member's picture, made safe: a JPEG in the inputs folder, fitted to the wanted frame number `frame`."""

    name: str
    width: int
    height: int
    frame: int


class Pictures(Protocol):
    async def prepare(self, data: Path, frames: Sequence[Frame], option: str = "image") -> Picture:
        """Decode, orient, flatten, strip and fit a member's picture in a child process, to the frame nearest in shape.

        Removes `data`. Raises BadPicture.
        """

    async def again(self, name: str, frames: Sequence[Frame] = (), *, small: bool = False) -> Picture:
        """A prepared picture once more, as a new one: fitted to the frame nearest in shape, `small` in fewer bytes.

        Raises BadPicture, for one that is gone too.
        """

    def path(self, name: str) -> Path: ...

    def forget(self, name: str) -> None: ...

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        """Remove what was written so long ago and is no file of the `known`, named without what follows a dot."""


class Artifacts(Protocol):
    """Results on disk (R12). Bytes are checked before they count as made."""

    def part(self, job: Job) -> Path:
        """Where an adapter writes; emptied first."""

    def crashes(self, job: Job) -> int:
        """How often a process ended in the middle of work on this job's media (R15). One blocking look at the disk."""

    def give_up(self, job: Job) -> None:
        """Remove what such work has left."""

    async def keep(self, job: Job, part: Path) -> Artifact:
        """Check `part` (box walk, decode), remux it when it is not faststart, fsync it and give it its name.

        Raises UnusableMedia when it is no film or picture, OSError when the disk refuses.
        """

    def left_over(self, job: Job) -> Path | None:
        """What an earlier process wrote for this job before it ended, whole or not."""

    async def fit(self, artifact: Artifact, limit: int) -> Artifact:
        """The artifact encoded again to at most `limit` bytes, a new file. Raises UnusableMedia when that fails."""

    def path(self, artifact: Artifact) -> Path: ...

    def forget(self, artifact: Artifact) -> None: ...

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        """As for pictures."""


class UnusableMedia(Exception):
    """The bytes are not a film or picture that plays; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Outage:
    """What keeps a waiting job's model from being asked, and when the job is dropped if it stays so (epoch)."""

    trouble: Trouble
    ends_at: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting job stands: `ahead` jobs of its guild start first; `ready_at` (epoch) once figures exist.
    `restarting`: this process starts no job any more, the next one will. `paused`: the guild is. `budget_at`: when the
    guild can pay for it, if not yet (epoch, rounded); infinity while nobody knows. `unserved`: its provider has it, and
    is not configured now."""

    ahead: int
    ready_at: float | None
    outage: Outage | None = None
    restarting: bool = False
    paused: bool = False
    budget_at: float | None = None
    unserved: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """`deleted`: a human removed the message before we knew that it existed; it is not posted again (R11).
    `direct`: it went to the member's direct messages, because its channel was closed."""

    message_id: int | None
    deleted: bool = False
    direct: bool = False


# A file, its name and the words with it, put before a member; returns the message's id. May be repeated.
Give = Callable[[Path, str, Message], Awaitable[int]]


class Counter(Protocol):
    """Where a member who asks for it gets what could not be delivered."""

    async def hand_over(self, job: Job, artifact: Artifact, limit: int, give: Give) -> int:
        """`give` the artifact, made smaller than `limit` bytes. Returns what `give` does.

        Raises DeliveryError, DeliveryRevoked, and OSError when the artifact cannot be read or no smaller one written.
        """


class Delivery(Protocol):
    """Discord, as far as jobs know it. Every call may be repeated: nothing is posted twice (R5 to R7)."""

    async def findable(self, job: Job) -> bool:
        """Whether its film could be found again where it will be posted. To be written down before `deliver`."""

    async def deliver(self, job: Job, artifact: Artifact, *, recovering: bool = False) -> Delivered:
        """Post the film with the job's nonce, made smaller when Discord says so. Raises DeliveryError if final.

        `recovering`: an earlier process may have posted it, so look before posting."""

    async def find_acknowledgement(self, job: Job) -> int | None:
        """The queue message of a job whose acknowledgement was never confirmed, if it exists."""

    async def tell(self, job: Job) -> None:
        """Tell the member how the job ended: edit the queue message, add one short reply for a failure."""

    def show(self, job: Job, place: Place | None = None, progress: RemoteStatus | None = None) -> None:
        """Bring the queue message up to date soon, at most every 3 s, only when it changed. Costs nothing here."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Jobs that have just become SUBMITTING, and the time (epoch seconds) at which looking again may help; None: when
    something changes."""

    jobs: tuple[Job, ...]
    look_again_at: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The queued jobs of one guild, oldest first, the `ring` of their members, and what dates them: the `active` jobs,
    the `starts` that count against the rate, the `budget`, until when models are `held` (times in epoch seconds)."""

    jobs: tuple[Job, ...]
    ring: tuple[int, ...]
    active: tuple[Job, ...]
    starts: tuple[float, ...]
    budget: Budget
    held: Mapping[str, float]

    def order(self, *newcomers: Job) -> list[Job]:
        """In the order of their turns, with others that come to the queue now."""
        jobs = {job.id: job for job in (*self.jobs, *newcomers)}
        ring = dict.fromkeys((*self.ring, *(job.to.member_id for job in newcomers)))
        return [jobs[job_id] for job_id in turns([(job.id, job.to.member_id) for job in jobs.values()], ring)]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds from start to result, of the last 50 made of a model and size."""

    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class Offer:
    """A model, for members. `price` of one try, 0 where none is set; `measured` at the size that is made unasked."""

    spec: ModelSpec
    price: float = 0
    measured: Measured | None = None


class JobStore(Protocol):
    """Every method is one transaction. All raise StorageUnavailable when nothing was committed."""

    async def add(self, job: Job, caps: GuildLimits) -> Job | None:
        """Commit a RECEIVED job; None when its interaction was seen before. Raises RateLimited when a queue is full,
        NotAllowed (ALREADY_RETRIED) when the job that it retries was retried before."""

    async def get(self, job_id: str) -> Job | None: ...

    async def move(self, job: Job, to: JobState, *, act: Act | None = None, **changes: object) -> Job:
        """Compare and set. Raises Stale when the row is no longer as `job` says, or IllegalTransition."""

    async def note(self, job: Job, *, act: Act | None = None, **changes: object) -> Job:
        """Change facts, not the state; the epoch stays. Raises Stale when the state has moved on."""

    async def claim(self, provider: str, concurrency: int, most: int = 1) -> Claim:
        """Move the jobs whose turn it is to SUBMITTING with their attempt rows, within every limit (R3)."""

    async def settle(
        self,
        job: Job,
        evidence: Evidence,
        to: JobState,
        *,
        status: int | None = None,
        retry_at: float | None = None,
        act: Act | None = None,
        **changes: object,
    ) -> Job:
        """Close the job's attempt and move the job, as one. `retry_at` (epoch): when the provider wants to be asked
        again."""

    async def troubles(self) -> Sequence[Trouble]:
        """The providers and models that are not asked now, or only by one job at a time."""

    async def unfinished(self) -> Sequence[Job]:
        """Jobs in no terminal state, and ended ones whose member was not told yet, oldest first."""

    async def waiting(self, guild_id: int) -> Waiting: ...

    async def crowd(self, provider: str, places: int) -> Crowd:
        """Who shares the provider's `places` now. Reads every queued row of that provider."""

    async def of_member(self, guild_id: int, member_id: int, *, limit: int) -> Sequence[Job]: ...

    async def recent(
        self, guild_id: int, *, member_id: int | None = None, state: JobState | None = None, limit: int = 25
    ) -> Sequence[Job]: ...

    async def held(self, guild_id: int) -> Sequence[Job]:
        """Those that wait for a moderator since a restore, newest first, at most 25."""

    async def measured(self, request: GenerationRequest) -> Measured | None:
        """None before there are any."""

    async def expired(self, before: float) -> Sequence[Job]:
        """The oldest ended jobs with files from before then, at most 500."""

    async def files_gone(self, job: Job) -> None:
        """The job's files were removed: it is not expired again."""

    async def files(self) -> Set[str]:
        """Jobs with files, their pictures and films, by name without what follows a dot. Reads all their rows."""


@dataclass(frozen=True, slots=True)
class Block:
    member_id: int
    reason: str
    until: float | None
    by: int


@dataclass(frozen=True, slots=True)
class GuildPolicy:
    """A guild's own rules. `own_limits` holds only what the guild has set; `pause` is the reason, None when running."""

    guild_id: int
    own_limits: Mapping[str, float]
    denied: frozenset[str]
    defaults: Mapping[str, str]
    channels: frozenset[int]
    blocks: Mapping[int, Block]
    pause: str | None


class PolicyStore(Protocol):
    async def policy(self, guild_id: int) -> GuildPolicy: ...

    async def change(
        self, guild_id: int, by: int, verb: str, now: float, alter: Callable[[GuildPolicy], GuildPolicy]
    ) -> GuildPolicy:
        """Apply `alter` and write the audit row (who, what, when, before, after) in one transaction."""
