"""Who makes a job that its own model cannot make now: another one that does all that was asked."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.domain.errors import InvalidRequest, StorageUnavailable
from bot.domain.generation import GenerationRequest, ModelSpec, candidates, plan
from bot.domain.health import Trouble, trouble_of
from bot.domain.job import Job
from bot.domain.stand_in import FallBack, in_order, restated
from bot.jobs.catalog import Catalog
from bot.jobs.inputs import exchanged, refitted
from bot.jobs.policy import Policies
from bot.ports import JobStore, Pictures

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StandIn:
    """Who makes it instead, and what of: `asked` is the model that was asked for, None when it is that one again."""

    request: GenerationRequest
    provider: str
    asked: str | None

    @property
    def changes(self) -> dict[str, Any]:
        """To the facts of its job, which begins anew."""
        return {
            "request": self.request, "provider": self.provider, "asked_model": self.asked, "cause": None, "detail": "",
            "not_before": 0.0, "tries": 0, "first_try_at": None,
        }  # fmt: skip


class StandIns:
    def __init__(
        self,
        *,
        catalog: Catalog,
        policies: Policies,
        pictures: Pictures,
        store: JobStore,
        fall_back: FallBack,
        seed: Callable[[], int],
    ) -> None:
        """`fall_back` goes round nowhere; `seed` draws one for a model that takes it when the job has none."""
        self._catalog, self._policies, self._pictures, self._store = catalog, policies, pictures, store
        self._fall_back, self._seed = fall_back, seed

    async def take_over(self, job: Job, troubles: Sequence[Trouble]) -> bool:
        """Give a queued job to the first healthy model that makes all of what was asked, and that its guild allows and
        can pay.

        False when there is none, or when the job may have been paid for already. Raises Stale.
        """
        found = await self._first(job, self._names(job), troubles)
        if found is None:
            return False
        with exchanged(self._pictures, job, found.request.images):
            # Whoever holds the job as it was must not write that back: the epoch tells them.
            await self._store.note(job, epoch=job.epoch + 1, **found.changes)
        return True

    async def after(self, job: Job) -> StandIn | None:
        """Who comes after a model that was too busy at every try: none twice, so there is an end. None too while
        storage does not answer."""
        names = self._names(job)
        try:
            return await self._first(job, names[names.index(job.request.model) + 1 :], await self._store.troubles())
        except StorageUnavailable:
            return None

    def _names(self, job: Job) -> list[str]:
        """Who may make it, the model that was asked for first; its own is always among them."""
        asked = job.asked_model or job.request.model
        return list(dict.fromkeys((asked, *in_order(self._fall_back, asked), job.request.model)))

    async def _first(self, job: Job, names: Sequence[str], troubles: Sequence[Trouble]) -> StandIn | None:
        asked = job.asked_model or job.request.model
        for spec in await self._candidates(job, names, troubles):
            try:
                request = await self._restated(job.request, spec)
            except InvalidRequest:
                continue
            log.info("%s makes it in place of %s", spec.id, job.request.model, extra={"job": job.id})
            return StandIn(request, spec.provider, None if spec.id == asked else asked)
        return None

    async def _candidates(self, job: Job, names: Sequence[str], troubles: Sequence[Trouble]) -> list[ModelSpec]:
        names = [name for name in names if name != job.request.model]
        if not names or job.charged or job.repeated:
            return []
        denied = (await self._policies.of(job.to.guild_id)).denied
        most = (await self._policies.limits(job.to.guild_id)).spend_per_day
        offered = {spec.id: spec for spec in self._catalog.models(job.request.capability)}
        allowed = [spec for name in names if (spec := offered.get(name)) and name not in denied]
        affordable = [spec for spec in allowed if self._catalog.price(spec.id) <= most]
        return [spec for spec in affordable if trouble_of(troubles, spec.provider, spec.id) is None]

    async def _restated(self, request: GenerationRequest, spec: ModelSpec) -> GenerationRequest:
        """Raises InvalidRequest, for a picture that cannot be had too."""
        asked, seed = restated(request, spec), request.seed
        if seed is None or (spec.seed is not None and not spec.seed.admits(seed)):
            seed = self._seed()
        plan(spec, asked, seed)
        sizes = candidates(spec, asked)
        frames = [spec.sizes[index].frame for index in sizes]
        pictures = await refitted(self._pictures, request.images, frames)
        chosen = sizes[pictures[0].frame] if pictures and sizes else None
        return plan(spec, asked, seed, chosen, tuple(picture.name for picture in pictures))
