"""bot.jobs.guilds.Departures on SQLite: which guilds were left, and in the end nothing of them."""

import json
import sqlite3
from collections.abc import Collection
from functools import partial

from storage.database import Database, load_queries

_PARTS = ("policy", "audit", "attempts", "jobs", "departure")


class SqliteDepartures:
    def __init__(self, database: Database) -> None:
        self._database, self._queries = database, load_queries("departures.sql")

    async def left(self, guild_id: int, at: float) -> None:
        await self._database.write(lambda connection: self._queries.left_guild(connection, guild_id=guild_id, at=at))

    async def only(self, known: Collection[int], at: float) -> None:
        listed = json.dumps(list(known))
        await self._database.write(lambda connection: self._queries.left_others(connection, known=listed, at=at))

    async def among(self, known: Collection[int]) -> dict[int, float]:
        listed = json.dumps(list(known))
        rows = await self._database.read(lambda connection: list(self._queries.among(connection, known=listed)))
        return {row["guild_id"]: row["left_at"] for row in rows}

    async def joined(self, guild_id: int) -> None:
        await self._database.write(lambda connection: self._queries.joined(connection, guild_id=guild_id))

    async def forget(self, before: float) -> set[int]:
        found: set[int] = set()
        while (guild_id := await self._database.write(partial(self._forget_some, before=before))) is not None:
            found.add(guild_id)
        return found

    def _forget_some(self, connection: sqlite3.Connection, before: float) -> int | None:
        """A little of one guild, whose id it returns: others who write wait for no more than that."""
        # What is deleted is overwritten, and not only marked as free.
        connection.execute("PRAGMA secure_delete = ON")
        guilds = [row["guild_id"] for row in self._queries.gone(connection, before=before)]
        found = next((guild_id for guild_id in guilds if self._forgets(connection, guild_id)), None)
        connection.execute("PRAGMA secure_delete = OFF")
        return found

    def _forgets(self, connection: sqlite3.Connection, guild_id: int) -> bool:
        gone = [getattr(self._queries, f"forget_{part}")(connection, guild_id=guild_id) for part in _PARTS]
        return any(gone)
