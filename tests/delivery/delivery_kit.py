"""A guild of the local Discord, a client that is logged in to it, and a job to deliver there."""

import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
from discord.http import Route

from bot import texts
from bot.client import wire_trace
from bot.delivery.channel import ChannelDelivery
from bot.domain.generation import Capability, GenerationRequest
from bot.domain.job import Artifact, Cause, Destination, Job, JobState, MediaKind, RemoteHandle
from bot.invalid import Invalid
from bot.ports import UnusableMedia
from bot.sandbox.discord import Channel, Guild, Message, SandboxDiscord, SandboxOptions, User
from bot.sandbox.discord.transcript import Entry
from bot.ui import sendable
from tests.support.clock import HandClock, LeapingClock

TOKEN = "a.bot.token"
MIB = 1024 * 1024


class Shelf:
    """Artifacts of plain bytes; a smaller encoding is simply fewer bytes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.fitted: list[int] = []
        self.forgotten: list[str] = []
        self.breaks = False

    def put(self, size: int, kind: MediaKind = MediaKind.FILM, name: str = "original") -> Artifact:
        data = os.urandom(size)
        (self._directory / name).write_bytes(data)
        film = kind is MediaKind.FILM
        return Artifact(
            name=name,
            kind=kind,
            size=size,
            sha256=hashlib.sha256(data).hexdigest(),
            width=832,
            height=480,
            codec="h264" if film else "mjpeg",
            frames=81 if film else None,
            seconds=5.0 if film else None,
        )

    def part(self, job: Job) -> Path:
        raise NotImplementedError

    async def keep(self, job: Job, part: Path) -> Artifact:
        raise NotImplementedError

    async def fit(self, artifact: Artifact, limit: int) -> Artifact:
        if self.breaks:
            raise UnusableMedia("does not get any smaller")
        self.fitted.append(limit)
        return self.put(limit, artifact.kind, f"fitted-{len(self.fitted)}")

    def path(self, artifact: Artifact) -> Path:
        return self._directory / artifact.name

    def forget(self, artifact: Artifact) -> None:
        self.forgotten.append(artifact.name)
        self.path(artifact).unlink()


@dataclass
class Scene:
    discord: SandboxDiscord
    guild: Guild
    channel: Channel
    alice: User
    client: discord.Client
    shelf: Shelf
    clock: LeapingClock | HandClock
    delivery: ChannelDelivery
    _numbers: Any = field(default_factory=itertools.count)

    async def job(self, state: JobState = JobState.POSTING, *, acknowledged: bool = True, **changes: Any) -> Job:
        """A job in that state, with its queue message in the channel."""
        number = next(self._numbers)
        limit = self.discord.options.limit_for(self.guild.premium_tier)
        job = Job(
            id=f"job{number:07d}",
            interaction_id=self.discord.world.ids.next(),
            to=Destination(self.guild.id, self.channel.id, self.alice.id, limit),
            request=GenerationRequest(
                Capability.TEXT_TO_VIDEO, "wan2.2-fast-t2v", "a cat", seed=7, spoiler=changes.pop("spoiler", False)
            ),
            provider="pipelet",
            nonce=f"nonce-{number:07d}-abcdefghij",
            created_at=self.clock.now() - 100,
            state=JobState.QUEUED,
            made_at=self.clock.now() - 10,
            remote=RemoteHandle("wan", "r1"),
        )
        if acknowledged:
            words = sendable(texts.queue_message(job))
            sent = await self.client.get_partial_messageable(self.channel.id).send(**words)
            job = job._replace(ack_message_id=sent.id)
        self.discord.transcript.clear()
        return job._replace(state=state, **changes)

    def restarted(self) -> ChannelDelivery:
        """Another process's delivery: it remembers nothing."""
        return ChannelDelivery(self.client, self.shelf, self.clock)

    @property
    def films(self) -> list[Message]:
        return [message for message in self.discord.world.messages if message.attachments]

    @property
    def direct(self) -> list[Message]:
        return list(self.discord.world.direct_channel(self.alice).messages.values())

    def queue_message(self, job: Job) -> Message:
        found = self.discord.world.message(job.ack_message_id or 0)
        assert found is not None
        return found

    def notices(self, job: Job) -> list[Message]:
        """What was said about the job in its channel besides the queue message and the film."""
        return [
            message
            for message in self.channel.messages.values()
            if message.id != job.ack_message_id and not message.attachments and job.id in message.content
        ]

    def sent(self, method: str, path: str = "/messages") -> Sequence[Entry]:
        return self.discord.transcript.rest(method, path)


@asynccontextmanager
async def redirected(api_url: str) -> AsyncIterator[None]:
    before, Route.BASE = Route.BASE, api_url
    try:
        yield
    finally:
        Route.BASE = before


def client_of(invalid: Invalid) -> discord.AutoShardedClient:
    return discord.AutoShardedClient(
        intents=discord.Intents(guilds=True), guild_ready_timeout=0.05, max_ratelimit_timeout=30,
        http_trace=wire_trace(invalid),
    )  # fmt: skip


@asynccontextmanager
async def opened(
    directory: Path,
    *,
    tier: int = 0,
    gateway: bool = False,
    clock: LeapingClock | HandClock | None = None,
    most_refusals: int = 1000,
    **options: Any,
) -> AsyncIterator[Scene]:
    """Without the gateway the client knows no guilds, but is logged in."""
    options.setdefault("rate_limits", False)
    async with SandboxDiscord(TOKEN, SandboxOptions(**options)) as place, redirected(place.api_url):
        guild = place.world.add_guild("Film Club", tier)
        channel = guild.add_channel("general")
        alice = place.world.add_user("alice")
        guild.add_member(alice)
        clock = clock or LeapingClock()
        invalid = Invalid(clock, most_refusals)
        client = client_of(invalid)
        shelf = Shelf(directory)
        delivery = ChannelDelivery(client, shelf, clock, invalid=invalid)
        await client.login(TOKEN)
        running = asyncio.create_task(client.connect()) if gateway else None
        if running is not None:
            await client.wait_until_ready()
        try:
            yield Scene(place, guild, channel, alice, client, shelf, clock, delivery)
        finally:
            await delivery.close()
            await client.close()
            if running is not None:
                await running
            assert place.complaints == []


__all__ = ["MIB", "Cause", "JobState", "MediaKind", "Scene", "opened"]
