"""How long requests of a kind usually take: as seen, else as measured or documented."""

import contextlib
from collections import deque
from dataclasses import dataclass, field
from statistics import median

from bot.domain.errors import NoSuchModel, StorageUnavailable
from bot.domain.generation import GenerationRequest
from bot.jobs.catalog import Catalog
from bot.jobs.estimate import Pace
from bot.ports import Clock, JobStore

_FRESH_SECONDS = 60.0
# Those that are ready first are the fastest, so what is expected counts as much as so many that were seen.
_REMEMBERED, _TRUST = 50, 10


@dataclass(slots=True)
class _Kind:
    """What is known of one model and size; `asked_at` (monotonic) is when it was last looked up."""

    pace: Pace | None = None
    asked_at: float = 0.0
    runs: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Paces:
    def __init__(self, store: JobStore, catalog: Catalog, clock: Clock) -> None:
        self._store, self._catalog, self._clock = store, catalog, clock
        self._kinds: dict[tuple[object, ...], _Kind] = {}

    async def of(self, request: GenerationRequest) -> Pace:
        """From memory, for a minute."""
        kind = self._kind(request)
        now = self._clock.monotonic()
        if kind.pace is None or now - kind.asked_at >= _FRESH_SECONDS:
            kind.asked_at = now
            usual = await self._usual(request)
            kind.pace = Pace(median([*kind.runs, *[usual] * _TRUST]) if usual else 0.0)
        return kind.pace

    def learn(self, request: GenerationRequest, run: float) -> None:
        """One of this kind was made in so many seconds, once it had started."""
        self._kind(request).runs.append(run)

    def _kind(self, request: GenerationRequest) -> _Kind:
        return self._kinds.setdefault((request.capability, request.model, request.size), _Kind())

    async def _usual(self, request: GenerationRequest) -> float:
        """The rows count from the submission, the document from the start: the shorter is nearer to the truth."""
        found: list[float | None] = []
        with contextlib.suppress(StorageUnavailable):
            measured = await self._store.measured(request)
            found.append(measured.median if measured else None)
        # One that is not on offer any more is still being made.
        with contextlib.suppress(NoSuchModel):
            found.append(self._catalog.usual_seconds(request))
        return min((seconds for seconds in found if seconds is not None), default=0.0)
