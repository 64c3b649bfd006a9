"""The no-op load of `engines` on other job engines: each one's enqueue and its worker in one process, as in Matinee.

They are not among Matinee's requirements, hence the late imports; `pip install matinee[bench]` brings them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

AT_ONCE = 64
PROMPT = "a paper boat"
_SETTLE_SECONDS = 0.5


@dataclass
class Countdown:
    """The job: it does nothing but count."""

    left: int
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def job(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.over.set()


Enqueue = Callable[[], Awaitable[object]]


@asynccontextmanager
async def taskiq(url: str, countdown: Countdown) -> AsyncIterator[Enqueue]:
    """On a stream, the broker of it that acknowledges what was done; no results are kept."""
    broker = import_module("taskiq_redis").RedisStreamBroker(url, consumer_id="0", max_connection_pool_size=AT_ONCE)

    @broker.task(task_name="job")  # type: ignore[untyped-decorator]
    async def job(prompt: str) -> None:
        countdown.job()

    await broker.startup()
    receive = import_module("taskiq.api").run_receiver_task
    async with _beside(receive(broker, max_async_tasks=AT_ONCE, max_prefetch=AT_ONCE)):
        yield lambda: job.kiq(PROMPT)
    await broker.shutdown()


@asynccontextmanager
async def arq(url: str, countdown: Countdown) -> AsyncIterator[Enqueue]:
    """Looks for jobs a hundred times a second, not twice as it would; no results are kept."""
    settings = import_module("arq.connections").RedisSettings.from_dsn(url)
    settings.max_connections = AT_ONCE
    pool = await import_module("arq").create_pool(settings)

    async def job(_context: dict[str, Any], prompt: str) -> None:
        countdown.job()

    worker = import_module("arq.worker").Worker(
        [import_module("arq.worker").func(job, name="job")], redis_settings=settings, max_jobs=AT_ONCE,
        poll_delay=0.01, keep_result=0, log_results=False, handle_signals=False,
    )  # fmt: skip
    # More callers than connections are refused, not made to wait.
    room = asyncio.Semaphore(AT_ONCE // 2)

    async def enqueue() -> None:
        async with room:
            await pool.enqueue_job("job", PROMPT)

    async with _beside(worker.async_run()):
        yield enqueue
    await pool.aclose()


@asynccontextmanager
async def procrastinate(url: str, countdown: Countdown) -> AsyncIterator[Enqueue]:
    library = import_module("procrastinate")
    app = library.App(connector=library.PsycopgConnector(conninfo=url, min_size=4, max_size=AT_ONCE // 2))

    @app.task(name="job")  # type: ignore[untyped-decorator]
    async def job(prompt: str) -> None:
        countdown.job()

    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        async with _beside(app.run_worker_async(concurrency=AT_ONCE, install_signal_handlers=False)):
            yield lambda: job.defer_async(prompt=PROMPT)


@asynccontextmanager
async def _beside(work: Awaitable[object]) -> AsyncIterator[None]:
    worker = asyncio.ensure_future(work)
    await asyncio.sleep(_SETTLE_SECONDS)
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


PEERS: Mapping[str, Callable[[str, Countdown], Any]] = {"taskiq": taskiq, "arq": arq, "procrastinate": procrastinate}
_MODULES = {"taskiq": ("taskiq", "taskiq_redis"), "arq": ("arq",), "procrastinate": ("procrastinate", "psycopg")}


def installed(peer: str) -> bool:
    return all(find_spec(module) for module in _MODULES[peer])
