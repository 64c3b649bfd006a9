"""How long requests of a kind usually take: as measured, else as their provider's document says."""

from bot.domain.errors import NoSuchModel, StorageUnavailable
from bot.domain.generation import GenerationRequest
from bot.jobs.catalog import Catalog
from bot.ports import Clock, JobStore

_FRESH_SECONDS = 60.0


class Paces:
    def __init__(self, store: JobStore, catalog: Catalog, clock: Clock) -> None:
        self._store, self._catalog, self._clock = store, catalog, clock
        self._known: dict[tuple[object, ...], tuple[float, float]] = {}

    async def of(self, request: GenerationRequest) -> float:
        """Seconds from submission to result; 0 when nobody knows. From memory, for a minute."""
        kind = (request.capability, request.model, request.size)
        now = self._clock.monotonic()
        found = self._known.get(kind)
        if found is None or now >= found[0]:
            found = self._known[kind] = (now + _FRESH_SECONDS, await self._ask(request))
        return found[1]

    async def _ask(self, request: GenerationRequest) -> float:
        try:
            measured = await self._store.usual_seconds(request)
        except StorageUnavailable:
            measured = None
        try:
            return measured or self._catalog.usual_seconds(request)
        except NoSuchModel:
            # It was on offer when the job began, and is still being made.
            return 0.0
