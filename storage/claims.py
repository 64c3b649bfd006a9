"""Whose turn it is, decided and written in one transaction (R3): counts come from rows, so nothing leaks in a crash."""

import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Any

from bot.domain.errors import Evidence
from bot.domain.generation import GenerationRequest
from bot.domain.job import Job, JobState
from bot.domain.limits import GuildLimits, RateLimit
from bot.ports import Claim
from storage.policy_store import decode_policy
from storage.rows import to_job, to_row, update


class Claims:
    def __init__(self, claims: Any, jobs: Any, policies: Any, operator: GuildLimits) -> None:  # noqa: ANN401  # loaded queries
        self._claims, self._jobs, self._policies, self._operator = claims, jobs, policies, operator

    def limits(self, connection: sqlite3.Connection, guild_id: int) -> GuildLimits:
        stored = self._policies.policy_of(connection, guild_id=guild_id)
        return self._operator.within(decode_policy(guild_id, stored).own_limits)

    def starts(self, connection: sqlite3.Connection, guild_id: int, rate: RateLimit, now: float) -> list[float]:
        rows = self._claims.starts(connection, guild_id=guild_id, since=now - rate.memory)
        return [row["started_at"] for row in rows]

    def served(self, connection: sqlite3.Connection, guild_id: int) -> Mapping[int, int]:
        return {row["member_id"]: row["served"] for row in self._claims.member_turns(connection, guild_id=guild_id)}

    def made_seconds(self, connection: sqlite3.Connection, request: GenerationRequest) -> list[float]:
        rows = self._claims.made_seconds(
            connection, model=request.model, capability=request.capability.value, size=request.size
        )
        return [row["seconds"] for row in rows]

    def claim(self, connection: sqlite3.Connection, provider: str, concurrency: int, now: float) -> Claim:
        """The job whose turn it is, now SUBMITTING, with its attempt's row; or when looking again may help."""
        if self._claims.active_at_provider(connection, provider=provider)["active"] >= concurrency:
            return Claim(None)
        look_again: list[float] = []
        for guild in list(self._claims.waiting_guilds(connection, provider=provider, now=now)):
            job, later = self._of_guild(connection, provider, guild["guild_id"], now)
            if job is not None:
                return Claim(self._start(connection, job, now))
            look_again += [time for time in (later, guild["ready_at"]) if time is not None and time > now]
        return Claim(None, min(look_again, default=None))

    def _of_guild(
        self, connection: sqlite3.Connection, provider: str, guild_id: int, now: float
    ) -> tuple[Job | None, float | None]:
        policy = decode_policy(guild_id, self._policies.policy_of(connection, guild_id=guild_id))
        limits = self._operator.within(policy.own_limits)
        active = {row["member_id"]: row["active"] for row in self._claims.active_members(connection, guild_id=guild_id)}
        if policy.pause is not None or sum(active.values()) >= limits.active_per_guild:
            return None, None
        start = limits.rate.next_start(self.starts(connection, guild_id, limits.rate, now), now)
        if start > now:
            return None, start
        for row in self._claims.next_jobs(connection, provider=provider, guild_id=guild_id, now=now):
            if active.get(row["member_id"], 0) < limits.active_per_member:
                return to_job(row), None
        return None, None

    def _start(self, connection: sqlite3.Connection, job: Job, now: float) -> Job:
        digest = hashlib.sha256(to_row(job)["request"].encode()).hexdigest()
        attempt = self._claims.insert_attempt(
            connection,
            job_id=job.id,
            guild_id=job.to.guild_id,
            provider=job.provider,
            capability=job.request.capability.value,
            model=job.request.model,
            size=job.request.size,
            request_sha256=digest,
            started_at=now,
        )
        self._claims.guild_served(connection, provider=job.provider, guild_id=job.to.guild_id, served=attempt)
        self._claims.member_served(connection, guild_id=job.to.guild_id, member_id=job.to.member_id, served=attempt)
        started = job.to_state(
            JobState.SUBMITTING,
            attempt_id=attempt,
            started_at=now,
            tries=job.tries + 1,
            first_try_at=job.first_try_at or now,
        )
        return update(self._jobs, connection, job, started)

    def settle(
        self,
        connection: sqlite3.Connection,
        job: Job,
        evidence: Evidence,
        status: int | None,
        retry_at: float | None,
        now: float,
    ) -> None:
        self._claims.settle_attempt(
            connection, id=job.attempt_id, evidence=evidence.value, status=status, retry_at=retry_at, settled_at=now
        )
