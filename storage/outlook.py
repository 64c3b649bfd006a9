"""What the rows say about the future: who waits and runs, what was spent and started, how long such jobs took."""

import math
import sqlite3
from collections import defaultdict
from dataclasses import replace
from statistics import mean, median, quantiles
from typing import Any

from bot.domain.forecast import Crowd
from bot.domain.generation import GenerationRequest
from bot.ports import Measured, Waiting
from storage.claims import Claims
from storage.database import load_queries
from storage.health import Health
from storage.lanes import Lanes
from storage.ledger import Ledger
from storage.rows import to_job
from storage.steady import SteadyClock


class Outlook:
    def __init__(
        self,
        jobs: Any,  # noqa: ANN401  # loaded queries
        claims: Claims,
        lanes: Lanes,
        ledger: Ledger,
        health: Health,
        clock: SteadyClock,
    ) -> None:
        self._queries, self._jobs = load_queries("outlook.sql"), jobs
        self._claims, self._lanes, self._ledger, self._health, self._clock = claims, lanes, ledger, health, clock

    def waiting(self, connection: sqlite3.Connection, guild_id: int) -> Waiting:
        limits, moment = self._claims.limits(connection, guild_id), self._clock.read(connection)
        starts = self._claims.starts(connection, guild_id, limits.rate, moment.steady)
        budget = self._ledger.budget(connection, guild_id, limits.spend_per_day, moment.steady)
        spent = [(price, moment.wall_at(settled)) for price, settled in budget.spent]
        return Waiting(
            jobs=tuple(to_job(row) for row in self._jobs.queued_in_guild(connection, guild_id=guild_id)),
            ring=tuple(self._lanes.members(connection, guild_id)),
            active=tuple(to_job(row) for row in self._jobs.active_in_guild(connection, guild_id=guild_id)),
            starts=tuple(moment.wall_at(start) for start in starts),
            budget=replace(budget, spent=spent),
            held=self._health.held(connection, moment.wall),
        )

    def crowd(self, connection: sqlite3.Connection, provider: str, places: int) -> Crowd:
        taken = self._claims.active(connection, provider)
        # While all places are taken, a guild at its caps gets the next one with its turn, like the others.
        held = math.inf if taken >= places else None
        rows = self._queries.queues(connection, provider=provider, held=held)
        waiting = {row["guild_id"]: row["waiting"] for row in rows}
        return Crowd(places, taken, self._seconds_at(connection, provider), waiting, self._lanes.weights)

    def _seconds_at(self, connection: sqlite3.Connection, provider: str) -> float:
        """What a job there takes on the average, each counted as is usual for its kind: one may have taken a night."""
        kinds = defaultdict[tuple[object, ...], list[float]](list)
        for model, capability, size, seconds in self._queries.made_at(connection, provider=provider):
            kinds[model, capability, size].append(seconds)
        return mean([median(seconds) for seconds in kinds.values() for _ in seconds] or [0.0])

    def measured(self, connection: sqlite3.Connection, request: GenerationRequest) -> Measured | None:
        rows = self._queries.made_seconds(
            connection, model=request.model, capability=request.capability.value, size=request.size
        )
        seconds = [row["seconds"] for row in rows]
        if not seconds:
            return None
        return Measured(
            median(seconds), quantiles(seconds, n=10, method="inclusive")[-1] if seconds[1:] else seconds[0]
        )
