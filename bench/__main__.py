"""`python -m bench [NAME...]`: every figure, or those named. Exit code 1 when something could not be measured."""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping

from bench import ack, claims, engines, inflight, memory, polling, restart, start, throughput
from bench.figures import CannotMeasure, Figure, show

BENCHES: Mapping[str, Callable[[], Awaitable[list[Figure]]]] = {
    "start": start.measure,
    "ack": ack.measure,
    "throughput": throughput.measure,
    "engines": engines.measure,
    "claims": claims.measure,
    "restart": restart.measure,
    "inflight": inflight.measure,
    "memory": memory.measure,
    "polling": polling.measure,
}
_CORES = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Figures of docs/benchmarks.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all without one")
    names = parser.parse_args().names or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    cores = _use_two_cores()
    print(f"on {cores} cores, load {os.getloadavg()[0]:.1f} before")
    measured, whole = [], True
    for name in names:
        begun = time.monotonic()
        try:
            figures = asyncio.run(_measure(name))
        except CannotMeasure as error:
            print(f"{name}: could not be measured: {error}")
            whole = False
            continue
        measured += [(name, figure) for figure in figures]
        show([(name, figure) for figure in figures], f"{name} ({time.monotonic() - begun:.0f} s)")
    judged = [(name, figure) for name, figure in measured if figure.goal is not None]
    if judged:
        show(judged, "goals")
    return 0 if whole else 1


async def _measure(name: str) -> list[Figure]:
    return await BENCHES[name]()


def _use_two_cores() -> int:
    """For this process and all that it starts."""
    allowed = sorted(os.sched_getaffinity(0))[:_CORES]
    os.sched_setaffinity(0, allowed)
    return len(allowed)


if __name__ == "__main__":
    raise SystemExit(main())
