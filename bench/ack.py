"""How long a member waits for the queue message, next to a bot that does nothing else."""

import asyncio
import io
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from PIL import Image

from bench.crowd import Seat, job_of, seat, type_at
from bench.figures import CannotMeasure, Figure, Goal, percentile
from bench.stages import Measured, Probe, bare, measured
from bot.sandbox.discord import Interaction, Upload
from bot.sandbox.providers import SandboxProviderOptions

_MS = 1000
_COMMITS = 300
_PAGE = bytes(4096)


@dataclass(frozen=True, slots=True)
class Plan:
    """50 guilds with 5 members of 5 queued jobs each hold what comes in 20 s within the shipped limits.

    Then as many others type for half as long while `pictures` members at a time send one of `pixels` to a side.
    """

    rate: float = 50
    seconds: float = 20
    guilds: int = 50
    members: int = 5
    pictures: int = 4
    pixels: int = 3000


@dataclass(slots=True)
class _Heard:
    """Seconds to the acknowledgement, and how the bot's event loop was meanwhile."""

    seconds: list[float]
    probe: Probe
    pictures: int = 0


async def measure(plan: Plan | None = None) -> list[Figure]:
    """The bare bot half of the time before Matinee and half of it after, so that a drifting machine weighs on both."""
    plan = plan or Plan()
    alone = await _bare(plan, plan.seconds / 2)
    calm, busy = await _matinee(plan)
    alone += await _bare(plan, plan.seconds / 2)
    disk = await asyncio.to_thread(_commits)
    ours, goal = calm.seconds, Goal(2, includes=True)
    ratios = {percent: percentile(ours, percent) / percentile(alone, percent) for percent in (50, 99)}
    return [
        Figure(f"commands a second for {plan.seconds:g} s", plan.rate, ""),
        Figure("acknowledged within 3 s, share", _share(ours), ""),
        Figure("bare discord.py, p50", percentile(alone, 50) * _MS, "ms"),
        Figure("bare discord.py, p99", percentile(alone, 99) * _MS, "ms"),
        Figure("Matinee, p50", percentile(ours, 50) * _MS, "ms"),
        Figure("Matinee, p99", percentile(ours, 99) * _MS, "ms", Goal(500)),
        Figure("Matinee / bare, p50", ratios[50], "x"),
        Figure("Matinee / bare, p99", ratios[99], "x", goal),
        Figure("one write to this disk, p50", percentile(disk, 50) * _MS, "ms"),
        Figure("one write to this disk, p99", percentile(disk, 99) * _MS, "ms"),
        Figure("health page meanwhile, p99", percentile(calm.probe.seconds, 99) * _MS, "ms", Goal(50)),
        Figure("pictures prepared a second, busy worker", busy.pictures / (plan.seconds / 2), ""),
        Figure("busy worker: acknowledged within 3 s, share", _share(busy.seconds), ""),
        Figure("busy worker: Matinee, p50", percentile(busy.seconds, 50) * _MS, "ms"),
        Figure("busy worker: Matinee, p99", percentile(busy.seconds, 99) * _MS, "ms", Goal(500)),
        Figure("busy worker: health page meanwhile, p99", percentile(busy.probe.seconds, 99) * _MS, "ms", Goal(50)),
    ]


async def _bare(plan: Plan, seconds: float) -> list[float]:
    seats: list[Seat] = []
    async with bare(lambda discord: seats.extend(seat(discord, plan.guilds, plan.members))):
        return [_seconds(reply) for reply in await type_at(seats, plan.rate, seconds)]


async def _matinee(plan: Plan) -> tuple[_Heard, _Heard]:
    """With nothing else to do, and while pictures are prepared."""
    picture = await asyncio.to_thread(_picture, plan.pixels)
    probe = Probe()
    async with measured(SandboxProviderOptions(instant=True)) as stage:
        seats = [seat(stage.discord, plan.guilds, plan.members) for _ in range(2)]
        senders = seat(stage.discord, plan.pictures, 1)
        await stage.start_bot(probe.environment)
        calm = await _typed(stage, probe, seats[0], plan.rate, plan.seconds)
        probe = Probe(probe.port)
        async with _sending(senders, picture) as sent:
            busy = await _typed(stage, probe, seats[1], plan.rate, plan.seconds / 2)
            busy.pictures = len(sent)
        return calm, busy


async def _typed(stage: Measured, probe: Probe, seats: list[Seat], rate: float, seconds: float) -> _Heard:
    async with probe.asking():
        replies = await type_at(seats, rate, seconds)
    if stage.discord.complaints:
        raise CannotMeasure(f"the sandbox complains: {stage.discord.complaints[0]}")
    for reply in replies:
        if reply.acknowledged_after is not None:
            job_of(reply)
    return _Heard([_seconds(reply) for reply in replies], probe)


@asynccontextmanager
async def _sending(senders: list[Seat], picture: bytes) -> AsyncIterator[list[Interaction]]:
    """Each sends the next picture when the one before is prepared, whether or not there is room for its job."""
    sent: list[Interaction] = []

    async def send(seat: Seat) -> None:
        while True:
            image = Upload("boat.jpg", picture)
            sent.append(await seat.member.slash(seat.channel, "animate", image=image, prompt="it sails"))

    sending = [asyncio.create_task(send(each)) for each in senders]
    try:
        yield sent
    finally:
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)


def _picture(pixels: int) -> bytes:
    noise = Image.effect_noise((pixels, pixels), 40).convert("RGB")
    data = io.BytesIO()
    noise.save(data, "JPEG", quality=85)
    return data.getvalue()


def _share(seconds: list[float]) -> float:
    return sum(value != float("inf") for value in seconds) / len(seconds)


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
