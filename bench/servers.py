"""Redis and PostgreSQL of this run alone: on a free loopback port, in a folder of their own, ended with it."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench.figures import CannotMeasure
from bench.stages import free_port

# An answered write is on the disk, as Matinee's is.
DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
_READY_SECONDS, _STOP_SECONDS, _EVERY = 20.0, 10.0, 0.05
# PostgreSQL refuses to run as root.
_USER = "postgres"


def redis_server() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


def postgres_programs() -> Path | None:
    """Debian keeps these commands out of the PATH."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@asynccontextmanager
async def redis(program: Path, folder: Path, options: Sequence[str] = ()) -> AsyncIterator[str]:
    """Its URL. Without `options` it is as it comes: what is answered may be lost."""
    port = free_port()
    command = [str(program), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *options]
    async with _served(command, lambda: _accepts(port), signal.SIGTERM):
        yield f"redis://127.0.0.1:{port}"


@asynccontextmanager
async def postgres(programs: Path, folder: Path) -> AsyncIterator[str]:
    """Its URL. A new cluster with every setting as it comes: fsync and synchronous_commit are on."""
    port, data, user = free_port(), folder / "data", _USER if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    made = await _run([programs / "initdb", "-D", data, "-U", _USER, "-A", "trust", "--no-instructions"], user)
    if made != 0:
        raise CannotMeasure("initdb failed")
    address = ["-p", str(port), "-h", "127.0.0.1"]
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), *address]

    async def ready() -> bool:
        return await _run([programs / "pg_isready", "-q", *address], user) == 0

    async with _served(command, ready, signal.SIGINT, user):
        yield f"postgresql://{_USER}@127.0.0.1:{port}/postgres"


@asynccontextmanager
async def _served(
    command: Sequence[str], ready: Callable[[], Awaitable[bool]], stop: signal.Signals, user: str | None = None
) -> AsyncIterator[None]:
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdout=silent, stderr=silent, user=user, start_new_session=True
    )
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await ready():
                if process.returncode is not None:
                    raise CannotMeasure(f"{Path(command[0]).name} ended with exit code {process.returncode}")
                await asyncio.sleep(_EVERY)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(stop)
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _run(command: Sequence[str | Path], user: str | None) -> int:
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=silent, stderr=silent, user=user, cwd=Path(command[0]).parent
    )
    return await process.wait()
