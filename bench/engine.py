"""`python -m bench.engine NAME JOBS URL|FOLDER`: one engine's no-op load in a process of its own; prints its `Run`."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.core import InstantProvider, opened, running
from bench.figures import CannotMeasure, percentile
from bench.peers import AT_ONCE, PEERS, PROMPT, Countdown, Enqueue
from bench.stages import LagProbe
from bot.clock import SystemClock
from bot.domain.generation import Asked, Capability
from bot.domain.job import Destination, Job, JobState

_MODEL = "wan2.1-14b"
_GUILDS, _MEMBERS = 200, 3
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Run:
    """`seconds` from the first request to the end of the last job; `lag` is the event loop's, at p99."""

    jobs: int
    seconds: float
    lag: float


@asynccontextmanager
async def matinee(folder: str, countdown: Countdown) -> AsyncIterator[Enqueue]:
    """A job counts when its film is posted and its member told, and both are on the disk: seven commits."""

    def ended(job: Job) -> None:
        if job.state is JobState.DONE and job.told:
            countdown.job()

    numbers = iter(range(1, 2**62))
    async with opened(Path(folder), InstantProvider(AT_ONCE), SystemClock(), ended) as core, running(core):

        async def enqueue() -> None:
            number = next(numbers)
            to = Destination(number % _GUILDS, number % _GUILDS, number % _MEMBERS, 20 * 2**20)
            draft = await core.jobs.draft(Asked(Capability.TEXT_TO_VIDEO, PROMPT, _MODEL), to)
            job = await core.jobs.accept(draft, number)
            if job is None:
                raise CannotMeasure("a job was not accepted")
            await core.jobs.acknowledged(job, number)

        yield enqueue


ENGINES = {"matinee": matinee, **PEERS}


async def run(name: str, jobs: int, where: str) -> Run:
    """As many callers as workers ask for one job after another, while they are worked off.

    Raises CannotMeasure when they do not end."""
    countdown, probe, left = Countdown(jobs), LagProbe(), iter(range(jobs))
    async with ENGINES[name](where, countdown) as enqueue, probe.watching():

        async def ask() -> None:
            for _ in left:
                await enqueue()

        begun = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        try:
            await asyncio.wait_for(countdown.over.wait(), _PATIENCE)
        except TimeoutError:
            raise CannotMeasure(f"{name}: {countdown.left} of {jobs} jobs did not end") from None
        return Run(jobs, time.perf_counter() - begun, percentile(probe.seconds, 99))


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3])))))
