"""A guild in an in-process Discord, and Matinee's commands over a real database; films are asked for, not made."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
import simcord
from simcord import interactions
from simcord.http.router import dispatch

from bot.client import MatineeClient
from bot.delivery.channel import ChannelDelivery
from bot.domain.errors import BadPicture, PictureProblem, StorageUnavailable, UserError
from bot.domain.generation import Capability, Frame
from bot.domain.job import Job, JobState
from bot.domain.limits import GuildLimits
from bot.jobs.catalog import Catalog
from bot.jobs.live import LiveJobs
from bot.jobs.places import Places
from bot.jobs.policy import Policies
from bot.jobs.service import Jobs, Upload
from bot.jobs.showing import Showing
from bot.ports import Picture
from bot.providers.chutes import ChutesProvider
from bot.providers.pipelet import PipeletProvider
from cogs import add_cogs
from cogs._options import BadOption
from storage.database import Database
from storage.job_store import SqliteJobStore
from storage.policy_store import SqlitePolicyStore
from tests.support.clock import HandClock
from tests.support.outside import PlainArtifacts
from tests.support.world import Names

OPERATOR = GuildLimits(
    jobs_per_hour=60, burst=5, active_per_guild=4, active_per_member=2, queued_per_member=3, queued_per_guild=5
)
DEFAULTS = {
    Capability.TEXT_TO_VIDEO: "wan22-fast-t2v",
    Capability.IMAGE_TO_VIDEO: "wan22-fast-i2v",
    Capability.TEXT_TO_IMAGE: "qwen-image",
}
REFUSALS = (UserError, StorageUnavailable, BadOption)
PNG = b"\x89PNG\r\n\x1a\n not decoded here"


@dataclass
class Pictures:
    """Takes every picture but the empty one, once `gate` is open."""

    folder: Path
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    wait: Callable[[Awaitable[Any]], Awaitable[Any]] | None = None
    forgotten: list[str] = field(default_factory=list)

    async def fetch(self, upload: Upload) -> Path:
        if self.wait is not None and not self.gate.is_set():
            await self.wait(self.gate.wait())
        if upload.size == 0:
            raise BadPicture(PictureProblem.EMPTY, option=upload.option)
        path = self.folder / f"{upload.option}.png"
        path.write_bytes(upload.url.encode())
        return path

    async def prepare(self, data: Path, frames: Sequence[Frame], option: str = "image") -> Picture:
        kept = data.rename(data.with_suffix(".jpg"))
        return Picture(kept.name, 832, 480, 0)

    def path(self, name: str) -> Path:
        return self.folder / name

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


async def not_stoppable(job: Job, *_how: object) -> Job:
    """What a provider that cannot be asked makes of a cancellation."""
    return job


class Matinee:
    """Everything but the providers' work and the delivery."""

    def __init__(self, folder: Path, database: Database, **client: Any) -> None:
        self.clock = HandClock()
        self.database, self.file = database, folder / "matinee.db"
        self.pictures = Pictures(folder)
        self.pictures.gate.set()
        self.live = LiveJobs()
        self.woken = 0
        self.store = SqliteJobStore(database, OPERATOR, self.clock, self.live.update)
        self.policies = Policies(SqlitePolicyStore(database), OPERATOR, self.clock)
        providers = [
            PipeletProvider("token", concurrency=2, base_url="https://pipelet.example"),
            ChutesProvider("token", concurrency=2),
        ]
        self.catalog = Catalog(providers, DEFAULTS)
        self.jobs = Jobs(
            catalog=self.catalog,
            store=self.store,
            policies=self.policies,
            places=Places(self.store, self.policies, self.catalog, self.clock),
            live=self.live,
            pictures=self.pictures,
            uploads=self.pictures,
            identity=Names(itertools.count(1)),
            clock=self.clock,
            cancel_running=not_stoppable,
            resume=lambda _job: None,
            wake=self._wake,
        )
        self.client = MatineeClient(clock=self.clock, **client)
        self.artifacts = PlainArtifacts(folder)
        self.counter = ChannelDelivery(self.client, self.artifacts, self.clock)

    def _wake(self) -> None:
        self.woken += 1

    async def install(self) -> None:
        showing = Showing(self.store, self.counter, self.artifacts, self.clock)
        await add_cogs(self.client, self.jobs, self.catalog, self.policies, self.clock, showing)

    async def all_jobs(self) -> list[Job]:
        rows = await self.database.read(lambda connection: connection.execute("SELECT id FROM jobs").fetchall())
        return [job for row in rows if (job := await self.store.get(row[0])) is not None]

    async def only_job(self) -> Job:
        (job,) = await self.all_jobs()
        return job

    async def audited(self) -> list[tuple[str, int]]:
        statement = "SELECT verb, moderator_id FROM audit ORDER BY id"
        rows = await self.database.read(lambda connection: connection.execute(statement).fetchall())
        return [tuple(row) for row in rows]

    async def started(self, job: Job) -> Job:
        return await self.store.move(job, JobState.SUBMITTING, started_at=self.clock.now())


class World:
    """One guild, two members, a moderator with no more than Manage Messages, an administrator, and a second guild."""

    def __init__(self, env: simcord.Env, matinee: Matinee) -> None:
        self.env, self.matinee = env, matinee
        self.provoked: tuple[type[Exception], ...] = ()
        self.guild = env.create_guild("Film Club")
        self.channel = self.guild.create_text_channel("general")
        self.alice = self.guild.add_member(env.create_user("alice"))
        self.bob = self.guild.add_member(env.create_user("bob"))
        self.mod = self._member("mod", manage_messages=True)
        self.admin = self._member("admin", manage_guild=True)

    def _member(self, name: str, **permissions: bool) -> simcord.MemberActor:
        role = self.guild.create_role(name, permissions=discord.Permissions(**permissions))
        return self.guild.add_member(self.env.create_user(name), roles=[role])

    async def later(self, seconds: float) -> None:
        self.matinee.clock.advance(seconds)
        await self.env.settle()

    def said(self) -> list[discord.Message]:
        """What everybody in the channel sees, oldest first."""
        return list(self.channel.history(viewer=self.bob))

    async def ask(self, **options: Any) -> tuple[Job, discord.Message]:
        result = await self.alice.slash(self.channel, "video", **{"prompt": "a cat", **options})
        assert result.response is not None, self.env.transcript()
        job = max(await self.matinee.all_jobs(), key=lambda job: job.id)
        return job, result.response.message

    async def raw(
        self,
        actor: simcord.MemberActor,
        data: dict[str, Any],
        kind: int = 2,
        place: simcord.ChannelHandle | None = None,
        already: str | None = None,
        **changes: Any,
    ) -> simcord.InteractionResult:
        """A payload that no client would send; `already` was answered to it before it arrived here."""
        record, payload = interactions.base_payload(
            self.env.backend,
            type=kind,
            channel_id=(place or self.channel).id,
            guild_id=actor.guild.id,
            user_id=actor.id,
            data=data,
        )
        payload.update(changes)
        if already is not None:
            path = f"/interactions/{record.id}/{record.token}/callback"
            dispatch(self.env.backend, "POST", path, json={"type": 4, "data": {"content": already}})
        self.env.backend.emit("INTERACTION_CREATE", payload)
        await self.env.settle()
        return simcord.InteractionResult(self.env, record)


async def stay_connected(client: MatineeClient, token: str) -> None:
    await client.log_in(token)
    await client.stay_connected()


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def words(result: simcord.InteractionResult) -> str:
    """The private answer; it must be one."""
    assert result.response is not None, "nobody answered"
    assert result.response.ephemeral, result.response.content
    return result.response.content


def labels(message: Any) -> list[str]:
    rows = message.components
    if rows and isinstance(rows[0], dict):
        return [button["label"] for row in rows for button in row["components"]]
    return [child.label for row in rows for child in row.children]
