"""Whose turn it is, decided and written in one transaction (R3): counts come from rows, so nothing leaks in a crash."""

import hashlib
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from bot.domain.budget import Budget
from bot.domain.errors import Evidence
from bot.domain.health import WHOLE
from bot.domain.job import Job, JobState
from bot.domain.limits import GuildLimits, Moment, RateLimit
from bot.ports import Claim
from storage.database import load_queries
from storage.health import Health
from storage.lanes import Lanes
from storage.ledger import Ledger
from storage.policy_store import decode_policy
from storage.rows import to_job, update
from storage.steady import SteadyClock

# A claim looks at so many lanes; others who write must not wait for more, so the rest comes with the next one.
_MOST_LOOKS = 100
# A model that is not to be asked is looked at again after so long: when it gets well is not always known.
_LONGEST_SHUT = 30.0
# Nobody puts a job off by more.
_LONGEST_PUT_OFF = 900.0
# So long a guild's start is kept for a job of its own at another provider.
_COURTESY = 0.5


@dataclass(frozen=True, slots=True)
class _Guild:
    """A guild that may start a job now. `left_out`: models that it may never pay for."""

    id: int
    capped: Set[int]
    budget: Budget
    left_out: frozenset[str]
    moment: Moment


class Claims:
    def __init__(self, operator: GuildLimits, clock: SteadyClock, lanes: Lanes, ledger: Ledger, health: Health) -> None:
        self._queries, self._policies = load_queries("claims.sql"), load_queries("policies.sql")
        self._operator, self._clock = operator, clock
        self._lanes, self._ledger, self._health = lanes, ledger, health
        self._places: dict[str, int] = {}
        self._gave_way: set[tuple[str, int]] = set()

    def limits(self, connection: sqlite3.Connection, guild_id: int) -> GuildLimits:
        stored = self._policies.policy_of(connection, guild_id=guild_id)
        return self._operator.within(decode_policy(guild_id, stored).own_limits)

    def starts(self, connection: sqlite3.Connection, guild_id: int, rate: RateLimit, now: float) -> list[float]:
        """Those that count against the guild's rate; all in steady seconds."""
        rows = self._queries.starts(connection, guild_id=guild_id, since=now - rate.memory)
        return [row["started_steady"] for row in rows]

    def claim(self, connection: sqlite3.Connection, provider: str, concurrency: int, most: int) -> Claim:
        """The jobs whose turn it is, now SUBMITTING, with their attempts' rows, and when looking again may help."""
        self._places[provider] = concurrency
        free = self._free(connection, provider)
        moment, jobs = self._clock.tick(connection), list[Job]()
        self._lanes.wake_due(connection, provider, moment.steady)
        looks = iter(range(_MOST_LOOKS))
        while len(jobs) < min(most, free):
            found = self._next(connection, provider, moment, looks)
            if not isinstance(found, Job):
                return Claim(tuple(jobs), found)
            jobs.append(found)
        return Claim(tuple(jobs), moment.wall if len(jobs) < free else None)

    def _next(
        self, connection: sqlite3.Connection, provider: str, moment: Moment, looks: Iterator[int]
    ) -> Job | float | None:
        """The next job, started, or when to look again. All that it is judged by is read anew: a start changes it."""
        shut = self._health.shut(connection, provider, moment.wall)
        if WHOLE in shut:
            return min(shut[WHOLE], moment.wall + _LONGEST_SHUT)
        for _ in looks:
            lane = self._lanes.first(connection, provider)
            if lane is None:
                due = self._lanes.next_due(connection, provider)
                return moment.wall_at(due) if due is not None and due < math.inf else None
            guild_id, turn = lane
            found = self._look(connection, provider, guild_id, moment, shut)
            if isinstance(found, sqlite3.Row):
                return self._start(connection, found, turn, moment)
            self._lanes.leave_alone(connection, provider, guild_id, found)
        return moment.wall

    def active(self, connection: sqlite3.Connection, provider: str) -> int:
        """How many jobs the provider has now, of all guilds."""
        active: int = self._queries.active_at_provider(connection, provider=provider)["active"]
        return active

    def _free(self, connection: sqlite3.Connection, provider: str) -> int:
        return self._places[provider] - self.active(connection, provider)

    def _look(
        self, connection: sqlite3.Connection, provider: str, guild_id: int, moment: Moment, shut: Mapping[str, float]
    ) -> sqlite3.Row | float:
        """The job of this guild that may start now, or the steady second from which on one may."""
        policy = decode_policy(guild_id, self._policies.policy_of(connection, guild_id=guild_id))
        limits = self._operator.within(policy.own_limits)
        rows = self._queries.active_members(connection, guild_id=guild_id)
        active = {row["member_id"]: row["active"] for row in rows}
        free = limits.active_per_guild - sum(active.values())
        if policy.pause is not None or free <= 0:
            return math.inf
        rate, now = limits.rate, moment.steady
        full_at = rate.full_at(self.starts(connection, guild_id, rate, now), now)
        if rate.allows_at(full_at) > now:
            return rate.allows_at(full_at)
        capped = {member_id for member_id, count in active.items() if count >= limits.active_per_member}
        budget = self._ledger.budget(connection, guild_id, limits.spend_per_day, now)
        left_out = self._ledger.above(limits.spend_per_day)
        guild = _Guild(guild_id, capped, budget, left_out, moment)
        times: list[float] = []
        row = self._first(connection, guild, {provider: shut}, times)
        if row is None:
            return min([*times, *self._put_off(connection, provider, guild_id, moment, shut)], default=math.inf)
        last_one = free == 1 or rate.allows_at(rate.after(full_at, now)) > now
        if last_one and self._gives_way(connection, guild, row["provider"], shut):
            return now + _COURTESY
        return row

    def _first(
        self,
        connection: sqlite3.Connection,
        guild: _Guild,
        providers: Mapping[str, Mapping[str, float]],
        times: list[float],
    ) -> sqlite3.Row | None:
        """The guild's next job at any of these providers, with the models that are not to be asked there."""
        left_out = guild.left_out.union(*providers.values())
        row = self._next_of(connection, guild, providers, left_out)
        if row is not None and (fits_at := guild.budget.fits_at(row["model"])) > 0:
            # The guild saves up for it: what costs less would keep it waiting for ever.
            times.append(fits_at)
            row = self._next_of(connection, guild, providers, left_out | self._ledger.above(0))
        return row

    def _next_of(
        self, connection: sqlite3.Connection, guild: _Guild, providers: Iterable[str], left_out: Iterable[str]
    ) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._queries.next_of_guild(
            connection,
            guild_id=guild.id,
            capped=_listed(guild.capped),
            providers=_listed(providers),
            left_out=_listed(left_out),
            now=guild.moment.wall,
            horizon=guild.moment.wall + _LONGEST_PUT_OFF,
        )
        return row

    def _gives_way(
        self, connection: sqlite3.Connection, guild: _Guild, provider: str, shut: Mapping[str, float]
    ) -> bool:
        """Whether the guild's one start belongs to a job at another provider, which asks at the same time.

        Once only: if nobody comes for that one, this one starts.
        """
        if (provider, guild.id) in self._gave_way:
            return False
        providers = {provider: shut}
        for other in self._lanes.providers(connection, guild.id):
            if other != provider and other in self._places and self._free(connection, other) > 0:
                not_there = self._health.shut(connection, other, guild.moment.wall)
                if WHOLE not in not_there:
                    providers[other] = not_there
        first = self._first(connection, guild, providers, []) if len(providers) > 1 else None
        if first is None or first["provider"] == provider:
            return False
        self._gave_way.add((provider, guild.id))
        self._lanes.wake(connection, guild.id)
        return True

    def _put_off(
        self, connection: sqlite3.Connection, provider: str, guild_id: int, moment: Moment, shut: Mapping[str, float]
    ) -> Iterable[float]:
        for row in self._queries.waiting_models(connection, provider=provider, guild_id=guild_id, now=moment.wall):
            if row["model"] in shut:
                yield moment.steady_at(min(shut[row["model"]], moment.wall + _LONGEST_SHUT))
            elif row["due"] is not None:
                yield moment.steady_at(row["due"])

    def _start(self, connection: sqlite3.Connection, row: sqlite3.Row, turn: float, moment: Moment) -> Job:
        job = to_job(row)
        attempt = self._queries.insert_attempt(
            connection,
            job_id=job.id,
            guild_id=job.to.guild_id,
            provider=job.provider,
            capability=job.request.capability.value,
            model=job.request.model,
            size=job.request.size,
            request_sha256=hashlib.sha256(row["request"].encode()).hexdigest(),
            price=self._ledger.price(job.request.model),
            started_at=moment.wall,
            started_steady=moment.steady,
            boot=moment.boot,
        )
        starting = job.to_state(
            JobState.SUBMITTING,
            attempt_id=attempt,
            started_at=moment.wall,
            tries=job.tries + 1,
            first_try_at=job.first_try_at or moment.wall,
        )
        started = update(connection, job, starting)
        self._gave_way = {lane for lane in self._gave_way if lane[1] != job.to.guild_id}
        self._lanes.started(connection, started, turn)
        return started

    def settle(
        self,
        connection: sqlite3.Connection,
        job: Job,
        evidence: Evidence,
        status: int | None,
        retry_at: float | None,
    ) -> None:
        moment = self._clock.tick(connection)
        self._queries.settle_attempt(
            connection,
            id=job.attempt_id,
            evidence=evidence.value,
            status=status,
            retry_at=retry_at,
            settled_at=moment.wall,
            settled_steady=moment.steady,
        )


def _listed(values: Iterable[object]) -> str:
    """As the queries look for them: each on a line of its own."""
    return "\n" + "".join(f"{value}\n" for value in values)
