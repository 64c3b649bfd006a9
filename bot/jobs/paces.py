"""How long requests of a kind usually take: as seen, else as measured or documented."""

import contextlib
from collections import defaultdict, deque
from collections.abc import Sequence
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
        self._kinds: defaultdict[tuple[object, ...], _Kind] = defaultdict(_Kind)

    async def of(self, request: GenerationRequest) -> Pace:
        """From memory, for a minute."""
        kind = self._kind(request)
        now = self._clock.monotonic()
        if kind.pace is None or now - kind.asked_at >= _FRESH_SECONDS:
            kind.asked_at = now
            kind.pace = await self._pace(request, kind.runs)
        return kind.pace

    def learn(self, request: GenerationRequest, run: float) -> None:
        """One of this kind was made in so many seconds, once it had started."""
        kind = self._kind(request)
        kind.runs.append(run)
        kind.pace = None

    def _kind(self, request: GenerationRequest) -> _Kind:
        return self._kinds[request.capability, request.model, request.size]

    async def _pace(self, request: GenerationRequest, runs: Sequence[float]) -> Pace:
        """The rows count from the submission, the document from the start: the shorter is nearer to the truth."""
        measured = None
        with contextlib.suppress(StorageUnavailable):
            measured = await self._store.measured(request)
        usual = [measured.median] if measured else []
        # One that is not on offer any more is still being made.
        with contextlib.suppress(NoSuchModel):
            usual.append(self._catalog.usual_seconds(request))
        return Pace(median([*runs, *[min(usual, default=0.0)] * _TRUST]), seen=bool(runs or measured))
