"""What a large Pipelet result adds to the bot's resident memory while it comes in."""

import asyncio
from dataclasses import dataclass

from bench.crowd import Seat, ask, film_of, job_of, seat
from bench.figures import Figure, Goal, percentile
from bench.stages import Measured, Probe, forget_peak, measured, memory
from bot.sandbox.providers import SandboxProviderOptions, noise_film

_MS = 1000
_SPEED = 45.0
_PATIENCE = 60.0
_EVERY = 0.01
# Discord's boost tier at which a file of 50 MiB is taken, so that the film is not encoded again.
_TIER = 2


@dataclass(frozen=True, slots=True)
class Plan:
    megabytes: float = 40
    films: int = 3


@dataclass(frozen=True, slots=True)
class _Added:
    """MiB over the memory just before the provider was done: until the film was on disk, and until it was posted."""

    fetched: float
    posted: float


async def measure(plan: Plan | None = None) -> list[Figure]:
    """The children that check the film are processes of their own and not counted."""
    plan = plan or Plan()
    film = await asyncio.to_thread(noise_film, plan.megabytes)
    probe = Probe()
    async with measured(SandboxProviderOptions(speed=_SPEED, film_bytes=film), {"burst": 100}) as stage:
        seats = seat(stage.discord, 1, plan.films, premium_tier=_TIER)
        await stage.start_bot(probe.environment)
        async with probe.asking():
            added = [await _added(stage, each) for each in seats]
    return [
        Figure("the film", len(film) / 1e6, "MB"),
        Figure(f"added while it comes in, most of {plan.films}", max(each.fetched for each in added), "MiB", Goal(8)),
        Figure(f"added until it is posted, most of {plan.films}", max(each.posted for each in added), "MiB"),
        Figure("health page meanwhile, p99", percentile(probe.seconds, 99) * _MS, "ms", Goal(50)),
        Figure("health page meanwhile, longest", max(probe.seconds) * _MS, "ms"),
    ]


async def _added(stage: Measured, at: Seat) -> _Added:
    known = len(stage.providers.generations)
    job = job_of(await ask(at))
    # The queue message says so, long before the provider is done.
    await stage.discord.until(lambda: len(stage.providers.generations) > known, timeout=_PATIENCE)
    generation = stage.providers.generations[known]
    before = memory(stage.pid)
    forget_peak(stage.pid)
    while not generation.delivered:
        await asyncio.sleep(_EVERY)
        if not generation.finished.is_set():
            before = memory(stage.pid)
            forget_peak(stage.pid)
    await asyncio.sleep(_EVERY)
    fetched = memory(stage.pid, "VmHWM") - before
    await stage.discord.until(lambda: film_of(job, at.channel), timeout=_PATIENCE)
    return _Added(fetched, memory(stage.pid, "VmHWM") - before)
