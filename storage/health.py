"""Breakers as rows: what bot.domain.health folds out of the attempts, kept because nobody can read them all each time.

A breaker changes in the transaction that settles an attempt, and is asked in the one that claims a job.
"""

import json
import math
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from bot.domain.errors import Evidence
from bot.domain.health import WHOLE, Breaker, Trial, Trouble
from bot.domain.job import Cause, Job


class Health:
    def __init__(self, queries: Any) -> None:  # noqa: ANN401  # loaded queries
        self._queries = queries

    def learn(
        self,
        connection: sqlite3.Connection,
        job: Job,
        evidence: Evidence,
        status: int | None,
        retry_at: float | None,
        now: float,
    ) -> bool:
        """What the job's attempt, settled just now, says of its provider. True when a model is well again."""
        if job.attempt_id is None:
            return False
        newest = self._queries.newest_attempt(connection)["id"]
        trial = Trial(job.attempt_id, newest, now, evidence, status, retry_at)
        return self._change(
            connection, job.provider, job.request.model, lambda breaker, scope: breaker.after(trial, scope)
        )

    def accepted(self, connection: sqlite3.Connection, job: Job) -> bool:
        """The provider has taken the job's attempt. True when a model is well again."""
        attempt = job.attempt_id or 0
        return self._change(connection, job.provider, job.request.model, lambda breaker, _: breaker.accepted(attempt))

    def _change(
        self, connection: sqlite3.Connection, provider: str, model: str, change: Callable[[Breaker, str], Breaker]
    ) -> bool:
        closed = False
        known = {row["model"]: row["breaker"] for row in self._queries.breakers(connection, provider=provider)}
        for scope in (WHOLE, model):
            before = _decode(known[scope]) if scope in known else Breaker()
            after = change(before, scope)
            if after != before:
                document = json.dumps(asdict(after))
                self._queries.save_breaker(connection, provider=provider, model=scope, breaker=document)
            closed = closed or before.openings > after.openings
        return closed

    def shut(self, connection: sqlite3.Connection, provider: str, now: float) -> Mapping[str, float]:
        """Models that are not to be asked now, WHOLE for all of them, and when to look again; infinity: when the
        attempt that is under way has settled."""
        found: dict[str, float] = {}
        for row in list(self._queries.breakers(connection, provider=provider)):
            breaker = _decode(row["breaker"])
            until = breaker.shut_until(self._under_way(connection, provider, row["model"], breaker), now)
            if until is not None:
                found[row["model"]] = until
        return found

    def held(self, connection: sqlite3.Connection, now: float) -> Mapping[str, float]:
        """Models that work, and until when their providers want to be left alone."""
        known = ((row["model"], _decode(row["breaker"])) for row in self._queries.every_breaker(connection))
        until = {model: breaker.shut_until(0, now) for model, breaker in known if not breaker.openings}
        return {model: at for model, at in until.items() if at is not None}

    def _under_way(self, connection: sqlite3.Connection, provider: str, model: str, breaker: Breaker) -> int:
        if not breaker.openings:
            return 0
        if model == WHOLE:
            row = self._queries.newest_open_anywhere(connection, provider=provider)
        else:
            row = self._queries.newest_open(connection, provider=provider, model=model)
        return int(row["id"])

    def troubles(self, connection: sqlite3.Connection) -> list[Trouble]:
        found = []
        for row in list(self._queries.every_breaker(connection)):
            breaker = _decode(row["breaker"])
            if breaker.cause is not None:
                provider, model = row["provider"], row["model"]
                tried = self._under_way(connection, provider, model, breaker) > breaker.newest
                again_at = math.inf if tried else breaker.until
                found.append(Trouble(provider, model, breaker.cause, breaker.since, again_at))
        return found


def _decode(text: str) -> Breaker:
    stored = json.loads(text)
    cause = Cause(stored["cause"]) if stored["cause"] else None
    return Breaker(**(stored | {"failures": tuple(stored["failures"]), "cause": cause}))
