"""A database has one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from storage.tenancy import InUseError, sole_tenant

HOLD = """
import asyncio, sys
from pathlib import Path
from storage.tenancy import sole_tenant

async def main() -> None:
    async with sole_tenant(Path(sys.argv[1]), 0):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "matinee.db"


async def test_a_second_tenant_is_turned_away(database: Path) -> None:
    async with sole_tenant(database, 0):
        with pytest.raises(InUseError):
            async with sole_tenant(database, 0.2):
                pass


async def test_the_next_tenant_moves_in_when_the_first_has_left(database: Path) -> None:
    async with sole_tenant(database, 0):
        pass
    async with sole_tenant(database, 0):
        pass


async def test_a_killed_tenant_leaves_no_lock_behind(database: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(database)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InUseError):
            async with sole_tenant(database, 0):
                pass
        process.kill()
    async with sole_tenant(database, 5):
        pass
