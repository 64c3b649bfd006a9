"""One block about many days."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence

from tests.proof.simulation.day import Day
from tests.proof.simulation.truth import ZEROS

_WIDTH = 110


def text(days: Sequence[Day]) -> str:
    kills, faults, honest, points = Counter[str](), Counter[str](), Counter[str](), set[str]()
    for day in days:
        kills, faults, honest = kills + day.kills, faults + day.faults, honest + day.finding.honest
        points |= day.points
    zeros = {name: sum(len(day.finding.zeros[name]) for day in days) for name in ZEROS}
    close, told = within_two(days)
    lines = [
        f"seeds          {days[0].seed} to {days[-1].seed}",
        f"virtual hours  {sum(day.hours for day in days):g}, of them normal {_normal(days):g}",
        f"jobs           {sum(day.jobs for day in days)}",
        f"kills          {sum(kills.values())} ({_row(kills)})",
        *_wrapped(f"points hit     {len(points)}: ", sorted(points)),
        *_wrapped("faults         ", [f"{what} {count}" for what, count in sorted(faults.items())]),
        *_wrapped("must be zero   ", [f"{what} {count}" for what, count in zeros.items()]),
        *_wrapped("honest         ", [f"{what} {honest[what]}" for what in _HONEST]),
        *_wrapped(
            "ends           ", [f"{what} {count}" for what, count in sorted(honest.items()) if what not in _HONEST]
        ),
        f"estimates      {close} of {told} within a factor of two on normal days{_share(close, told)}",
        f"event hash     {_hash(days)}",
    ]
    return "\n".join([*lines, *_violations(days)])


_HONEST = ("uncertain", "of these truly charged", "undeliverable", "recovered")


def _violations(days: Sequence[Day]) -> list[str]:
    return [
        f"VIOLATION      {name}, seed {day.seed}: {what}\n"
        f"               replay: make sim ARGS='--seed {day.seed} --seeds 1 --hours {day.hours:g}'"
        for day in days
        for name, found in day.finding.zeros.items()
        for what in found[:3]
    ]


def clean(days: Sequence[Day]) -> bool:
    return not any(found for day in days for found in day.finding.zeros.values())


def _normal(days: Sequence[Day]) -> float:
    return sum(day.hours for day in days if day.normal)


def within_two(days: Sequence[Day]) -> tuple[int, int]:
    pairs = [pair for day in days if day.normal for pair in day.finding.estimates]
    return sum(0.5 <= promised / true <= 2 for promised, true in pairs), len(pairs)


def _share(part: int, whole: int) -> str:
    return f" ({math.floor(100 * part / whole)} %)" if whole else ""


def _hash(days: Sequence[Day]) -> str:
    return " ".join(day.digest[:8] for day in days) if len(days) < 4 else _folded(days)


def _folded(days: Sequence[Day]) -> str:
    return hashlib.blake2b("".join(day.digest for day in days).encode(), digest_size=12).hexdigest()


def _row(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))


def _wrapped(head: str, words: Sequence[str]) -> list[str]:
    lines, line = [], head
    for number, word in enumerate(words):
        part = word + (", " if number + 1 < len(words) else "")
        if len(line) + len(part) > _WIDTH:
            lines.append(line.rstrip())
            line = " " * 15
        line += part
    return [*lines, line]
