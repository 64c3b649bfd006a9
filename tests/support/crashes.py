"""A process that is killed between two of the things that it does, and the processes that come after it."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.domain.job import JobState
from tests.support.world import Outside, World, running

CALM_SECONDS = 9000.0


class Killer:
    """Kills at the `number`-th thing that happens: each commit, and each effect outside that is not committed yet."""

    def __init__(self, number: int, remains: Path) -> None:
        self._left, self._remains = number, remains
        self.world: World | None = None
        self.point: str | None = None

    def __call__(self, name: str) -> None:
        if name.startswith("before:") or self.world is None or self.world.reach.dead:
            return
        if self._left == 0:
            self.point = name
            self.world.snapshot(self._remains)
        self._left -= 1


async def lives(folder: Path, kills: Sequence[int], outside: Outside, *asks: dict[str, Any], **named: Any) -> list[str]:
    """Processes one after the other, each killed at its point, and a last one that lives until all is calm.

    Returns the points at which they were killed; a process that had nothing left to do was not killed.
    """
    points: list[str] = []
    for life, number in enumerate(kills):
        killer = Killer(number, folder / str(life + 1))
        async with running(folder / str(life), outside, start=False, points=killer, **named) as world:
            killer.world = world
            await world.start()
            members = asyncio.create_task(_ask(world, asks if life == 0 else ()), name="job asking")
            await world.clock.until(lambda: killer.point is not None, CALM_SECONDS)  # noqa: B023  # awaited here
            if killer.point is None:
                await members
                world.snapshot(folder / str(life + 1))
        points += [killer.point] if killer.point else []
    async with running(folder / str(len(kills)), outside, **named) as world:
        await world.clock.advance(CALM_SECONDS)
        await check_promises(world)
    return points


async def _ask(world: World, asks: Sequence[dict[str, Any]]) -> None:
    for ask in asks:
        await world.ask(**ask)


async def check_promises(world: World) -> None:
    """One outcome for each, told; nothing paid or posted twice; and the rows say what happened outside."""
    jobs = [await world.job(name) for (name,) in await world.rows("SELECT id FROM jobs")]
    attempts = await world.rows("SELECT job_id, evidence FROM attempts")
    assert all(evidence is not None for _, evidence in attempts)
    for job in jobs:
        assert job.state.terminal, job
        assert job.told, job
        assert {told.state for told in world.theatre.endings[job.id]} == {job.state}, job
        assert (job.state is JobState.DONE) == (job.nonce in world.theatre.films), job
        assert job.state is not JobState.DONE or job.artifact is not None
        paying = [evidence for name, evidence in attempts if name == job.id and evidence not in ("E0", "E1")]
        assert len(paying) <= 1, (job, attempts)
        assert paying or job.state in (JobState.ABANDONED, JobState.REFUSED, JobState.CANCELLED), job
    assert len(world.studio.paid) <= len([evidence for _, evidence in attempts if evidence != "E0"])
    assert world.theatre.posts == len(world.theatre.films)


async def every_point(folder: Path, ask: dict[str, Any]) -> dict[str, JobState]:
    """The outcome of one request for each point at which its process can be killed."""
    outcomes: dict[str, JobState] = {}
    for number in itertools.count():
        outside = Outside()
        points = await lives(folder / str(number), [number], outside, ask)
        (ending,) = outside.theatre.endings.values()
        if not points:
            return outcomes
        outcomes[points[0]] = ending[-1].state
    raise AssertionError("there is a last point")
