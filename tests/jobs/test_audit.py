"""What a moderator does to a job is recorded with its effect, whatever happens in between."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.domain.errors import Evidence, Unavailable
from bot.domain.job import Cause, InProgress, InQueue, Job, JobState
from storage.witness import Witness
from tests.support.rows import GUILD, MODERATOR
from tests.support.world import Outside, World, by, running

AUDIT = "SELECT moderator_id, verb, before, after FROM audit"
DOWN = Unavailable("pipelet", "no answer", evidence=Evidence.NOT_SENT)


class KillAt:
    """Kills at this point, once `world` is known."""

    def __init__(self, point: str, remains: Path) -> None:
        self._point, self._remains = point, remains
        self.world: World | None = None

    def __call__(self, name: str) -> None:
        if name == self._point and self.world is not None and not self.world.reach.dead:
            self.world.snapshot(self._remains)


async def _cancel(world: World, job: Job) -> None:
    await world.jobs.cancel(job.id, by(MODERATOR))


async def _throw_away(world: World, job: Job) -> None:
    await world.jobs.throw_away(job.id, by(MODERATOR))


@pytest.mark.parametrize(
    ("state", "act", "point", "after"),
    [
        (JobState.RECEIVED, _cancel, "after:noted", "cancelled"),
        (JobState.QUEUED, _cancel, "after:cancelled", "cancelled"),
        (JobState.SUBMITTED, _cancel, "after:cancelled", "cancelled"),
        (JobState.SUBMITTED, _throw_away, "after:noted", "result thrown away"),
    ],
)
async def test_a_process_that_dies_right_after_it_has_recorded_it(
    tmp_path: Path, state: JobState, act: Callable[[World, Job], Awaitable[None]], point: str, after: str
):
    outside, killed = Outside(), KillAt(point, tmp_path / "after")
    outside.studio.timeline = [(0, InQueue(3))]
    async with running(tmp_path / "before", outside, points=killed) as world:
        if state is JobState.QUEUED:
            await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
            await world.ask()
        job = await world.ask(acknowledge=state is not JobState.RECEIVED)
        await world.clock.advance(10)
        assert (await world.state(job))[0] is state
        killed.world = world
        await act(world, job)
    async with running(tmp_path / "after", outside, start=False) as world:
        found = await world.job(job)
        assert Cause.BY_MODERATOR in (found.cause, found.discard)
        assert (MODERATOR, "cancel", f"{job.id} {state}", after) in await world.rows(AUDIT)


@pytest.mark.parametrize(
    ("drop", "point", "recorded"),
    [(False, "after:queued", ("held release", "queued")), (True, "after:cancelled", ("held drop", "cancelled"))],
)
async def test_a_process_that_dies_among_held_jobs_has_recorded_those_that_are_done(
    tmp_path: Path, drop: bool, point: str, recorded: tuple[str, str]
):
    outside, killed = Outside(), KillAt(point, tmp_path / "after")
    async with running(tmp_path / "before", outside) as world:
        await Witness(world.database, tmp_path / "witness").turn()
        first, second = await world.ask(acknowledge=False), await world.ask(acknowledge=False)
        await world.policies.pause(GUILD, 1, "")
        await world.acknowledge(first)
        await world.acknowledge(second)
        world.snapshot(tmp_path / "backup")
    async with running(tmp_path / "backup", outside, start=False, points=killed) as world:
        assert await Witness(world.database, tmp_path / "no witness").hold_if_restored() == 2
        killed.world = world
        await world.jobs.release(by(MODERATOR), drop=drop)
    async with running(tmp_path / "after", outside, start=False) as world:
        jobs = [await world.job(first), await world.job(second)]
        (done,) = [job for job in jobs if job.state is not JobState.HELD]
        verb, after = recorded
        assert await world.rows(f"{AUDIT} WHERE moderator_id = {MODERATOR}") == [
            (MODERATOR, verb, f"{done.id} held", after)
        ]


async def test_a_cancellation_that_only_the_status_confirms_is_recorded_then(tmp_path: Path):
    async with running(tmp_path) as world:
        world.studio.timeline = [(0, InQueue(3)), (600, InProgress(0, 4))]
        job = await world.ask()
        await world.clock.advance(10)
        world.studio.fail("cancel answer", DOWN)
        world.studio.fail("poll", DOWN)
        assert (await world.jobs.cancel(job.id, by(MODERATOR))).state is JobState.SUBMITTED
        assert await world.rows(AUDIT) == []
        assert (await world.ended(job)).cause is Cause.BY_MODERATOR
        assert await world.rows(AUDIT) == [(MODERATOR, "cancel", f"{job.id} submitted", "cancelled")]


async def test_where_nothing_was_held_there_is_nothing_to_record(tmp_path: Path):
    async with running(tmp_path) as world:
        assert await world.jobs.release(by(MODERATOR)) == []
        assert await world.rows(AUDIT) == []
