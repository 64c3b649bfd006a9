"""How often a Pipelet job is asked after, and how soon its film is fetched once it is ready."""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.crowd import ask, film_of, job_of, seat
from bench.figures import CannotMeasure, Figure, Goal, percentile
from bench.stages import Measured, measured
from bench.virtual import Course, Followed, follow_all
from bot.sandbox.providers import Generation, SandboxProviderOptions, noise_film

_USUAL = 90.0
_SEED = 20_26
_QUESTIONS, _DELAY = Goal(12, includes=True), Goal(2)
_MODELS = ("wan22-fast-t2v", "wan22-fast-t2v-premium")
_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """`jobs` of each kind in virtual time; `real` jobs against the local provider, which takes 90 s / `speed`."""

    jobs: int = 300
    real: int = 4
    speed: float = 1.0


async def measure(plan: Plan | None = None) -> list[Figure]:
    plan = plan or Plan()
    chance = random.Random(_SEED)  # noqa: S311  # the same figures every time
    figures = []
    for what, course in _KINDS.items():
        followed = await follow_all([course(chance) for _ in range(plan.jobs)], _SEED)
        figures += _figures(f"{what} ({plan.jobs})", followed, judged=what == _JUDGED)
    if plan.real:
        seconds = _USUAL / plan.speed
        figures += _figures(f"{seconds:g} s for real ({plan.real})", await _for_real(plan), judged=plan.speed == 1)
    return figures


def _spread(chance: random.Random, queued: float = 0.0, silence: float = 2 / 7) -> Course:
    running = min(150.0, max(60.0, _USUAL * math.exp(chance.gauss(0, 0.15))))
    return Course(queued, running, chance.uniform(0.8, 1.25), silence)


def _usual(chance: random.Random, silence: float = 0.0) -> Course:
    return Course(chance.uniform(0, 5), _USUAL + chance.uniform(-1, 1), silence=silence)


_JUDGED = "90 s"
_KINDS: dict[str, Callable[[random.Random], Course]] = {
    _JUDGED: _usual,
    "90 s, progress told 5 times in 7": lambda chance: _usual(chance, silence=2 / 7),
    "60 to 150 s": _spread,
    "after a queue": lambda chance: _spread(chance, chance.expovariate(1 / 30)),
    "no progress told": lambda chance: _spread(chance, silence=1),
}


def _figures(what: str, followed: list[Followed], *, judged: bool) -> list[Figure]:
    questions = [float(each.questions) for each in followed]
    delays = [each.delay for each in followed]
    asked, delay = (_QUESTIONS, _DELAY) if judged else (None, None)
    return [
        Figure(f"{what}: questions a job, mean", sum(questions) / len(questions), ""),
        Figure(f"{what}: questions a job, p99", percentile(questions, 99), "", asked),
        Figure(f"{what}: ready to fetched, p50", percentile(delays, 50), "s"),
        Figure(f"{what}: ready to fetched, p99", percentile(delays, 99), "s", delay),
    ]


async def _for_real(plan: Plan) -> list[Followed]:
    options = SandboxProviderOptions(speed=plan.speed, film_bytes=await asyncio.to_thread(noise_film, 0.05))
    async with measured(options) as stage:
        seats = seat(stage.discord, plan.real, 1)
        await stage.start_bot({"MATINEE_PROVIDERS__PIPELET__CONCURRENCY": str(plan.real)})
        models = [{"model": _MODELS[number // _WORKERS % len(_MODELS)]} for number in range(plan.real)]
        replies = [await ask(each, options=model) for each, model in zip(seats, models, strict=True)]
        jobs = {job_of(reply): reply.channel for reply in replies}
        patience = 2 * _USUAL / plan.speed + 30
        await stage.discord.until(lambda: all(film_of(*each) for each in jobs.items()), timeout=patience)
        return [_seen(stage, generation) for generation in stage.providers.generations]


def _seen(stage: Measured, generation: Generation) -> Followed:
    """By the provider's own account."""
    path = f"/{generation.model}/requests/{generation.request_id}"
    mine = [record for record in stage.providers.requests if record.path.removesuffix("/status").endswith(path)]
    fetches = [record.when for record in mine if record.step == "result"]
    if generation.finished_at is None or not fetches:
        raise CannotMeasure("a film was posted that the provider has not delivered")
    return Followed(sum(record.step == "status" for record in mine), fetches[0] - generation.finished_at)
