"""A measured figure, its goal, and the table of all of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


class CannotMeasure(Exception):
    """Something did not happen that had to happen before there could be a figure."""


@dataclass(frozen=True, slots=True)
class Goal:
    """`limit` itself is still good enough when it `includes` it. `above`: more is better, and it has to be passed."""

    limit: float
    includes: bool = False
    above: bool = False

    def met_by(self, value: float) -> bool:
        if self.above:
            return value > self.limit
        return value <= self.limit if self.includes else value < self.limit

    def __str__(self) -> str:
        return f"{'above' if self.above else 'at most' if self.includes else 'below'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is infinite for what never happened, and None where there is nothing to measure: `unit` says why."""

    what: str
    value: float | None
    unit: str
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None or self.value is None:
            return ""
        return "met" if self.goal.met_by(self.value) else "missed"

    def __str__(self) -> str:
        if self.value is None:
            return self.unit
        return "never" if math.isinf(self.value) else f"{self.value:,.{_digits(self.value)}f} {self.unit}".strip()


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank. Raises CannotMeasure when there are no values."""
    if not values:
        raise CannotMeasure("nothing was measured")
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def show(figures: Iterable[tuple[str, Figure]], title: str = "") -> None:
    table = Table("", "figure", "value", "goal", "verdict", title=title or None, title_justify="left")
    table.columns[2].justify = "right"
    before = ""
    for bench, figure in figures:
        goal = str(figure.goal) if figure.goal else ""
        table.add_row(bench if bench != before else "", figure.what, str(figure), goal, figure.verdict)
        before = bench
    Console(width=132, highlight=False).print(table)
