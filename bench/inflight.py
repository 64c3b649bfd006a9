"""Ten thousand jobs that wait at their provider: what asking after all of them costs, and what each occupies.

Measured in a process of its own, `python -m bench.inflight JOBS SECONDS`, whose memory nothing else has used.
"""

import asyncio
import gc
import heapq
import json
import math
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.core import core_on, running
from bench.figures import Figure, Goal, percentile
from bench.filling import fill_submitted
from bench.stages import run_module
from bench.virtual import BusyDatabase, Course, SimulatedProvider, VirtualClock

_SEED = 20_26
_WORKERS = 300
_USUAL, _SPREAD = 90.0, 0.15
_PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` of virtual time are looked at, from when each job was asked after once."""

    jobs: int = 10_000
    seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """`busiest`: the most questions in any one second; `bytes_each`: of resident memory, for each job.

    `ready` became so in the first half of the time; `delay` is how long the middle one of them waited for its fetch.
    """

    mean: float
    busiest: float
    ready: int
    delay: float
    bytes_each: float


async def measure(plan: Plan | None = None) -> list[Figure]:
    plan = plan or Plan()
    seen = Seen(**json.loads(await run_module(_PATIENCE, "bench.inflight", str(plan.jobs), str(plan.seconds))))
    return [
        Figure(f"{plan.jobs:,} jobs in flight: questions a second, mean", seen.mean, "", Goal(60)),
        Figure("questions in the busiest second", seen.busiest, "", Goal(60)),
        Figure(f"{seen.ready} of them ready within {plan.seconds / 2:g} s: to fetched, p50", seen.delay, "s"),
        Figure("memory for each job", seen.bytes_each / 1000, "kB", Goal(10)),
    ]


async def look(jobs: int, seconds: float) -> Seen:
    chance = random.Random(_SEED)  # noqa: S311  # the same figures every time
    courses = {str(number): course for number, course in enumerate(_in_line(jobs, chance), start=1)}
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as folder:
        database = await BusyDatabase.open(Path(folder) / "matinee.db")
        try:
            clock = VirtualClock(lambda: database.at_work > 0)
            await database.write(lambda connection: fill_submitted(connection, jobs, clock.now()))
            provider = SimulatedProvider(clock, courses, chance)
            provider.accepted = dict.fromkeys(courses, 0.0)
            before = _resident()
            async with running(core_on(database, provider, clock)):
                await clock.run(lambda: all(provider.questions.values()))
                each = (_resident() - before) / jobs
                begun = clock.monotonic() + 1
                await clock.run(lambda: clock.monotonic() >= begun + seconds)
        finally:
            await database.close()
    asked = Counter(math.floor(moment - begun) for moment in provider.asked if begun <= moment < begun + seconds)
    ready = {name: course.seconds for name, course in courses.items() if course.seconds < begun + seconds / 2}
    delays = [provider.fetched.get(name, math.inf) - at for name, at in ready.items()]
    return Seen(asked.total() / seconds, max(asked.values()), len(ready), percentile(delays, 50), each)


def _in_line(jobs: int, chance: random.Random) -> Iterable[Course]:
    """One line of all jobs before so many workers, each of whom takes the next when it is free."""
    free = [0.0] * _WORKERS
    for _ in range(jobs):
        running = _USUAL * math.exp(chance.gauss(0, _SPREAD))
        begins = heapq.heappop(free)
        heapq.heappush(free, begins + running)
        yield Course(begins, running, turn=_USUAL / _WORKERS)


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(look(int(sys.argv[1]), float(sys.argv[2]))))))
