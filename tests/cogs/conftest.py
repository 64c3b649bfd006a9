from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import simcord
from cogs_kit import REFUSALS, Matinee, World, causes

from bot.client import MatineeClient
from storage.database import Database


@pytest.fixture
async def matinee(tmp_path: Path) -> AsyncIterator[Matinee]:
    database = await Database.open(tmp_path / "matinee.db")
    built = Matinee(tmp_path, database, shard_count=1)
    await built.install()
    yield built
    await database.close()


@pytest.fixture
def simcord_bot(matinee: Matinee) -> MatineeClient:
    return matinee.client


@pytest.fixture
async def world(matinee: Matinee, simcord_env: simcord.Env) -> AsyncIterator[World]:
    def external(waiting):
        return simcord_env.external_wait(waiting, reason="time stands still, or a picture is slow")

    matinee.clock.external = external
    matinee.pictures.wait = external
    await matinee.client.sync_commands(None)
    world = World(simcord_env, matinee)
    yield world
    # A refusal travels to the tree's root as an error; anything else there is a bug, unless the test provoked it.
    known = (*REFUSALS, *world.provoked)
    bugs = [error for error in simcord_env.errors if not any(isinstance(cause, known) for cause in causes(error))]
    assert bugs == []
