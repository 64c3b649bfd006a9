"""How long a member waits for the queue message, next to a bot that does nothing else."""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass

from bench.crowd import Seat, job_of, seat, type_at
from bench.figures import CannotMeasure, Figure, Goal, percentile
from bench.stages import Probe, bare, measured
from bot.sandbox.discord import Interaction
from bot.sandbox.providers import SandboxProviderOptions

_MS = 1000
_COMMITS = 300
_PAGE = bytes(4096)


@dataclass(frozen=True, slots=True)
class Plan:
    """50 guilds with 5 members of 5 queued jobs each hold what comes in 20 s within the shipped limits."""

    rate: float = 50
    seconds: float = 20
    guilds: int = 50
    members: int = 5


async def measure(plan: Plan | None = None) -> list[Figure]:
    """The bare bot half of the time before Matinee and half of it after, so that a drifting machine weighs on both."""
    plan = plan or Plan()
    alone = await _bare(plan, plan.seconds / 2)
    ours, probe = await _matinee(plan)
    alone += await _bare(plan, plan.seconds / 2)
    disk = await asyncio.to_thread(_commits)
    goal = Goal(2, includes=True)
    ratios = {percent: percentile(ours, percent) / percentile(alone, percent) for percent in (50, 99)}
    return [
        Figure(f"commands a second for {plan.seconds:g} s", plan.rate, ""),
        Figure("acknowledged within 3 s, share", sum(value != float("inf") for value in ours) / len(ours), ""),
        Figure("bare discord.py, p50", percentile(alone, 50) * _MS, "ms"),
        Figure("bare discord.py, p99", percentile(alone, 99) * _MS, "ms"),
        Figure("Matinee, p50", percentile(ours, 50) * _MS, "ms"),
        Figure("Matinee, p99", percentile(ours, 99) * _MS, "ms", Goal(500)),
        Figure("Matinee / bare, p50", ratios[50], "x"),
        Figure("Matinee / bare, p99", ratios[99], "x", goal),
        Figure("one write to this disk, p50", percentile(disk, 50) * _MS, "ms"),
        Figure("one write to this disk, p99", percentile(disk, 99) * _MS, "ms"),
        Figure("health page meanwhile, p99", percentile(probe.seconds, 99) * _MS, "ms"),
    ]


async def _bare(plan: Plan, seconds: float) -> list[float]:
    seats: list[Seat] = []
    async with bare(lambda discord: seats.extend(seat(discord, plan.guilds, plan.members))):
        return [_seconds(reply) for reply in await type_at(seats, plan.rate, seconds)]


async def _matinee(plan: Plan) -> tuple[list[float], Probe]:
    probe = Probe()
    async with measured(SandboxProviderOptions(instant=True)) as stage:
        seats = seat(stage.discord, plan.guilds, plan.members)
        await stage.start_bot(probe.environment)
        async with probe.asking():
            replies = await type_at(seats, plan.rate, plan.seconds)
        if stage.discord.complaints:
            raise CannotMeasure(f"the sandbox complains: {stage.discord.complaints[0]}")
        for reply in replies:
            if reply.acknowledged_after is not None:
                job_of(reply)
        return [_seconds(reply) for reply in replies], probe


def _commits() -> list[float]:
    """What durability alone costs: Matinee acknowledges after one commit, the bare bot after none."""
    seconds = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_COMMITS):
            file.write(_PAGE)
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - begun)
    return seconds


def _seconds(reply: Interaction) -> float:
    return float("inf") if reply.acknowledged_after is None else reply.acknowledged_after
