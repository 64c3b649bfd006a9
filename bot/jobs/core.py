"""The core: every part of this room, put together from what its sockets were given."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.domain.job import Job
from bot.domain.stand_in import FallBack
from bot.jobs.announcer import Announcer
from bot.jobs.catalog import Catalog
from bot.jobs.fetching import Fetching
from bot.jobs.following import Following
from bot.jobs.guilds import Departures, Guilds
from bot.jobs.housekeeping import Housekeeping
from bot.jobs.live import LiveJobs
from bot.jobs.paces import Paces
from bot.jobs.places import Places
from bot.jobs.policy import Policies
from bot.jobs.recovery import Recovery
from bot.jobs.runner import Runner
from bot.jobs.service import Identity, Jobs, Uploads
from bot.jobs.stand_ins import StandIns
from bot.jobs.submission import Submission
from bot.jobs.warden import Warden
from bot.ports import Artifacts, Clock, Delivery, JobStore, Pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugs:
    """`room`: whether the disk has room for more than what is under way. `turn` is called from time to time: backups
    age."""

    catalog: Catalog
    policies: Policies
    store: JobStore
    departures: Departures
    pictures: Pictures
    artifacts: Artifacts
    uploads: Uploads
    delivery: Delivery
    identity: Identity
    clock: Clock
    room: Callable[[], bool]
    turn: Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`wait_seconds`: how long a job waits without anybody who can make it. `stuck_seconds`: how long its provider may
    have nothing new to say. `keep_days`: how long results are kept."""

    wait_seconds: float
    stuck_seconds: float
    keep_days: float
    max_paid_attempts: int
    fall_back: FallBack


class Core:
    """`observe` is to hear of every job that the store has committed."""

    def __init__(self, plugs: Plugs, rules: Rules) -> None:
        catalog, store, delivery, clock = plugs.catalog, plugs.store, plugs.delivery, plugs.clock
        artifacts, pictures, policies, identity = plugs.artifacts, plugs.pictures, plugs.policies, plugs.identity
        self.live = LiveJobs()
        self.places = Places(store, policies, catalog, clock, rules.wait_seconds)
        self.announcer = Announcer(self.places, self.live, delivery, clock)
        stand_ins = StandIns(
            catalog=catalog, policies=policies, pictures=pictures, store=store, fall_back=rules.fall_back,
            seed=identity.seed,
        )  # fmt: skip
        submission = Submission(
            catalog, store, artifacts, pictures, clock,
            wait_seconds=rules.wait_seconds, max_paid_attempts=rules.max_paid_attempts, stand_ins=stand_ins,
        )  # fmt: skip
        following = Following(
            store, delivery, submission, Fetching(artifacts, submission, clock), Paces(store, catalog, clock), clock,
            rules.stuck_seconds,
        )  # fmt: skip
        self.runner = Runner(
            catalog=catalog, store=store, delivery=delivery, submission=submission, following=following, clock=clock,
            recovery=Recovery(store, artifacts, delivery, submission, clock), announcer=self.announcer, live=self.live,
        )  # fmt: skip
        self.warden = Warden(
            catalog=catalog, store=store, policies=policies, stand_ins=stand_ins, live=self.live,
            announcer=self.announcer, clock=clock, patience=rules.wait_seconds,
        )  # fmt: skip
        self.jobs = Jobs(
            catalog=catalog, store=store, policies=policies, places=self.places, live=self.live, pictures=pictures,
            uploads=plugs.uploads, identity=identity, clock=clock, cancel_running=self.runner.cancel,
            resume=self.runner.resume, wake=self.runner.wake, room=plugs.room,
        )  # fmt: skip
        self.guilds = Guilds(store, plugs.departures, policies, self.live, clock, self.runner.cancel, self.jobs.drop)
        self.housekeeping = Housekeeping(
            store, artifacts, pictures, catalog, self.guilds, clock, rules.keep_days, plugs.turn
        )  # fmt: skip

    def observe(self, job: Job) -> None:
        self.runner.observe(job)
        self.warden.observe(job)

    def rules_changed(self, guild_id: int) -> None:
        """A moderator has changed what this guild may do: in force at once, and to be read at once."""
        self.runner.wake()
        self.announcer.refresh(guild_id)
        self.warden.rules_changed(guild_id)

    async def start(self) -> list[asyncio.Task[None]]:
        """Take up what is unfinished, and let new jobs start. The tasks run until they are cancelled."""
        await self.runner.start()
        works = (self.announcer.run, self.warden.run, *self.housekeeping.chores())
        return [asyncio.create_task(work()) for work in works]
