"""A queue that is full says when it is not any more."""

import asyncio
from pathlib import Path

import pytest

from bot.domain.errors import RateLimited, Unauthorized
from bot.domain.limits import GuildLimits
from tests.support.rows import MEMBER, OTHER_MEMBER, limits
from tests.support.world import DIRECT, World, running

FIRST = MEMBER + 100


async def until_there_is_room(world: World, member: int) -> tuple[float, float]:
    """Seconds that were told, and that it took."""
    with pytest.raises(RateLimited) as full:
        await world.ask(DIRECT, member=member)
    begun = world.clock.now()
    while True:
        await world.clock.advance(1)
        try:
            await world.ask(DIRECT, member=member)
        except RateLimited:
            continue
        return full.value.retry_at - begun, world.clock.now() - begun


@pytest.mark.parametrize("seconds", [15, 180, 600])
@pytest.mark.parametrize(
    ("operator", "members"),
    [
        (limits(active_per_member=1, queued_per_member=2), [MEMBER] * 3),
        (limits(active_per_guild=2, queued_per_guild=4), [FIRST + number for number in range(6)]),
        (limits(active_per_guild=1, active_per_member=1, queued_per_member=1), [FIRST, FIRST + 1, MEMBER]),
    ],
    ids=["a member's", "a guild's", "a member's, behind another's"],
)
async def test_it_is_right_within_a_factor_of_two(
    tmp_path: Path, operator: GuildLimits, members: list[int], seconds: float
):
    async with running(tmp_path, limits=operator) as world:
        world.studio.seconds = seconds
        for _ in range(3):
            await world.ended(await world.ask(DIRECT, member=OTHER_MEMBER))
        for member in members:
            await world.ask(DIRECT, member=member)
            await world.clock.advance(1)
        told, took = await until_there_is_room(world, MEMBER)
        assert took / 2 <= told <= took * 2


async def test_while_the_provider_fails_it_is_when_the_first_that_waits_is_dropped(tmp_path: Path):
    async with running(tmp_path, limits=limits(queued_per_member=2)) as world:
        world.studio.fail("refuse", *[Unauthorized("chutes", "bad key", status=401)] * 50)
        for _ in range(2):
            await world.ask(DIRECT)
            await world.clock.advance(2)
        told, took = await until_there_is_room(world, MEMBER)
        assert told == pytest.approx(took, abs=5)


async def test_while_what_is_under_way_uses_up_the_budget_it_is_tomorrow(tmp_path: Path):
    operator = limits(spend_per_day=10, queued_per_member=1)
    async with running(tmp_path, limits=operator, prices={DIRECT: 6}) as world:
        for _ in range(2):
            await world.ask(DIRECT)
            await world.clock.advance(2)
        with pytest.raises(RateLimited) as full:
            await world.ask(DIRECT)
        assert full.value.retry_at == pytest.approx(world.clock.now() + 86_400, abs=60)


async def test_before_anything_was_made_the_documented_time_counts(tmp_path: Path):
    async with running(tmp_path, limits=limits(active_per_member=1, queued_per_member=1)) as world:
        await world.ask(DIRECT)
        await world.clock.advance(1)
        await world.ask(DIRECT)
        with pytest.raises(RateLimited) as full:
            await world.ask(DIRECT)
        usual = world.catalog.usual_seconds((await world.ask(DIRECT, member=OTHER_MEMBER)).request)
        assert full.value.retry_at == pytest.approx(world.clock.now() + usual, abs=2)


async def test_whoever_floods_a_full_queue_is_told_the_same_for_a_moment(tmp_path: Path):
    async with running(tmp_path, limits=limits(active_per_member=1, queued_per_member=1)) as world:
        await world.ask(DIRECT)
        await world.clock.advance(1)
        await world.ask(DIRECT)

        async def told() -> set[float]:
            flood = await asyncio.gather(*(world.ask(DIRECT) for _ in range(50)), return_exceptions=True)
            assert all(isinstance(refused, RateLimited) for refused in flood)
            return {refused.retry_at for refused in flood}

        first = await told()
        await world.clock.advance(2)
        assert await told() == first
        assert len(first) == 1
