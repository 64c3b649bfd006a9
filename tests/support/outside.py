"""The world outside of the process: providers that take money, and a Discord that shows what it was told.

It outlives a crash. What faces it (`Reaching`) dies with its process: from then on nothing that is called comes back.
"""

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.domain.generation import GenerationRequest, ModelSpec
from bot.domain.job import (
    Artifact,
    Cancelled,
    Completed,
    InProgress,
    InQueue,
    Job,
    JobState,
    MediaKind,
    RemoteHandle,
    RemoteStatus,
)
from bot.media import _disk
from bot.ports import Delivered, Place, UnusableMedia
from bot.providers._pipelet_models import MODELS
from tests.support.clock import VirtualClock

FILM_BYTES = b"film: a red balloon"
GARBAGE = b"<html>"
Hook = Callable[[str], None]


class Reaching:
    """One process's way out. `hook` hears what has happened outside, before the process does."""

    def __init__(self, hook: Hook = lambda _name: None) -> None:
        self.dead = False
        self._hook = hook

    async def out(self) -> None:
        if self.dead:
            await asyncio.Event().wait()

    async def happened(self, name: str) -> None:
        self._hook(name)
        await self.out()


@dataclass
class Request:
    """A request at a provider, and what it answers about it."""

    asked: GenerationRequest
    at: float
    film: bytes = FILM_BYTES
    timeline: list[tuple[float, RemoteStatus]] = field(default_factory=list)
    cancelled: bool = False

    def status(self, now: float) -> RemoteStatus:
        if self.cancelled:
            return Cancelled()
        reached = [status for after, status in self.timeline if now - self.at >= after]
        return reached[-1] if reached else InQueue(0)


@dataclass
class Studio:
    """What providers have taken and made. `faults` are raised by the next calls of a kind, one each."""

    clock: VirtualClock
    paid: list[GenerationRequest] = field(default_factory=list)
    submitted_at: list[float] = field(default_factory=list)
    requests: dict[str, Request] = field(default_factory=dict)
    faults: dict[str, deque[Exception | None]] = field(default_factory=lambda: defaultdict(deque))
    calls: list[tuple[float, str]] = field(default_factory=list)
    seconds: float = 10.0
    handover: float = 0.0
    timeline: list[tuple[float, RemoteStatus]] | None = None
    film: bytes = FILM_BYTES

    def fail(self, call: str, *errors: Exception | None) -> None:
        self.faults[call].extend(errors)

    def count(self, call: str) -> int:
        return sum(name == call for _, name in self.calls)

    def note(self, call: str) -> None:
        self.calls.append((self.clock.monotonic(), call))
        fault = self.faults[call].popleft() if self.faults[call] else None
        if fault is not None:
            raise fault


@dataclass
class _Scripted:
    studio: Studio
    reach: Reaching
    name: str
    billed: bool = True
    concurrency: int = 4

    async def refresh(self) -> None:
        self.studio.note("refresh")

    async def healthy(self) -> str:
        self.studio.note("healthy")
        return "healthy"


@dataclass
class ScriptedDirect(_Scripted):
    """ports.DirectProvider: takes `studio.seconds`, then writes the film."""

    name: str = "chutes"

    def models(self) -> Sequence[ModelSpec]:
        return [replace(spec, id=f"{self.name}-model", provider=self.name) for spec in MODELS[:1]]

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        await self.reach.out()
        self.studio.note("refuse")
        self.studio.paid.append(request)
        self.studio.submitted_at.append(self.studio.clock.now())
        await self.reach.happened("generate")
        await self.studio.clock.sleep(self.studio.seconds)
        await self.reach.out()
        self.studio.note("generate")
        into.write_bytes(self.studio.film)
        await self.reach.happened("answer")


@dataclass
class ScriptedQueue(_Scripted):
    """ports.QueueProvider: a place in a queue, progress, and a film after `studio.seconds`."""

    name: str = "pipelet"

    def models(self) -> Sequence[ModelSpec]:
        return MODELS

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        await self.reach.out()
        self.studio.note("refuse")
        number = f"r{len(self.studio.requests)}"
        timeline = self.studio.timeline or [
            (0, InQueue(1)), (self.studio.seconds / 3, InProgress(0, 4)), (self.studio.seconds, Completed())
        ]  # fmt: skip
        self.studio.requests[number] = Request(request, self.studio.clock.monotonic(), self.studio.film, timeline)
        self.studio.paid.append(request)
        self.studio.submitted_at.append(self.studio.clock.now())
        await self.reach.happened("submit")
        await self.studio.clock.sleep(self.studio.handover)
        self.studio.note("submit")
        return RemoteHandle(request.model, number)

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        await self.reach.out()
        self.studio.note("poll")
        return self.studio.requests[handle.request_id].status(self.studio.clock.monotonic())

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        await self.reach.out()
        into.write_bytes(b"")
        self.studio.note("fetch")
        into.write_bytes(self.studio.requests[handle.request_id].film)

    async def cancel(self, handle: RemoteHandle) -> bool:
        await self.reach.out()
        self.studio.note("cancel")
        request = self.studio.requests[handle.request_id]
        waiting = isinstance(request.status(self.studio.clock.monotonic()), InQueue)
        request.cancelled = request.cancelled or waiting
        await self.reach.happened("cancel")
        self.studio.note("cancel answer")
        return waiting


@dataclass
class Told:
    state: JobState
    job: Job


@dataclass
class Theatre:
    """A Discord that remembers: films by nonce, endings by job, and the last state of each queue message."""

    clock: VirtualClock
    acknowledged: dict[str, int] = field(default_factory=dict)
    films: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    posts: int = 0
    doubts: list[bool] = field(default_factory=list)
    endings: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    shown: dict[str, list[tuple[JobState, Place | None, RemoteStatus | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    faults: dict[str, deque[Exception | Delivered | None]] = field(default_factory=lambda: defaultdict(deque))
    calls: list[tuple[float, str]] = field(default_factory=list)

    def fail(self, call: str, *errors: Exception | Delivered | None) -> None:
        self.faults[call].extend(errors)

    def count(self, call: str) -> int:
        return sum(name == call for _, name in self.calls)

    def note(self, call: str) -> Delivered | None:
        self.calls.append((self.clock.monotonic(), call))
        fault = self.faults[call].popleft() if self.faults[call] else None
        if isinstance(fault, Exception):
            raise fault
        return fault


@dataclass
class RecordingDelivery:
    """ports.Delivery onto a `Theatre`."""

    theatre: Theatre
    reach: Reaching
    artifacts: "PlainArtifacts"

    async def findable(self, job: Job) -> bool:
        return True

    async def deliver(self, job: Job, artifact: Artifact, *, recovering: bool = False) -> Delivered:
        await self.reach.out()
        self.theatre.doubts.append(recovering)
        told = self.theatre.note("deliver")
        if told is not None:
            return told
        content = self.artifacts.path(artifact).read_bytes()
        if job.nonce not in self.theatre.films:
            self.theatre.posts += 1
            self.theatre.films[job.nonce] = (job.id, content)
        await self.reach.happened("deliver")
        self.theatre.note("delivered")
        return Delivered(1000 + list(self.theatre.films).index(job.nonce))

    async def find_acknowledgement(self, job: Job) -> int | None:
        await self.reach.out()
        self.theatre.note("find")
        return self.theatre.acknowledged.get(job.id)

    async def tell(self, job: Job) -> None:
        await self.reach.out()
        self.theatre.note("tell")
        self.theatre.endings[job.id].append(Told(job.state, job))
        await self.reach.happened("tell")

    def show(self, job: Job, place: Place | None = None, progress: RemoteStatus | None = None) -> None:
        if not self.reach.dead:
            self.theatre.note("show")
            self.theatre.shown[job.id].append((job.state, place, progress))


@dataclass
class PlainArtifacts:
    """ports.Artifacts of plain bytes: what begins as a film does is one. `faults` are raised by the next `keep`s."""

    folder: Path
    faults: deque[Exception | None] = field(default_factory=deque)
    reach: Reaching = field(default_factory=Reaching)

    def crashes(self, job: Job) -> int:
        working = self.folder / f"{job.id}.working"
        return len(working.read_bytes()) if working.exists() else 0

    def give_up(self, job: Job) -> None:
        self.part(job)
        (self.folder / f"{job.id}.working").unlink(missing_ok=True)

    def part(self, job: Job) -> Path:
        part = self.folder / f"{job.id}.part"
        part.unlink(missing_ok=True)
        return part

    async def keep(self, job: Job, part: Path) -> Artifact:
        working = self.folder / f"{job.id}.working"
        with working.open("ab") as file:
            file.write(b".")
        await self.reach.happened("media")
        working.unlink()
        fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            raise fault
        content = part.read_bytes()
        if not content.startswith(b"film"):
            raise UnusableMedia("no film at all")
        part.rename(self.folder / f"v-{job.id}.mp4")
        return Artifact(f"v-{job.id}.mp4", MediaKind.FILM, len(content), "ab" * 32, 832, 480, "h264", 81, 3.4)

    def left_over(self, job: Job) -> Path | None:
        part, whole = self.folder / f"{job.id}.part", self.folder / f"v-{job.id}.mp4"
        if whole.exists():
            whole.replace(part)
        return part if part.exists() else None

    async def fit(self, artifact: Artifact, limit: int) -> Artifact:
        raise UnusableMedia("not smaller than it is")

    def path(self, artifact: Artifact) -> Path:
        return self.folder / artifact.name

    def forget(self, artifact: Artifact) -> None:
        self.path(artifact).unlink(missing_ok=True)

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        _disk.forget_strangers(self.folder, re.compile(r"v-.*\.mp4"), seconds, known)
