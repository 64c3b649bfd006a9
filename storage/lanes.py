"""Who waits, in the order of their turns: guilds at each provider in lanes, members of each guild in a ring.

A lane that cannot start anything is left alone until that may have changed, so the next claim finds the next turn at
once however many wait. Guilds take turns by stride: each start moves a lane back by one over the guild's weight.
"""

import math
import sqlite3
from collections.abc import Iterator, Mapping

from bot.domain.job import Job, JobState
from storage.database import load_queries


class Lanes:
    def __init__(self, weights: Mapping[int, float]) -> None:
        """`weights` by guild id; 1 for all others."""
        self._queries = load_queries("lanes.sql")
        self.weights = weights

    def wake_due(self, connection: sqlite3.Connection, provider: str, now: float) -> None:
        """The lanes that were to be left alone until now."""
        self._queries.wake_due(connection, provider=provider, now=now)

    def first(self, connection: sqlite3.Connection, provider: str) -> tuple[int, float] | None:
        """The guild whose turn it is, and that turn."""
        lane = self._queries.first_ready(connection, provider=provider)
        return None if lane is None else (lane["guild_id"], lane["turn"])

    def rebuild(self, connection: sqlite3.Connection) -> None:
        """What the jobs say, and everybody awake: an earlier process may have had other limits. Once, at the start."""
        for step in ("lost_lanes", "missing_lanes", "wake_all", "lost_in_ring", "missing_in_ring"):
            getattr(self._queries, step)(connection)

    def leave_alone(self, connection: sqlite3.Connection, provider: str, guild_id: int, until: float) -> None:
        """Steady seconds; infinity: until `wake`, or until another job joins the lane."""
        self._queries.leave_alone(connection, provider=provider, guild_id=guild_id, until=until)

    def next_due(self, connection: sqlite3.Connection, provider: str) -> float | None:
        until: float | None = self._queries.next_due(connection, provider=provider)["until"]
        return until

    def providers(self, connection: sqlite3.Connection, guild_id: int) -> list[str]:
        """Where jobs of the guild wait."""
        return [row["provider"] for row in self._queries.lanes_of_guild(connection, guild_id=guild_id)]

    def members(self, connection: sqlite3.Connection, guild_id: int) -> Iterator[int]:
        for row in self._queries.ring(connection, guild_id=guild_id):
            yield row["member_id"]

    def started(self, connection: sqlite3.Connection, job: Job, turn: float) -> None:
        """The job of the lane with this turn has just become SUBMITTING."""
        lane = {"provider": job.provider, "guild_id": job.to.guild_id}
        member = {"guild_id": job.to.guild_id, "member_id": job.to.member_id}
        self._queries.round_is(connection, provider=job.provider, turn=turn)
        if not self._queries.leave_lane(connection, **lane):
            self._queries.lane_served(connection, **lane, turn=turn + self._stride(job))
        if not self._queries.leave_ring(connection, **member):
            self._queries.member_served(connection, **member)

    def follow(self, connection: sqlite3.Connection, old: Job, new: Job) -> None:
        """After every other change of a job's row, within the same transaction."""
        if _waits(old) and not (_waits(new) and new.provider == old.provider):
            self._leave(connection, old)
        if _waits(new):
            self._join(connection, new)
        if old.state.active and not new.state.active:
            self.wake(connection, new.to.guild_id)

    def recovered(self, connection: sqlite3.Connection, provider: str) -> None:
        """One of its models is well again: who waits longest for it comes before who asks only now."""
        self.wake_due(connection, provider, math.inf)

    def wake(self, connection: sqlite3.Connection, guild_id: int) -> None:
        self._queries.wake_guild(connection, guild_id=guild_id)

    def _join(self, connection: sqlite3.Connection, job: Job) -> None:
        guild, member = job.to.guild_id, job.to.member_id
        self._queries.join_lane(connection, provider=job.provider, guild_id=guild, stride=self._stride(job))
        self._queries.join_ring(connection, guild_id=guild, member_id=member)

    def _leave(self, connection: sqlite3.Connection, job: Job) -> None:
        guild, member = job.to.guild_id, job.to.member_id
        self._queries.leave_lane(connection, provider=job.provider, guild_id=guild)
        self._queries.leave_ring(connection, guild_id=guild, member_id=member)

    def _stride(self, job: Job) -> float:
        return 1 / self.weights.get(job.to.guild_id, 1)


def _waits(job: Job) -> bool:
    return job.state is JobState.QUEUED and job.discard is None
