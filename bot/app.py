"""The composition root: builds every object and lets them run. It decides nothing."""

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
from collections.abc import Callable, Collection

import yarl

from bot import unusable
from bot.client import REFUSALS, CannotConnect, MatineeClient
from bot.clock import RandomIdentity, SystemClock
from bot.config import ConfigurationError, Settings
from bot.delivery.channel import ChannelDelivery
from bot.delivery.uploads import CdnUploads
from bot.domain.errors import StorageUnavailable
from bot.domain.job import Job
from bot.identifies import Identifies
from bot.invalid import Invalid
from bot.jobs.catalog import Catalog
from bot.jobs.core import Core, Plugs, Rules
from bot.jobs.policy import Policies
from bot.jobs.showing import Showing
from bot.media._child import ChildFailed
from bot.media.artifacts import CheckedArtifacts
from bot.media.pictures import SafePictures
from bot.models import build_providers, check_models, defaults_of, prices_of, stand_ins_of
from bot.web.health import HealthPages
from cogs import add_cogs
from storage.database import OPENING_SECONDS, Database, UnusableDatabaseError, caution
from storage.departures import SqliteDepartures
from storage.job_store import SqliteJobStore
from storage.policy_store import SqlitePolicyStore
from storage.spill import Spill
from storage.tenancy import InUseError, sole_tenant
from storage.witness import Witness

log = logging.getLogger(__name__)

CRASH_VARIABLE = "MATINEE_CRASH_AT"
_COMMANDS_FACT = "commands"
_GRACE_SECONDS = 0.7
# A provider that is at hand describes its models in time for the first request; another one may take longer.
_DESCRIBING_SECONDS = 2.0
# An old process that drains, as long as it does by default, makes room in time.
_TENANT_SECONDS = 12.0
_TOKEN_REFUSED = 78


class App:
    """One bot process, from open database to closed."""

    def __init__(self, settings: Settings, advice: str | None = None) -> None:
        """`advice` is for the operator's log, once nothing else keeps the start from going on."""
        self._settings, self._advice = settings, advice
        self._providers = build_providers(settings)
        check_models(settings, self._providers)
        self._clock = SystemClock()
        self._stop = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._code = 0

    async def run(self) -> int:
        """Until SIGTERM, SIGINT or a final refusal by Discord; the process's exit code. Raises ConfigurationError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with self._stack:
            starting, stopping = asyncio.create_task(self._start()), asyncio.create_task(self._stop.wait())
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if starting.cancel():
                await asyncio.wait([starting])
                return 0
            await starting
            return await self._live()

    async def _start(self) -> None:
        await self._move_in()
        await self._build()
        await self._look_back()

    async def sync(self) -> int:
        """Tell Discord about the commands, changed or not; the exit code. Raises ConfigurationError."""
        async with self._stack:
            await self._build()
            self._stack.push_async_callback(self.client.close)
            try:
                await self.client.log_in(self._settings.discord.token.get_secret_value())
                mark = await self.client.sync_commands(None)
            except CannotConnect as refusal:
                log.error("%s", refusal)  # noqa: TRY400  # one line for the operator
                return refusal.exit_code
            except REFUSALS as error:
                log.error("Discord does not take the commands: %s", error)  # noqa: TRY400
                return 1
            log.info("commands synced")
            # Beside a process that runs nothing is written (`caution`): its next start syncs once more.
            with contextlib.suppress(InUseError, StorageUnavailable):
                async with sole_tenant(self._settings.storage.path, 0):
                    await self.policy_store.save_fact(_COMMANDS_FACT, mark or "")
            return 0

    async def _build(self) -> None:
        settings, clock = self._settings, self._clock
        database = await self._open_database()
        self._witness = Witness(database, settings.storage.path.with_suffix(".witness"))
        self.policy_store = SqlitePolicyStore(database)
        policies = Policies(self.policy_store, settings.limits.guild, clock, changed=self._rules_changed)
        store = self._store(database)
        pictures, artifacts = await self._open_media()
        delivery = self._open_discord(artifacts)
        catalog = Catalog(self._providers, defaults_of(settings), prices_of(settings))
        uploads = CdnUploads(
            settings.media.directory / "inputs", settings.media.max_picture_bytes, clock,
            trusted=yarl.URL(settings.discord.api_url),
        )  # fmt: skip
        self.core = Core(
            Plugs(
                catalog=catalog, policies=policies, store=store, pictures=pictures, artifacts=artifacts,
                uploads=uploads, delivery=delivery, identity=RandomIdentity(), clock=clock, room=self._has_room,
                turn=self._witness.turn, departures=SqliteDepartures(database),
            ),
            _rules(settings),
        )  # fmt: skip
        await add_cogs(
            self.client, self.core.jobs, catalog, policies, clock, Showing(store, delivery, artifacts, clock)
        )

    def _store(self, database: Database) -> SqliteJobStore:
        settings = self._settings
        return SqliteJobStore(
            database, settings.limits.guild, self._clock, self._observe, crash_point(), self._witness.claimed,
            prices=prices_of(settings),
            weights={guild_id: section.weight for guild_id, section in settings.guilds.items()},
            spill=Spill(settings.storage.path.with_suffix(".spill")),
        )  # fmt: skip

    def _open_discord(self, artifacts: CheckedArtifacts) -> ChannelDelivery:
        settings, clock, invalid = self._settings, self._clock, Invalid(self._clock)
        self.client = MatineeClient(
            clock=clock,
            api_url=settings.discord.api_url,
            sync_guild_ids=settings.discord.sync_guild_ids,
            guild_removed=self._guild_removed,
            guild_joined=self._guild_joined,
            guilds_known=self._guilds_known,
            identifies=Identifies(self.policy_store, clock, settings.discord.identifies_per_hour),
            invalid=invalid,
        )
        delivery = ChannelDelivery(
            self.client, artifacts, clock, keep_days=settings.media.keep_days, revoked=self._revoked, invalid=invalid
        )
        self._stack.push_async_callback(delivery.close)
        return delivery

    async def _move_in(self) -> None:
        path = self._settings.storage.path
        try:
            await self._stack.enter_async_context(sole_tenant(path, _TENANT_SECONDS))
        except InUseError:
            raise ConfigurationError(
                f"configuration: storage.url: another Matinee is running on {path}; fix: stop it, or name another file"
            ) from None
        except OSError as error:
            raise unusable.database(path, error) from None

    async def _look_back(self) -> None:
        """Is this the database that this machine has worked with? Then it has one more turn (R14)."""
        try:
            held = await self._witness.hold_if_restored()
            await self._witness.turn(OPENING_SECONDS)
        except StorageUnavailable as error:
            raise unusable.database(self._settings.storage.path, error.__cause__) from None
        if held:
            log.warning(
                "the database was restored from a backup: unfinished jobs are held until a moderator of their guild "
                "releases or drops them with /admin held", extra={"jobs": held},
            )  # fmt: skip

    async def _open_database(self) -> Database:
        path = self._settings.storage.path
        try:
            database = await Database.open(path)
        except StorageUnavailable as error:
            raise unusable.database(path, error.__cause__) from None
        except UnusableDatabaseError as error:
            raise ConfigurationError(f"configuration: storage.url: {path}: {error}") from None
        self._stack.push_async_callback(database.close)
        return database

    async def _open_media(self) -> tuple[SafePictures, CheckedArtifacts]:
        folder = self._settings.media.directory
        pictures = SafePictures(folder / "inputs", max_bytes=self._settings.media.max_picture_bytes)
        artifacts = CheckedArtifacts(folder / "artifacts")
        try:
            for part in (pictures, artifacts):
                await part.start()
                self._stack.push_async_callback(part.close)
        except ChildFailed as error:
            raise ConfigurationError(
                f"configuration: media: a media child does not start ({error}); fix: install the locked requirements"
            ) from None
        except OSError as error:
            raise unusable.media(folder, error) from None
        return pictures, artifacts

    async def _live(self) -> int:
        token = self._settings.discord.token.get_secret_value()
        await self._open_web()
        for advice in filter(None, (self._advice, caution())):
            log.warning(advice)
        for provider in self._providers:
            self._stack.push_async_callback(provider.close)
        self._tasks.append(asyncio.create_task(self.core.housekeeping.refresh(), name="models"))
        await asyncio.wait(self._tasks, timeout=_DESCRIBING_SECONDS)
        connected = asyncio.create_task(self._connect(token), name="discord")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait([connected, stopping], return_when=asyncio.FIRST_COMPLETED)
        failure = connected.exception() if connected.done() else None
        if isinstance(failure, CannotConnect):
            log.error("%s", failure)
            self._code = failure.exit_code
        await self._shut_down(connected, stopping)
        if failure is not None and not isinstance(failure, CannotConnect):
            raise failure
        return self._code

    async def _connect(self, token: str) -> None:
        await self.client.log_in(token)
        await self._sync_commands()
        # All that was imported stays; searching it for garbage would stop the event loop for 50 ms again and again,
        # first when a start reads ten thousand jobs.
        gc.freeze()
        self._tasks += await self.core.start()
        await self.client.stay_connected()

    async def _sync_commands(self) -> None:
        try:
            mark = await self.client.sync_commands(await self.policy_store.fact(_COMMANDS_FACT))
        except REFUSALS as error:
            log.error("the commands could not be synced, `matinee sync` tries again: %s", error)  # noqa: TRY400
            return
        if mark is not None:
            log.info("commands synced")
            # A disk that is full at a start costs one more sync at the next.
            with contextlib.suppress(StorageUnavailable):
                await self.policy_store.save_fact(_COMMANDS_FACT, mark)

    async def _open_web(self) -> None:
        web = self._settings.web
        if web is None:
            return
        pages = HealthPages(lambda: {"discord": self.client.connected})
        try:
            await pages.start(web.host, web.port)
        except OSError as error:
            raise ConfigurationError(
                f"configuration: web.port: {web.host}:{web.port} cannot be used ({error.strerror}); fix: choose another"
            ) from None
        self._stack.push_async_callback(pages.close)

    def _revoked(self) -> None:
        log.error("Discord refuses the bot's token: set a valid [discord] token; jobs stay as they are")
        self._code = _TOKEN_REFUSED
        self._stop.set()

    def _rules_changed(self, guild_id: int) -> None:
        self.core.rules_changed(guild_id)

    def _observe(self, job: Job) -> None:
        self.core.observe(job)

    def _has_room(self) -> bool:
        storage = self._settings.storage
        folders = (storage.path.parent, self._settings.media.directory)
        try:
            return all(shutil.disk_usage(folder).free >= storage.keep_free_mb * 2**20 for folder in folders)
        except OSError as error:
            # A disk that is not there has no room either.
            log.error("%s cannot be used: %s", error.filename, error.strerror)  # noqa: TRY400
            return False

    async def _guilds_known(self, guild_ids: Collection[int]) -> None:
        await self.core.guilds.only(guild_ids)

    async def _guild_removed(self, guild_id: int) -> None:
        await self.core.guilds.left(guild_id)

    async def _guild_joined(self, guild_id: int) -> None:
        await self.core.guilds.joined(guild_id)

    async def _shut_down(self, *tasks: asyncio.Task[object]) -> None:
        """Start nothing more, drain while requests are still taken, disconnect. A second signal ends the drain."""
        log.info("stopping")
        self.core.jobs.close()
        self._stop.clear()
        drain = asyncio.create_task(self.core.runner.stop(self._settings.jobs.drain_seconds))
        hurry = asyncio.create_task(self._stop.wait())
        await asyncio.wait([drain, hurry], return_when=asyncio.FIRST_COMPLETED)
        if not drain.done():
            self.core.runner.hurry()
            await drain
        with contextlib.suppress(StorageUnavailable):
            await self._witness.turn()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await self.client.close()
        everything = [*tasks, *self._tasks, drain, hurry]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)


def _rules(settings: Settings) -> Rules:
    return Rules(
        wait_seconds=settings.jobs.wait_minutes * 60,
        stuck_seconds=settings.jobs.stuck_minutes * 60,
        keep_days=settings.media.keep_days,
        max_paid_attempts=settings.jobs.max_paid_attempts,
        fall_back=stand_ins_of(settings),
    )


def crash_point() -> Callable[[str], None]:
    """For tests of the protocol: MATINEE_CRASH_AT names the commit before or after which this process kills itself."""
    wanted = os.environ.get(CRASH_VARIABLE)

    def reach(name: str) -> None:
        if name == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach
