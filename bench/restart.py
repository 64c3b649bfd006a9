"""How soon every job that waits at its provider is asked after again when a process has started."""

import asyncio
import contextlib
import gc
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.asked import REPORT
from bench.core import opened, running
from bench.figures import CannotMeasure, Figure, Goal, percentile
from bench.filling import fill_submitted
from bench.stages import ROOT, LagProbe
from bot.clock import SystemClock
from bot.providers.pipelet import PipeletProvider
from storage.database import Database

_MS = 1000
_PATIENCE = 60.0
_LOOK_EVERY = 0.1
_STOP_SECONDS = 10.0
_CONCURRENCY = 20_000


@dataclass(frozen=True, slots=True)
class Plan:
    jobs: int = 10_000


async def measure(plan: Plan | None = None) -> list[Figure]:
    """From a closed database to the first question after the last job, over sockets, to a server of its own."""
    plan, probe = plan or Plan(), LagProbe()
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as name:
        folder = Path(name)
        database = await Database.open(folder / "matinee.db")
        await database.write(lambda connection: fill_submitted(connection, plan.jobs, time.time()))
        await database.close()
        # As bot.app does when everything is imported.
        gc.freeze()
        async with _asked() as url, aiohttp.ClientSession() as session, probe.watching():
            begun, worked = time.monotonic(), time.process_time()
            provider = PipeletProvider("bench-token", base_url=url, concurrency=_CONCURRENCY)
            try:
                async with opened(folder, provider, SystemClock()) as core, running(core):
                    report = await _all_asked(session, url, plan.jobs, begun + _PATIENCE)
                    worked = time.process_time() - worked
            finally:
                await provider.close()
    return [
        Figure(f"{plan.jobs:,} jobs in flight: the last one asked after", report["last"] - begun, "s", Goal(5)),
        Figure("of these, CPU time of this process", worked, "s"),
        Figure("not asked after", plan.jobs - report["asked"], "", Goal(0, includes=True)),
        Figure("questions a second", report["questions"] / (report["last"] - begun), ""),
        Figure("loop lag, p99", percentile(probe.seconds, 99) * _MS, "ms", Goal(50)),
        Figure("loop lag, longest", max(probe.seconds) * _MS, "ms"),
    ]


async def _all_asked(session: aiohttp.ClientSession, url: str, jobs: int, deadline: float) -> dict[str, float]:
    while True:
        async with session.get(url + REPORT) as answer:
            report: dict[str, float] = json.loads(await answer.read())
        if report["asked"] >= jobs or time.monotonic() > deadline:
            return report
        await asyncio.sleep(_LOOK_EVERY)


@asynccontextmanager
async def _asked() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.asked", cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    if process.stdin is None or process.stdout is None:
        raise CannotMeasure("the provider's process has no pipes")
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
