"""What the providers saw and did; what tests and the demo compare the bot's own account with."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.sandbox.providers.check import Body
from bot.sandbox.providers.faults import Provider, ProviderFault, Step


@dataclass(frozen=True, slots=True)
class ReceivedImage:
    """An image that came with a request and could be decoded."""

    data: bytes = field(repr=False)
    width: int
    height: int
    format: str
    sha256: str


@dataclass(eq=False, slots=True)
class RequestRecord:
    """One HTTP request. `provider`, `model`, `step` are None where no route matched, `status` where no answer began.

    An image that decodes reads `<image>` in `body`, and stands in `images` by its field's name.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    when: float
    provider: Provider | None = None
    model: str | None = None
    step: Step | None = None
    body: Mapping[str, object] | None = None
    images: Mapping[str, ReceivedImage] = field(default_factory=dict)
    fault: ProviderFault | None = None
    status: int | None = None


class GenerationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False, slots=True)
class Generation:
    """One accepted request for a film or a picture. `delivered`: its bytes have been written to a client in full."""

    provider: Provider
    model: str
    request_id: str
    body: Body
    images: Mapping[str, ReceivedImage]
    accepted_at: float
    state: GenerationState = GenerationState.QUEUED
    started_at: float | None = None
    finished_at: float | None = None
    reason: str = ""
    film: bytes | None = field(default=None, repr=False)
    delivered: bool = False
    polls: int = 0
    finished: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def billed(self) -> bool:
        """Whoever cancels while queued pays nothing; everything else that was accepted is paid for."""
        return self.state is not GenerationState.CANCELLED

    @property
    def film_sha256(self) -> str | None:
        """Reckoned on each look, about a second for 500 MB."""
        return None if self.film is None else hashlib.sha256(self.film).hexdigest()

    def start(self, now: float) -> None:
        self.state, self.started_at = GenerationState.RUNNING, now

    def complete(self, film: bytes, now: float) -> None:
        self.film = film
        self.end(GenerationState.COMPLETED, now)

    def end(self, state: GenerationState, now: float, reason: str = "") -> None:
        self.state, self.finished_at, self.reason = state, now, reason
        self.finished.set()
