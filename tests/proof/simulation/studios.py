"""Providers that keep the truth: what reached them, what they bill, and what they were still busy with, and when."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.age import check_age
from bot.domain.errors import Ambiguous, BadResponse, Evidence, ProviderError, Rejected, Unauthorized, Unavailable
from bot.domain.generation import GenerationRequest, ModelSpec
from bot.domain.job import (
    Cancelled,
    Completed,
    Failed,
    InProgress,
    InQueue,
    RemoteHandle,
    RemoteStatus,
    Unknown,
)
from tests.proof.simulation.loop import SimClock
from tests.proof.simulation.weather import Weather
from tests.support.outside import Reaching

_TASKS = 24


@dataclass(eq=False)
class Work:
    """A request that reached a provider. `prompt` names who asked; `answered`: its provider's answer reached us."""

    number: str
    provider: str
    prompt: str
    model: str
    at: float
    reach: Reaching
    queued: float
    running: float
    ending: str
    billed: bool = True
    answered: bool = False
    job: str = ""
    cancelled_at: float | None = None
    let_go_at: float | None = None
    disowned_at: float | None = None

    @property
    def ready_at(self) -> float:
        return self.at + self.queued + self.running

    def status(self, now: float) -> RemoteStatus:
        passed = now - self.at - self.queued
        if self.cancelled_at is not None:
            return Cancelled()
        if passed < 0:
            return InQueue(int(-passed // 30))
        if self.ending == "stuck" or passed < self.running:
            return InProgress(min(_TASKS - 1, int(_TASKS * passed / self.running)), _TASKS)
        return {"failed": Failed("it did not work"), "cancelled": Cancelled()}.get(self.ending, Completed())

    @property
    def busy_until(self) -> float:
        """When the provider was through with it, or we had let go of the call that it was."""
        ends = [end for end in (self.cancelled_at, self.let_go_at, self.disowned_at) if end is not None]
        return min([self.ready_at, *ends] if self.ending != "stuck" else ends or [self.at + 45 * 60])


@dataclass
class Studio:
    """All providers' books. A model's usual seconds come from its row; each request takes about as long."""

    clock: SimClock
    weather: Weather
    chance: random.Random
    happened: Callable[[str], None]
    works: list[Work] = field(default_factory=list)
    told_of: dict[str, Work] = field(default_factory=dict)

    def accept(self, provider: str, request: GenerationRequest, usual: float, reach: Reaching, *, queue: bool) -> Work:
        running = usual * min(1.6, max(0.65, self.chance.lognormvariate(0, 0.15)))
        ending = (self.weather.draw("course") if queue else None) or "made"
        queued = self.chance.expovariate(1 / 15) if queue else 0.0
        number = f"r{len(self.works)}"
        work = Work(number, provider, request.prompt, request.model, self.clock.world(), reach, queued, running, ending)
        # The name of the task that calls says for which job; only the honest row leans on it.
        work.job = (asyncio.current_task() or object()).get_name().removeprefix("call ")  # type: ignore[attr-defined]
        work.billed = ending != "cancelled" and (ending != "failed" or self.chance.random() < 0.5)
        self.works.append(work)
        self.told_of[number] = work
        self.happened(f"{provider} takes {number} {request.prompt}")
        return work

    def hang_up(self, reach: Reaching) -> None:
        """A process died: its connections are gone. A request in a queue is not, if a later process knows of it."""
        for work in self.works:
            if work.reach is reach and work.let_go_at is None:
                work.let_go_at = self.clock.world()

    def asked(self, handle: RemoteHandle, reach: Reaching) -> Work:
        """A process that asks after a request has it, and had it all the time, even if it did not live."""
        work = self.told_of[handle.request_id]
        if work.reach is not reach:
            work.reach, work.let_go_at = reach, None
        return work

    def film(self, work: Work) -> bytes:
        return f"film: {work.prompt}".encode() + bytes(len(work.number) * 50)

    def refuse(self, name: str, fault: str) -> ProviderError:
        kind, _, status = fault.partition(" ")
        code = int(status) if status.isdigit() else None
        if kind == "E0":
            return Unavailable(name, "not sent", evidence=Evidence.NOT_SENT)
        if code in (401, 402, 403):
            return Unauthorized(name, "the key", status=code)
        if code in (429, 503):
            wait = self.chance.choice((None, self.chance.uniform(0, 120)))
            return Unavailable(name, "busy", evidence=Evidence.REFUSED, status=code, retry_after=wait)
        return Rejected(name, "no", status=code)


class _Provider:
    def __init__(
        self, studio: Studio, reach: Reaching, name: str, concurrency: int, models: Sequence[ModelSpec],
        *, billed: bool = True,
    ) -> None:  # fmt: skip
        self.studio, self.reach, self.name, self.concurrency = studio, reach, name, concurrency
        self.billed = billed
        self._models = models

    def models(self) -> Sequence[ModelSpec]:
        return self._models

    async def refresh(self) -> None:
        pass

    async def healthy(self) -> str:
        await self._travel()
        return "well"

    async def close(self) -> None:
        pass

    async def _travel(self) -> None:
        await self.reach.out()
        await asyncio.sleep(self.studio.chance.uniform(0.02, 0.3))
        await self.reach.out()

    def _usual(self, request: GenerationRequest) -> float:
        (spec,) = [spec for spec in self._models if spec.id == request.model]
        size = spec.sizes[request.size] if request.size is not None else None
        return (size.usual_seconds if size else None) or spec.usual_seconds

    async def _take(self, request: GenerationRequest, *, queue: bool) -> tuple[Work, str | None]:
        fault = self.studio.weather.draw("submit")
        await self._travel()
        # As the adapters do, where the first byte would leave.
        await check_age()
        if fault is not None and fault.startswith(("E0", "E1")):
            raise self.studio.refuse(self.name, fault)
        if fault == "E2 before":
            raise Ambiguous(self.name, "no answer")
        work = self.studio.accept(self.name, request, self._usual(request), self.reach, queue=queue)
        await self.reach.happened(f"{self.name} submit")
        return work, fault

    def _broken(self, work: Work, fault: str | None) -> None:
        """Raise what an accepted request meets on the way back."""
        if fault is None:
            return
        work.let_go_at = self.studio.clock.world()
        match fault:
            case "E2 500":
                work.billed = self.studio.chance.random() < 0.5
                raise Ambiguous(self.name, "server error", status=500)
            case "E3":
                raise BadResponse(self.name, "garbage")
            case _:
                raise Ambiguous(self.name, "no answer")


class Direct(_Provider):
    """ports.DirectProvider."""

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        work, fault = await self._take(request, queue=False)
        try:
            await asyncio.sleep(900 if fault == "hang" else work.running * (0.3 if fault else 1))
            await self.reach.out()
            self._broken(work, fault)
        except asyncio.CancelledError:
            work.let_go_at = work.let_go_at or self.studio.clock.world()
            raise
        garbage = self.studio.weather.draw("answer") is not None
        into.write_bytes(b"<html>" if garbage else self.studio.film(work))
        work.answered, work.let_go_at = True, self.studio.clock.world()
        await self.reach.happened(f"{self.name} answer")


class Queue(_Provider):
    """ports.QueueProvider."""

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        work, fault = await self._take(request, queue=True)
        await self._travel()
        self._broken(work, fault)
        work.answered = True
        return RemoteHandle(request.model, work.number)

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        fault = self.studio.weather.draw("poll")
        await self._travel()
        work = self.studio.asked(handle, self.reach)
        if fault == "404":
            # It says that it has nothing of the kind, so nothing of ours is there.
            work.disowned_at = self.studio.clock.world()
        self._fail(fault)
        status = work.status(self.studio.clock.world())
        if fault == "unknown word":
            return Unknown("WARMING")
        if fault == "backwards":
            return InQueue(3)
        return status

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        fault = self.studio.weather.draw("fetch")
        await self._travel()
        self._fail(fault)
        film = self.studio.film(self.studio.told_of[handle.request_id])
        into.write_bytes(b"<html>" if fault == "truncated" else film)
        await self.reach.happened(f"{self.name} fetched")

    async def cancel(self, handle: RemoteHandle) -> bool:
        fault = self.studio.weather.draw("cancel")
        await self._travel()
        if fault == "outage":
            self._fail(fault)
        work, now = self.studio.told_of[handle.request_id], self.studio.clock.world()
        waiting = isinstance(work.status(now), InQueue)
        if waiting:
            work.cancelled_at, work.billed = now, False
            self.studio.happened(f"{self.name} drops {work.number}")
        await self.reach.happened(f"{self.name} cancel")
        if fault == "lost answer":
            raise Unavailable(self.name, "no answer", evidence=Evidence.REFUSED)
        return waiting

    def _fail(self, fault: str | None) -> None:
        match fault:
            case "outage":
                raise Unavailable(self.name, "outage", evidence=Evidence.REFUSED, status=502)
            case "401":
                raise Unauthorized(self.name, "the key", status=401)
            case "404":
                raise Rejected(self.name, "not found", status=404)
            case "nonsense":
                raise BadResponse(self.name, "not JSON")
