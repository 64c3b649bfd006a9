from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Provider = Literal["chutes", "cogvideox", "pipelet"]
Step = Literal["generate", "health", "info", "create", "status", "result", "cancel"]

STEPS: Mapping[Provider, tuple[Step, ...]] = {
    "chutes": ("generate",),
    "cogvideox": ("generate", "health", "info"),
    "pipelet": ("create", "status", "result", "cancel"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderFault:
    """What one request meets instead of a good answer: at most one kind, and `delay` and `gzip` beside any of them.

    Raises ValueError when it could never apply as written.

    kinds
      status         this status with `body` and `headers`; before any work, or after it when `billed`
      redirect       307 to this URL; before any work, or after it when `billed`
      raw            these bytes instead of an HTTP answer, then the socket is closed; after the work
      drop           the socket is closed: `before_read` before the body is read, `after_read` once the request has
                     taken effect and without waiting for its film, `mid_body` in the middle of the answer's body
      hang           the request takes effect and is never answered
      garbage        these bytes as the body of an otherwise good answer; after the work
      truncate_at    a complete answer whose body stops at this fraction (more than 0, less than 1)
      endless        the body goes on with zeros until the client goes away
      film           these bytes as the film (steps `generate` and `result`)
      status_word    the status to tell (Pipelet, step `status`); FAILED and CANCELLED become the generation's true
                     state, with `reason` as the detail; other words are only told
    beside
      delay          seconds of the clock, not divided by the speed, before the answer
      gzip           the body is compressed, whatever the client accepts
    """

    provider: Provider
    step: Step
    model: str | None = None
    times: int = 1
    status: int | None = None
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: bool = False
    redirect: str | None = None
    raw: bytes | None = None
    drop: Literal["before_read", "after_read", "mid_body"] | None = None
    hang: bool = False
    garbage: bytes | None = None
    truncate_at: float | None = None
    endless: bool = False
    film: bytes | None = None
    status_word: str | None = None
    reason: str = ""
    delay: float = 0
    gzip: bool = False

    def __post_init__(self) -> None:
        if self.step not in STEPS[self.provider]:
            raise ValueError(f"{self.provider} has no step {self.step!r}")
        kinds = self._kinds()
        if len(kinds) > 1:
            raise ValueError(f"one kind of fault at a time, not {' and '.join(kinds)}")
        if not kinds and not self.delay and not self.gzip:
            raise ValueError("a fault of no kind")
        if self.times < 1 or self.delay < 0:
            raise ValueError("times starts at 1, delay at 0")
        if self.truncate_at is not None and not 0 < self.truncate_at < 1:
            raise ValueError("truncate_at is a fraction between 0 and 1")
        self._check_companions()

    def _kinds(self) -> list[str]:
        values = {
            "status": self.status,
            "redirect": self.redirect,
            "raw": self.raw,
            "drop": self.drop,
            "hang": self.hang or None,
            "garbage": self.garbage,
            "truncate_at": self.truncate_at,
            "endless": self.endless or None,
            "film": self.film,
            "status_word": self.status_word,
        }
        return [kind for kind, value in values.items() if value is not None]

    def _check_companions(self) -> None:
        if self.status is None and (self.body or self.headers):
            raise ValueError("body and headers go with status")
        if self.billed and self.status is None and self.redirect is None:
            raise ValueError("billed goes with status or redirect")
        if self.status_word is not None and self.step != "status":
            raise ValueError("status_word goes with the step status")
        if self.reason and self.status_word is None:
            raise ValueError("reason goes with status_word")
        if self.film is not None and self.step not in {"generate", "result"}:
            raise ValueError("film goes with the steps generate and result")

    @property
    def before_work(self) -> bool:
        """The request has no effect at all."""
        return self.drop == "before_read" or (
            not self.billed and (self.status is not None or self.redirect is not None)
        )

    @property
    def before_film(self) -> bool:
        """The request takes effect, and the client is left before its film is ready."""
        return self.drop == "after_read" or self.hang


class ProviderFaults:
    """Scripted faults, consumed in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: list[tuple[ProviderFault, int]] = []

    def add(self, fault: ProviderFault) -> None:
        self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        self._waiting.clear()

    @property
    def waiting(self) -> list[ProviderFault]:
        """What has been added and not yet been used up."""
        return [fault for fault, _ in self._waiting]

    def take(self, provider: Provider, step: Step, model: str) -> ProviderFault | None:
        for index, (fault, left) in enumerate(self._waiting):
            if (fault.provider, fault.step) == (provider, step) and fault.model in {None, model}:
                self._waiting[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None
