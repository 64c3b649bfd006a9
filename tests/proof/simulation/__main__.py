"""`make sim`: days of the real core on a virtual clock, one after the other. Exit code 1 when a zero is none."""

import argparse
import sys
import time
from pathlib import Path

from tests.proof.simulation import report
from tests.proof.simulation.day import play


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=20, help="how many, one day each; every twentieth is a normal day")
    parser.add_argument("--hours", type=float, default=20.0, help="virtual hours of each day")
    parser.add_argument("--journal", help="a file for every commit and effect, with its time")
    asked = parser.parse_args()
    lines: list[str] | None = [] if asked.journal else None
    begun = time.process_time()
    days = [play(seed, asked.hours, lines) for seed in range(asked.seed, asked.seed + asked.seeds)]
    print(report.text(days))
    print(f"processor      {time.process_time() - begun:.1f} s")
    if asked.journal:
        Path(asked.journal).write_text("\n".join(lines or ()), encoding="utf-8")
    return 0 if report.clean(days) else 1


sys.exit(main())
