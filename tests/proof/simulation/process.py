"""One life of the bot: the core as the tests' world wires it, with real storage, real cogs and real delivery."""

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord

from bot.client import MatineeClient
from bot.delivery.channel import ChannelDelivery
from bot.domain.errors import StorageUnavailable
from bot.domain.limits import GuildLimits
from bot.jobs.showing import Showing
from bot.providers._chutes_models import MODELS as CHUTES_MODELS
from bot.providers._pipelet_models import MODELS as PIPELET_MODELS
from cogs import add_cogs
from storage import database as storage
from tests.proof.simulation.disk import Disk
from tests.proof.simulation.hall import APPLICATION, BOT, Hall, Json, user
from tests.proof.simulation.loop import SimClock, Tasks, outside
from tests.proof.simulation.studios import Direct, Queue, Studio
from tests.proof.simulation.vfs import Vfs
from tests.proof.simulation.wire import Session
from tests.support.outside import Reaching
from tests.support.world import World

TOKEN = "canary-bot-token"
DATABASE = "/matinee.db"
OPERATOR = GuildLimits(
    jobs_per_hour=30, burst=5, active_per_guild=3, active_per_member=2, queued_per_member=5, queued_per_guild=50
)
_FALL_BACK = {"wan2.1-14b": ("wan22-fast-t2v",), "wan22-fast-t2v-premium": ("skyreels", "wan22-fast-t2v")}
_TEXT = "t2v"
_HOSTED = [spec for spec in CHUTES_MODELS if spec.capability == _TEXT]
_PIPELET = [spec for spec in PIPELET_MODELS if spec.capability == _TEXT]
CONCURRENCY = {"pipelet": 6, "chutes": 3, "cogvideox": 1}


class Thread:
    """As aiosqlite's: what it was given is done even when nobody waits for it any more. It ends with its process."""

    def __init__(self, connection: Any, disk: Disk, chance: random.Random) -> None:
        self._conn, self._disk, self._chance, self._life = connection, disk, chance, disk.life
        self._queue: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._at_work = False

    async def _execute(self, work: Callable[[], Any]) -> Any:
        future = asyncio.get_running_loop().create_future()
        self._queue.append((work, future))
        if not self._at_work:
            self._at_work = True
            outside(self._run())
        return await future

    async def _run(self) -> None:
        while self._queue:
            await asyncio.sleep(self._chance.uniform(0.0002, 0.004))
            if self._disk.life != self._life:
                return
            work, future = self._queue.popleft()
            try:
                result, error = work(), None
            except Exception as raised:  # noqa: BLE001  # it belongs to who asked
                result, error = None, raised
            if self._disk.life != self._life:
                return
            if future.cancelled():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
        self._at_work = False

    async def close(self) -> None:
        self._conn.close()


class InlineDatabase(storage.Database):
    """The shipped database; its two threads are played."""

    at_work = 0

    @classmethod
    async def on(cls, disk: Disk, vfs: Vfs, chance: random.Random) -> "InlineDatabase":
        """Raises StorageUnavailable as `open` does."""
        threads = []
        for prepare in (storage._prepare, storage._prepare_reader):
            try:
                thread = Thread(vfs.connect(DATABASE), disk, chance)
                await storage._run(thread, prepare)  # type: ignore[arg-type]
            except sqlite3.Error as error:
                raise StorageUnavailable(full=True) from error
            threads.append(thread)
        return cls(*threads)  # type: ignore[arg-type]


class Around:
    """What is there before a process starts and after it was killed."""

    def __init__(
        self, clock: SimClock, studio: Studio, hall: Hall, disk: Disk, vfs: Vfs, chance: random.Random
    ) -> None:
        self.clock, self.studio, self.hall, self.disk, self.vfs, self.chance = clock, studio, hall, disk, vfs, chance
        self.theatre = None
        self.numbers = iter(range(1, 10**9))
        self.damaged: list[str] = []
        self.operator, self.concurrency = OPERATOR, CONCURRENCY


class Process(World):
    """`points` hears the names of commits and of effects outside. It is dead once `die` was called."""

    def __init__(self, folder: Path, around: Around, points: Callable[[str], None]) -> None:
        self.around = around
        super().__init__(folder, around, around.operator, self._open_providers, points, _FALL_BACK)  # type: ignore[arg-type]
        self.tasks = Tasks()
        self.died = asyncio.Event()
        self._ready = False
        self.session = Session(around.hall, around.studio.weather, around.chance)

    @property
    def ready(self) -> bool:
        return self._ready and not self.died.is_set()

    async def live(self) -> None:
        """From its start on; a database that cannot be opened ends it, as it would the shipped command."""
        try:
            await self.open()
            await self.start()
        except StorageUnavailable:
            self.die()
        except (storage.UnusableDatabaseError, sqlite3.DatabaseError) as error:
            self.around.damaged.append(repr(error))
            self.die()
        else:
            self._ready = True

    async def open(self) -> None:
        self.client = await self._log_in()
        await super().open()
        showing = Showing(self.store, self.delivery, self.artifacts, self.clock)
        await add_cogs(self.client, self.jobs, self.catalog, self.policies, self.clock, showing)

    async def open_database(self) -> Any:
        return await InlineDatabase.on(self.around.disk, self.around.vfs, self.around.chance)

    def open_delivery(self) -> Any:
        return ChannelDelivery(self.client, self.artifacts, self.clock)

    def _open_providers(self, studio: Studio, reach: Reaching) -> list[Any]:
        own = [replace(_HOSTED[0], id="cogvideox", provider="cogvideox", usual_seconds=200)]
        most = self.around.concurrency
        return [
            Queue(studio, reach, "pipelet", most["pipelet"], _PIPELET),
            Direct(studio, reach, "chutes", most["chutes"], _HOSTED),
            Direct(studio, reach, "cogvideox", most["cogvideox"], own, billed=False),
        ]

    async def _log_in(self) -> MatineeClient:
        client = MatineeClient(clock=self.clock, guild_removed=self._guild_removed)
        await client._async_setup_hook()
        client.http._HTTPClient__session = self.session  # type: ignore[attr-defined]
        self.session.trace = client.http.http_trace
        client.http._global_over = asyncio.Event()
        client.http._global_over.set()
        client.http.token = TOKEN
        state = client._connection
        state.user = discord.ClientUser(state=state, data=user(BOT, bot=True))  # type: ignore[arg-type]
        state.application_id = APPLICATION
        for guild in self.around.hall.guilds:
            state._add_guild_from_data(guild_payload(guild))  # type: ignore[arg-type]
        client._ready.set()
        return client

    async def _guild_removed(self, guild_id: int) -> None:
        await self.guilds.left(guild_id)

    def hear(self, event: str, payload: Json) -> None:
        """An event from the gateway."""
        self.tasks.call(self.client._connection.parsers[event], payload)

    def die(self, *, power: bool = False) -> None:
        """At once, wherever it is. With the power goes what was not synced."""
        if self.died.is_set():
            return
        if power:
            self.around.disk.cut_power()
            self.clock.boot()
            for part in (self.folder / "artifacts").glob("*.part"):
                part.unlink()
        else:
            self.around.disk.kill()
        self.reach.dead = self.session.dead = True
        self.around.studio.hang_up(self.reach)
        self.died.set()

    async def bury(self) -> None:
        await self.tasks.end()
        self.around.vfs.close()


def guild_payload(guild: int) -> Json:
    return {
        "id": str(guild), "name": f"guild {guild}", "roles": [], "emojis": [], "stickers": [], "features": [],
        "channels": [], "threads": [], "members": [], "member_count": 10, "premium_tier": 0, "owner_id": "1",
        "unavailable": False,
    }  # fmt: skip
