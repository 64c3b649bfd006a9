"""From the process's start to commands that members can use, and what it then occupies."""

import asyncio
from dataclasses import dataclass
from statistics import median

import psutil

from bench.figures import Figure
from bench.stages import measured, memory, timed
from bot.sandbox.providers import SandboxProviderOptions

_REST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    starts: int = 4
    guilds: int = 50


async def measure(plan: Plan | None = None) -> list[Figure]:
    """The first start makes the database and tells Discord the commands; the later ones find both."""
    plan = plan or Plan()
    async with measured(SandboxProviderOptions(instant=True)) as stage:
        for _ in range(plan.guilds):
            stage.add_guild("Film Club")
        first = await timed(stage.start_bot())
        later = []
        for _ in range(plan.starts - 1):
            await stage.stop_bot()
            await stage.discord.until(lambda: not stage.discord.gateway.online)
            later.append(await timed(stage.start_bot()))
        await asyncio.sleep(_REST_SECONDS)
        children = psutil.Process(stage.pid).children(recursive=True)
        return [
            Figure("start to ready, the first time", first, "s"),
            Figure(f"start to ready, again (median of {len(later)})", median(later), "s"),
            Figure("resident memory at rest", memory(stage.pid), "MiB"),
            Figure("its waiting media children, altogether", sum(memory(child.pid) for child in children), "MiB"),
        ]
