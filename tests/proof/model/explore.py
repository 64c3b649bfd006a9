"""Breadth first through every world that can be reached, each visited once."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.proof.model.bot import STEPS
from tests.proof.model.invariants import STUCK, broken
from tests.proof.model.outside import ENVIRONMENT
from tests.proof.model.world import OFF, World

Trace = tuple[str, ...]


@dataclass(slots=True)
class Found:
    """`violations` counts worlds by the invariant that they break; nothing is looked for beyond such a world.

    `known_limit` counts those in which a film was posted again after Discord had forgotten that it was deleted.
    `traces` has the shortest way to each broken invariant, `moves` every way in which the row moved.
    """

    worlds: int = 0
    known_limit: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    traces: dict[str, Trace] = field(default_factory=dict)
    moves: set[tuple[str, str]] = field(default_factory=set)


def explore(starts: Sequence[World], without: str = "") -> Found:
    with _no_collector():
        return _Search(starts, without).run()


@contextmanager
def _no_collector() -> Iterator[None]:
    """Worlds have no cycles, and looking for some takes a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Search:
    def __init__(self, starts: Sequence[World], without: str) -> None:
        self._without, self._found = without, Found()
        self._worlds = list(starts)
        self._number = {world: index for index, world in enumerate(starts)}
        self._came_from: list[tuple[int, str]] = [(-1, "")] * len(starts)
        self._before: list[list[int]] = [[] for _ in starts]
        self._ends: list[int] = []

    def run(self) -> Found:
        for here, world in enumerate(self._worlds):  # which grows meanwhile
            if self._judge(here, world):
                self._expand(here, world)
        self._found.worlds = len(self._worlds)
        stuck = self._without_a_way()
        if stuck:
            self._found.violations[STUCK] = len(stuck)
            self._found.traces[STUCK] = self._trace(min(stuck))
        return self._found

    def _judge(self, here: int, world: World) -> bool:
        """Whether to go on from it."""
        name = broken(world)
        if name is not None:
            self._found.violations[name] += 1
            if name not in self._found.traces:
                self._found.traces[name] = self._trace(here)
        elif world.reposted:
            self._found.known_limit += 1
        elif not world.settled:
            return True
        self._ends.append(here)
        return name is None and not world.reposted

    def _expand(self, here: int, world: World) -> None:
        for label, after in _steps(world, self._without):
            there = self._number.get(after)
            if there is None:
                there = self._number[after] = len(self._worlds)
                self._worlds.append(after)
                self._came_from.append((here, label))
                self._before.append([])
            self._before[there].append(here)
            if after.row.state != world.row.state and after.restores == world.restores:
                self._found.moves.add((world.row.state, after.row.state))

    def _without_a_way(self) -> list[int]:
        """Worlds from which no end can be reached."""
        reached = bytearray(len(self._worlds))
        todo = self._ends
        while todo:
            for earlier in self._before[todo.pop()]:
                if not reached[earlier]:
                    reached[earlier] = 1
                    todo.append(earlier)
        return [
            index
            for index, world in enumerate(self._worlds)
            if not (reached[index] or world.settled or world.reposted or broken(world))
        ]

    def _trace(self, index: int) -> Trace:
        labels: list[str] = []
        while index >= 0:
            index, label = self._came_from[index]
            labels.append(label)
        return tuple(reversed(labels[:-1]))


def _steps(world: World, without: str) -> Iterator[tuple[str, World]]:
    for index, process in enumerate(world.processes):
        if process.at != OFF:
            yield from STEPS[process.at](world, index, without)
    for happen in ENVIRONMENT:
        yield from happen(world, without)
