"""Who makes a job that its own model cannot make now: another one that does all that was asked."""

import logging
from collections.abc import Callable, Sequence

from bot.domain.errors import InvalidRequest
from bot.domain.generation import GenerationRequest, ModelSpec, candidates, plan
from bot.domain.health import Trouble, trouble_of
from bot.domain.job import Job
from bot.domain.stand_in import FallBack, in_order, restated
from bot.jobs.catalog import Catalog
from bot.jobs.inputs import exchanged, refitted
from bot.jobs.policy import Policies
from bot.ports import JobStore, Pictures

log = logging.getLogger(__name__)


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
        asked = job.asked_model or job.request.model
        for spec in await self._candidates(job, asked, troubles):
            try:
                request = await self._restated(job.request, spec)
            except InvalidRequest:
                continue
            await self._hand_over(job, request, spec.provider, None if spec.id == asked else asked)
            log.info("%s makes it in place of %s", spec.id, job.request.model, extra={"job": job.id})
            return True
        return False

    async def _candidates(self, job: Job, asked: str, troubles: Sequence[Trouble]) -> list[ModelSpec]:
        names = [name for name in (asked, *in_order(self._fall_back, asked)) if name != job.request.model]
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

    async def _hand_over(self, job: Job, request: GenerationRequest, provider: str, asked: str | None) -> None:
        with exchanged(self._pictures, job, request.images):
            await self._store.note(
                # Whoever holds the job as it was must not write that back: the epoch tells them.
                job, epoch=job.epoch + 1, request=request, provider=provider, asked_model=asked,
                cause=None, detail="", not_before=0.0, tries=0, first_try_at=None,
            )  # fmt: skip
