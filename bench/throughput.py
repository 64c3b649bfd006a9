"""Jobs a second from the command to the film in the channel, with providers that need no time."""

import asyncio
import time
from dataclasses import dataclass

from bench.crowd import Seat, ask, film_of, job_of, seat
from bench.figures import Figure, Goal, percentile
from bench.stages import Measured, Probe, measured
from bot.sandbox.providers import SandboxProviderOptions

_MODELS = {"direct (Chutes)": "wan2.1-14b", "queue (Pipelet)": "wan22-fast-t2v"}
_LIMITS = {"jobs_per_hour": 360_000, "burst": 1000, "active_per_guild": 1000, "active_per_member": 1000}
# At the shipped 4, a Pipelet job's first question after 2 s would be all that is measured.
_CONCURRENCY = {"MATINEE_PROVIDERS__CHUTES__CONCURRENCY": "32", "MATINEE_PROVIDERS__PIPELET__CONCURRENCY": "32"}
_PATIENCE = 120.0
_MS = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    jobs: int = 60
    warm_up: int = 4


async def measure(plan: Plan | None = None) -> list[Figure]:
    """Each job in a guild of its own; all are asked for at once, the clock runs until the last film is posted."""
    plan, probe = plan or Plan(), Probe()
    async with measured(SandboxProviderOptions(instant=True), _LIMITS) as stage:
        seats = seat(stage.discord, plan.jobs, 1)
        await stage.start_bot(_CONCURRENCY | probe.environment)
        figures = []
        for kind, model in _MODELS.items():
            await _seconds_to_post(stage, seats[: plan.warm_up], model)
            async with probe.asking():
                seconds = await _seconds_to_post(stage, seats, model)
            figures.append(Figure(f"{kind}, {plan.jobs} jobs at once", plan.jobs / seconds, "jobs/s"))
        return [*figures, Figure("health page meanwhile, p99", percentile(probe.seconds, 99) * _MS, "ms", Goal(50))]


async def _seconds_to_post(stage: Measured, seats: list[Seat], model: str) -> float:
    begun = time.perf_counter()
    replies = await asyncio.gather(*(ask(each, options={"model": model}) for each in seats))
    waiting = {job_of(reply): reply.channel for reply in replies}

    def posted() -> bool:
        for job in [job for job, channel in waiting.items() if film_of(job, channel)]:
            del waiting[job]
        return not waiting

    await stage.discord.until(posted, timeout=_PATIENCE)
    return time.perf_counter() - begun
