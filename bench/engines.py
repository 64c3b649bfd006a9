"""Jobs a second from request to posted, next to the same load on other job engines."""

import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.engine import Run
from bench.figures import Figure, Goal
from bench.peers import installed
from bench.servers import DURABLE, postgres, postgres_programs, redis, redis_server
from bench.stages import run_module

_MS = 1000
_PATIENCE = 180.0
_OURS = "Matinee, SQLite"
Store = Callable[[Path], AbstractAsyncContextManager[str]]


@dataclass(frozen=True, slots=True)
class Plan:
    jobs: int = 600
    rounds: int = 2


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine and what it keeps its jobs in, a new one for each run; None when something is not installed."""

    engine: str
    store: Store | None


async def measure(plan: Plan | None = None) -> list[Figure]:
    """Every engine in turn, `rounds` times over, so that a drifting machine weighs on all; the median counts."""
    plan, runs = plan or Plan(), dict[str, list[Run]]()
    for _ in range(plan.rounds):
        for what, contender in _contenders().items():
            if contender.store is not None:
                runs.setdefault(what, []).append(await _run(contender.engine, contender.store, plan.jobs))
    rates = {what: median(run.jobs / run.seconds for run in each) for what, each in runs.items()}
    figures = [
        Figure(f"{_OURS}: {plan.jobs} jobs at once", rates[_OURS], "jobs/s"),
        Figure(f"{_OURS}: loop lag, p99", max(run.lag for run in runs[_OURS]) * _MS, "ms", Goal(50)),
    ]
    for what in list(_contenders())[1:]:
        if what not in rates:
            figures.append(Figure(what, None, "not installed"))
            continue
        figures.append(Figure(what, rates[what], "jobs/s"))
        figures.append(Figure(f"Matinee / {what}", rates[_OURS] / rates[what], "x", Goal(1, above=True)))
    return figures


def _contenders() -> Mapping[str, Contender]:
    redis_program, programs = redis_server(), postgres_programs()
    as_it_comes = partial(redis, redis_program) if redis_program else None
    durable = partial(redis, redis_program, options=DURABLE) if redis_program else None
    cluster = partial(postgres, programs) if programs else None
    return {
        _OURS: Contender("matinee", _folder),
        **{
            what: Contender(engine, store if installed(engine) else None)
            for what, engine, store in (
                ("taskiq, Redis that syncs", "taskiq", durable),
                ("arq, Redis that syncs", "arq", durable),
                ("procrastinate, PostgreSQL", "procrastinate", cluster),
                ("taskiq, Redis as it comes", "taskiq", as_it_comes),
                ("arq, Redis as it comes", "arq", as_it_comes),
            )
        },
    }


@asynccontextmanager
async def _folder(folder: Path) -> AsyncIterator[str]:
    yield str(folder)


async def _run(engine: str, store: Store, jobs: int) -> Run:
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as name:
        async with store(Path(name)) as where:
            return Run(**json.loads(await run_module(_PATIENCE, "bench.engine", engine, str(jobs), where)))
