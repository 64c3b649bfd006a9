"""How often a Pipelet job is asked after, and how soon its film is fetched once it is ready."""

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.crowd import ask, film_of, job_of, seat
from bench.figures import CannotMeasure, Figure, Goal, percentile
from bench.stages import Measured, measured
from bench.virtual import Course, Followed, follow_all
from bot.domain.generation import Quality
from bot.sandbox.providers import Generation, SandboxProviderOptions, noise_film

_USUAL = {Quality.STANDARD: 90.0, Quality.HIGH: 180.0}
_SEED = 20_26
_BEAT = 5.0
_MODELS = ("wan22-fast-t2v", "wan22-fast-t2v-premium")
_WORKERS = 2
# Goals by what is figured: of the trace, and of the jobs that take their documented time almost exactly.
_ON_TRACE = {"questions a job, mean": Goal(8, includes=True), "ready to fetched, p50": Goal(1, includes=True)}
_ON_TIME = {"questions a job, p99": Goal(12, includes=True), "ready to fetched, p99": Goal(2)}


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
    for what, (course, goals) in _KINDS.items():
        courses = [course(chance) for _ in range(plan.jobs)]
        figures += _figures(f"{what} ({plan.jobs})", await follow_all(courses, _SEED), goals)
        if goals is _ON_TRACE:
            figures += _figures(f"{what}, asked every {_BEAT:g} s", [_by_beat(each) for each in courses])
            figures += _figures(f"{what}, by an oracle", [Followed(1, 0.0) for _ in courses])
    if plan.real:
        seconds = _USUAL[Quality.STANDARD] / plan.speed
        goals = _ON_TIME if plan.speed == 1 else {}
        figures += _figures(f"{seconds:g} s for real ({plan.real})", await _for_real(plan), goals)
    return figures


def _trace(chance: random.Random, silence: float = 0.0) -> Course:
    """Two thirds small films, one third large; half of them start at once, half wait 30 s on average for their turn.

    The document says "usually": a spread of 15 % around it, and tasks that are not all of one length.
    """
    quality = chance.choices([Quality.STANDARD, Quality.HIGH], [2, 1])[0]
    queued = chance.uniform(0, 5) if chance.random() < 0.5 else chance.expovariate(1 / 30)
    spread = min(1.67, max(0.67, math.exp(chance.gauss(0, 0.15))))
    return Course(queued, _USUAL[quality] * spread, quality, chance.uniform(0.8, 1.25), silence)


def _usual(chance: random.Random, silence: float = 0.0) -> Course:
    return Course(chance.uniform(0, 5), _USUAL[Quality.STANDARD] + chance.uniform(-1, 1), silence=silence)


_KINDS: Mapping[str, tuple[Callable[[random.Random], Course], Mapping[str, Goal]]] = {
    "90 s and 180 s": (_trace, _ON_TRACE),
    "90 s and 180 s, progress told 5 times in 7": (lambda chance: _trace(chance, 2 / 7), {}),
    "90 s and 180 s, no progress told": (lambda chance: _trace(chance, 1), {}),
    "90 s": (_usual, _ON_TIME),
}


def _by_beat(course: Course) -> Followed:
    """What whoever asks every `_BEAT` seconds would have needed."""
    questions = max(1, math.ceil(course.seconds / _BEAT))
    return Followed(questions, questions * _BEAT - course.seconds)


def _figures(what: str, followed: Sequence[Followed], goals: Mapping[str, Goal] | None = None) -> list[Figure]:
    questions = [float(each.questions) for each in followed]
    delays = [each.delay for each in followed]
    values = {
        "questions a job, mean": (sum(questions) / len(questions), ""),
        "questions a job, p99": (percentile(questions, 99), ""),
        "ready to fetched, p50": (percentile(delays, 50), "s"),
        "ready to fetched, p99": (percentile(delays, 99), "s"),
    }
    return [Figure(f"{what}: {name}", value, unit, (goals or {}).get(name)) for name, (value, unit) in values.items()]


async def _for_real(plan: Plan) -> list[Followed]:
    options = SandboxProviderOptions(speed=plan.speed, film_bytes=await asyncio.to_thread(noise_film, 0.05))
    async with measured(options) as stage:
        seats = seat(stage.discord, plan.real, 1)
        await stage.start_bot({"MATINEE_PROVIDERS__PIPELET__CONCURRENCY": str(plan.real)})
        models = [{"model": _MODELS[number // _WORKERS % len(_MODELS)]} for number in range(plan.real)]
        replies = [await ask(each, options=model) for each, model in zip(seats, models, strict=True)]
        jobs = {job_of(reply): reply.channel for reply in replies}
        patience = 2 * _USUAL[Quality.STANDARD] / plan.speed + 30
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
