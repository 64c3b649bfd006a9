"""ports.PolicyStore on SQLite: one document for each guild, one audit row for each change."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bot.ports import Block, GuildPolicy
from storage.database import Database, load_queries


def decode_policy(guild_id: int, stored: sqlite3.Row | None) -> GuildPolicy:
    document = json.loads(stored["policy"]) if stored else {}
    return GuildPolicy(
        guild_id=guild_id,
        own_limits=document.get("own_limits", {}),
        denied=frozenset(document.get("denied", ())),
        defaults=document.get("defaults", {}),
        channels=frozenset(document.get("channels", ())),
        blocks={block["member_id"]: Block(**block) for block in document.get("blocks", ())},
        pause=document.get("pause"),
    )


def encode_policy(policy: GuildPolicy) -> dict[str, Any]:
    return {
        "own_limits": dict(policy.own_limits),
        "denied": sorted(policy.denied),
        "defaults": dict(policy.defaults),
        "channels": sorted(policy.channels),
        "blocks": [asdict(block) for block in policy.blocks.values()],
        "pause": policy.pause,
    }


class SqlitePolicyStore:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries, self._lanes = load_queries("policies.sql"), load_queries("lanes.sql")

    async def policy(self, guild_id: int) -> GuildPolicy:
        stored = await self._database.read(lambda connection: self._queries.policy_of(connection, guild_id=guild_id))
        return decode_policy(guild_id, stored)

    async def change(
        self, guild_id: int, by: int, verb: str, now: float, alter: Callable[[GuildPolicy], GuildPolicy]
    ) -> GuildPolicy:
        def work(connection: sqlite3.Connection) -> GuildPolicy:
            old = decode_policy(guild_id, self._queries.policy_of(connection, guild_id=guild_id))
            new = alter(old)
            before, after = encode_policy(old), encode_policy(new)
            changed = [key for key in after if before[key] != after[key]]
            self._queries.save_policy(connection, guild_id=guild_id, policy=json.dumps(after))
            self._lanes.wake_guild(connection, guild_id=guild_id)
            self._queries.insert_audit(
                connection, guild_id=guild_id, moderator_id=by, at=now, verb=verb,
                before=_part(before, changed), after=_part(after, changed),
            )  # fmt: skip
            return new

        return await self._database.write(work, _PATIENCE)

    async def fact(self, name: str) -> str | None:
        row = await self._database.read(lambda connection: self._queries.fact(connection, name=name))
        return str(row["value"]) if row else None

    async def save_fact(self, name: str, value: str) -> None:
        await self._database.write(
            lambda connection: self._queries.save_fact(connection, name=name, value=value), _PATIENCE
        )


# A moderator waits for the answer, and Discord for at most three seconds.
_PATIENCE = 1.0


def _part(document: dict[str, Any], keys: list[str]) -> str:
    return json.dumps({key: document[key] for key in keys}, sort_keys=True)
