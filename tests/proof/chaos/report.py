"""What all stages came to, as one block."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

ZEROS = (
    "lost", "posted twice", "overpaid", "paid after failure shown", "stuck", "limit overshoot", "secrets found",
    "live mentions", "corrupt",
)  # fmt: skip
_WIDTH = 112


@dataclass
class Figures:
    """`zeros` and `manners` hold a sentence for each violation; `points`: where the process has killed itself."""

    stages: int = 0
    kills: int = 0
    asked: int = 0
    jobs: int = 0
    films: int = 0
    uncertain: int = 0
    charged: int = 0
    undeliverable: int = 0
    told_elsewhere_too: int = 0
    recovered: int = 0
    lives: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    zeros: dict[str, list[str]] = field(default_factory=dict)
    manners: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        for name, value in vars(other).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)
            elif isinstance(value, Counter):
                getattr(self, name).update(value)
        for name, found in other.zeros.items():
            self.zeros.setdefault(name, []).extend(found)
        self.manners += other.manners

    @property
    def violations(self) -> list[str]:
        return [f"{name}: {each}" for name, found in self.zeros.items() for each in found] + self.manners


def block(figures: Figures, seed: int, seconds: float, points: Sequence[str], replay: str) -> str:
    reached = {point: figures.points[point] for point in points}
    lives, zeros = sum(figures.lives.values()), [f"{name} {len(figures.zeros.get(name, []))}" for name in ZEROS]
    lines = [
        f"chaos: seed {seed}, {figures.kills} kills in {lives} lives on {figures.stages} stages, {seconds:.0f} s",
        *_wrapped("ends", figures.lives),
        *_wrapped(f"points hit ({sum(map(bool, reached.values()))} of {len(points)})", reached),
        f"jobs: {figures.asked} asked for, {figures.jobs} acknowledged, {figures.films} posted",
        *_wrapped("faults met", figures.faults),
        f"must be zero: {', '.join(zeros)}, manners {len(figures.manners)}",
        _honest(figures),
        *(f"  ! {each}" for each in figures.violations),
        *([f"replay: {replay}"] if figures.violations else []),
    ]
    return "\n".join(lines)


def _honest(figures: Figures) -> str:
    charged = f"{figures.uncertain} uncertain, {figures.charged} of these truly charged"
    told = f"{figures.told_elsewhere_too} failures told in the channel and in direct messages"
    return f"honest: {charged}, {figures.undeliverable} undeliverable, {figures.recovered} recovered, {told}"


def _wrapped(title: str, counts: dict[str, int]) -> list[str]:
    lines, line = [], f"{title}:"
    for entry in _entries(counts):
        if len(line) + len(entry) > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {entry},"
    return [*lines, line.rstrip(",")]


def _entries(counts: dict[str, int]) -> Iterable[str]:
    return (f"{name} {count}" for name, count in sorted(counts.items()))
