"""A guild's rules as one document, and every change of them on record."""

import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import StorageUnavailable
from bot.ports import Block, GuildPolicy
from storage.policy_store import decode_policy, encode_policy
from tests.support.rows import GUILD, MODERATOR, OTHER_GUILD
from tests.support.store import Shop, opened

names = st.text(min_size=1, max_size=12)
policies = st.builds(
    GuildPolicy,
    guild_id=st.just(GUILD),
    own_limits=st.dictionaries(names, st.integers(1, 99) | st.floats(0.1, 99)),
    denied=st.frozensets(names),
    defaults=st.dictionaries(names, names),
    channels=st.frozensets(st.integers(1, 2**62)),
    blocks=st.lists(
        st.builds(Block, st.integers(1, 2**62), names, st.none() | st.floats(0, 2**33), st.integers(1, 9))
    ).map(lambda blocks: {block.member_id: block for block in blocks}),
    pause=st.none() | st.text(max_size=20),
)


@given(policies)
def test_rules_are_the_same_after_they_were_stored(policy: GuildPolicy):
    stored = {"policy": json.dumps(encode_policy(policy))}
    assert decode_policy(GUILD, stored) == policy


async def test_a_guild_that_set_nothing_has_no_rules(shop: Shop):
    assert await shop.policies.policy(GUILD) == GuildPolicy(GUILD, {}, frozenset(), {}, frozenset(), {}, None)


async def test_a_change_and_its_record_are_one(shop: Shop):
    await shop.policies.change(GUILD, MODERATOR, "pause", 5.0, lambda p: replace(p, pause="tea"))
    await shop.policies.change(GUILD, MODERATOR, "models deny", 6.0, lambda p: replace(p, denied=frozenset({"b", "a"})))
    assert await shop.rows("SELECT guild_id, moderator_id, at, verb, before, after FROM audit ORDER BY id") == [
        (GUILD, MODERATOR, 5.0, "pause", '{"pause": null}', '{"pause": "tea"}'),
        (GUILD, MODERATOR, 6.0, "models deny", '{"denied": []}', '{"denied": ["a", "b"]}'),
    ]
    assert (await shop.policies.policy(OTHER_GUILD)).pause is None


async def test_a_change_that_fails_leaves_neither(shop: Shop):
    def mistaken(_policy: GuildPolicy) -> GuildPolicy:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await shop.policies.change(GUILD, MODERATOR, "pause", 5.0, mistaken)
    assert await shop.rows("SELECT * FROM audit") == []
    assert await shop.rows("SELECT * FROM policies") == []


async def test_changes_at_once_lose_none(shop: Shop):
    def deny(model: str):
        return lambda policy: replace(policy, denied=policy.denied | {model})

    await asyncio.gather(
        *(shop.policies.change(GUILD, MODERATOR, "models deny", 1.0, deny(f"m{number}")) for number in range(40))
    )
    assert len((await shop.policies.policy(GUILD)).denied) == 40
    assert await shop.rows("SELECT count(*) FROM audit") == [(40,)]


async def test_facts_are_kept_and_replaced(shop: Shop, tmp_path: Path):
    assert await shop.policies.fact("commands") is None
    await shop.policies.save_fact("commands", "a")
    await shop.policies.save_fact("commands", "b")
    async with opened(tmp_path / "matinee.db") as again:
        assert await again.policies.fact("commands") == "b"


async def test_a_moderator_is_told_in_time_that_the_database_is_busy(shop: Shop, tmp_path: Path):
    lock = sqlite3.connect(tmp_path / "matinee.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    started = asyncio.get_running_loop().time()
    with pytest.raises(StorageUnavailable):
        await shop.policies.change(GUILD, MODERATOR, "pause", 5.0, lambda p: replace(p, pause="tea"))
    assert asyncio.get_running_loop().time() - started < 2.5
    lock.close()
