"""Where a waiting job stands and when it will be ready: from the schedule itself and from measured times."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import mean

from bot.domain.budget import DAY
from bot.domain.errors import NoSuchModel
from bot.domain.forecast import Crowd, Run, Standing, Turn, start_times
from bot.domain.generation import GenerationRequest, ModelSpec
from bot.domain.health import Trouble, trouble_of
from bot.domain.job import Job, JobState
from bot.jobs.catalog import Catalog
from bot.jobs.policy import Policies
from bot.ports import Clock, JobStore, Measured, Offer, Outage, Place, Waiting

# An estimate that moves by less is the same one, and no reason to edit a message.
_GRAIN = 5.0
# Looking at all who wait at a provider costs more than looking at one guild.
_CROWD_SECONDS = 3.0

_Kind = tuple[object, ...]


class Places:
    def __init__(
        self, store: JobStore, policies: Policies, catalog: Catalog, clock: Clock, patience: float = 1800.0
    ) -> None:
        """`patience` is for how many seconds a job waits without anybody who can make it."""
        self._store, self._policies, self._catalog, self._clock = store, policies, catalog, clock
        self._patience = patience
        self._crowds: dict[str, tuple[float, Crowd]] = {}
        self._next: dict[tuple[int, int | None], tuple[float, asyncio.Future[float]]] = {}

    async def of(self, job: Job) -> Place:
        """`ready_at` stays None until jobs of the same model and size have been made."""
        if (unserved := self.unserved(job)) is not None:
            return unserved
        if job.state.active and job.started_at is not None:
            measured, now = await self._store.measured(job.request), self._clock.now()
            ready_at = None if measured is None else max(now, _started_at(job, now) + measured.median)
            return Place(0, _grained(ready_at))
        ((_, place),) = await self.of_guild(job.to.guild_id, [job])
        return place

    def unserved(self, job: Job) -> Place | None:
        """None unless its provider has it and is not configured now."""
        gone = job.state is JobState.SUBMITTED and self._catalog.provider(job.provider) is None
        return Place(0, None, unserved=True) if gone else None

    async def offers(self, specs: Iterable[ModelSpec]) -> list[Offer]:
        """What each costs, and how long it takes."""
        return [Offer(spec, self._catalog.price(spec.id), await self._usual(spec)) for spec in specs]

    async def _usual(self, spec: ModelSpec) -> Measured | None:
        # Who names the first size gets what others get unasked.
        for size in (None, 0):
            request = GenerationRequest(spec.capability, spec.id, prompt="", size=size)
            if (measured := await self._store.measured(request)) is not None:
                return measured
        return None

    async def of_guild(self, guild_id: int, jobs: Sequence[Job]) -> list[tuple[Job, Place]]:
        """The places of waiting jobs of one guild; of one that is not queued yet, the place that it would have now."""
        waiting = await self._store.waiting(guild_id)
        queued = {job.id for job in waiting.jobs}
        order = waiting.order(*(job for job in jobs if job.id not in queued))
        places = await self._placed(guild_id, order, waiting)
        return [(job, places[job.id]) for job in jobs]

    async def in_order(self, guild_id: int) -> list[Job]:
        """The guild's waiting jobs, who starts first comes first."""
        waiting = await self._store.waiting(guild_id)
        order = waiting.order()
        places = await self._placed(guild_id, order, waiting)
        return sorted(order, key=lambda job: places[job.id].ahead)

    async def next_start(self, guild_id: int, member_id: int | None = None) -> float:
        """When the next of a guild's waiting jobs, or of that member's, will start; infinity while nobody knows.

        Worked out once for all who ask within three seconds: whoever floods a full queue asks all the time.
        """
        who, now = (guild_id, member_id), self._clock.monotonic()
        self._next = {each: known for each, known in self._next.items() if now - known[0] < _CROWD_SECONDS}
        if who not in self._next:
            self._next[who] = now, asyncio.ensure_future(self._next_start(guild_id, member_id))
        return await asyncio.shield(self._next[who][1])

    async def _next_start(self, guild_id: int, member_id: int | None) -> float:
        waiting = await self._store.waiting(guild_id)
        order = waiting.order()
        figures = await self._figures((*order, *waiting.active))
        outages, tomorrow = await self._outages(order), self._clock.now() + DAY
        # What is under way counts for a day after it has ended: there is room then, if it is charged at all.
        payable = [min(at, tomorrow) for at in _payable(order, waiting, outages)]
        earliest = _earliest(payable, outages)
        starts = await self._starts(guild_id, order, waiting, figures, earliest)
        wanted = (start for job, start in zip(order, starts, strict=True) if member_id in (None, job.to.member_id))
        return min(wanted, default=math.inf)

    async def _starts(
        self,
        guild_id: int,
        order: Sequence[Job],
        waiting: Waiting,
        figures: Mapping[_Kind, Measured | None],
        earliest: Iterable[float],
    ) -> list[float]:
        now, paused = self._clock.now(), await self._paused(guild_id)
        seconds = {job.id: self._seconds(job, figures) for job in (*order, *waiting.active)}
        runs = [Run(job.to.member_id, _started_at(job, now), seconds[job.id]) for job in waiting.active]
        limits, crowds = await self._policies.limits(guild_id), await self._of_providers(order, seconds)
        held = (max(job.not_before, waiting.held.get(job.request.model, 0)) for job in order)
        turns = [
            Turn(job.to.member_id, job.provider, seconds[job.id], math.inf if paused else max(put_off, at))
            for job, put_off, at in zip(order, held, earliest, strict=True)
        ]
        return start_times(turns, Standing(guild_id, limits, waiting.starts, runs, crowds), now)

    async def _paused(self, guild_id: int) -> bool:
        return (await self._policies.of(guild_id)).pause is not None

    async def _placed(self, guild_id: int, order: Sequence[Job], waiting: Waiting) -> dict[str, Place]:
        figures = await self._figures((*order, *waiting.active))
        now, paused, outages = self._clock.now(), await self._paused(guild_id), await self._outages(order)
        payable = list(_payable(order, waiting, outages))
        starts = await self._starts(guild_id, order, waiting, figures, _earliest(payable, outages))
        found: dict[str, Place] = {}
        # What one job only has to wait for lets those behind it pass.
        ranked = sorted(zip(starts, order, payable, outages, strict=True), key=lambda known: known[0])
        for ahead, (start, job, at, outage) in enumerate(ranked):
            measured = figures[_kind(job)]
            ready_at = None if measured is None else _grained(start + measured.median)
            budget_at = None if at <= now else _grained(at) or math.inf
            found[job.id] = Place(ahead, ready_at, outage, paused=paused, budget_at=budget_at)
        return found

    async def _figures(self, jobs: Iterable[Job]) -> dict[_Kind, Measured | None]:
        requests = {_kind(job): job.request for job in jobs}
        return {kind: await self._store.measured(request) for kind, request in requests.items()}

    def _seconds(self, job: Job, figures: Mapping[_Kind, Measured | None]) -> float:
        if (measured := figures[_kind(job)]) is not None:
            return measured.median
        try:
            return self._catalog.usual_seconds(job.request)
        except NoSuchModel:
            # It was on offer when the job began, and will be refused or stood in for.
            return 0.0

    async def _of_providers(self, order: Sequence[Job], seconds: Mapping[str, float]) -> dict[str, Crowd]:
        found = {}
        for name in dict.fromkeys(job.provider for job in order):
            provider = self._catalog.provider(name)
            if provider is not None:
                crowd = await self._crowd(name, provider.concurrency)
                own = [seconds[job.id] for job in order if job.provider == name]
                found[name] = crowd if crowd.seconds else replace(crowd, seconds=mean(own))
        return found

    async def _crowd(self, provider: str, places: int) -> Crowd:
        now = self._clock.monotonic()
        seen_at, crowd = self._crowds.get(provider, (-math.inf, None))
        if crowd is None or now - seen_at >= _CROWD_SECONDS:
            crowd = await self._store.crowd(provider, places)
            self._crowds[provider] = now, crowd
        return crowd

    async def _outages(self, jobs: Iterable[Job]) -> list[Outage | None]:
        troubles = await self._store.troubles()
        return [self._outage(job, troubles) for job in jobs]

    def _outage(self, job: Job, troubles: Sequence[Trouble]) -> Outage | None:
        trouble = trouble_of(troubles, job.provider, job.request.model)
        if trouble is None:
            return None
        return Outage(trouble, trouble.ends_at(job.queued_at or self._clock.now(), self._patience))


def _kind(job: Job) -> _Kind:
    return job.request.capability, job.request.model, job.request.size


def _started_at(job: Job, now: float) -> float:
    """Never later than `now`, also where the clock was set back since."""
    return min(job.started_at or now, now)


def _payable(order: Sequence[Job], waiting: Waiting, outages: Iterable[Outage | None]) -> Iterable[float]:
    """When the guild can pay for each, and for all before it that it can pay now, or saves up for at that provider."""
    budget, now = waiting.budget, list[str]()
    later = defaultdict[str, list[str]](list)
    for job, outage in zip(order, outages, strict=True):
        # What is free is not saved up for, nor what its provider does not make.
        if outage is not None or not budget.prices.get(job.request.model):
            yield 0.0
            continue
        at = budget.fits_at(*now, *later[job.provider], job.request.model)
        (later[job.provider] if at else now).append(job.request.model)
        yield at


def _earliest(payable: Iterable[float], outages: Iterable[Outage | None]) -> list[float]:
    """In an outage: when a job is dropped, which is all that is known for sure of when it leaves the queue."""
    return [at if outage is None else max(at, outage.ends_at) for at, outage in zip(payable, outages, strict=True)]


def _grained(moment: float | None) -> float | None:
    if moment is None or moment == math.inf:
        return None
    return -(-moment // _GRAIN) * _GRAIN
