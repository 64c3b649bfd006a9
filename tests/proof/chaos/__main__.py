"""`make chaos`: kills, stops and starves the shipped command, and counts what became of everybody's requests."""

import argparse
import secrets
import sys
from pathlib import Path

from tests.proof.chaos.run import chaos


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--jobs", type=int, default=6, help="asked for in each life of the bot, about")
    parser.add_argument("--minutes", type=float, default=60, help="no life begins later")
    parser.add_argument("--together", type=int, default=3, help="stages that play at the same time")
    parser.add_argument("--stage", type=int, action="append", default=[], help="play only this one again")
    parser.add_argument("--keep", type=Path, help="a folder that keeps each stage's log, database and media")
    given = parser.parse_args()
    figures, text = chaos(
        given.seed,
        given.kills,
        jobs=given.jobs,
        minutes=given.minutes,
        together=given.together,
        only=given.stage,
        keep=given.keep,
    )
    print(text)
    return 1 if figures.violations else 0


if __name__ == "__main__":
    sys.exit(main())
