"""Scenarios that mostly wait are played side by side: a module names its `PLAYS`, and has one test to await each."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from e2e_kit import Meanwhile, Play


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "play" in metafunc.fixturenames:
        metafunc.parametrize("play", metafunc.module.PLAYS, ids=lambda play: play.__name__)


@pytest.fixture(scope="module")
def cast(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Play, object]:
    """What each play is given: the module's scene, or a folder for one of its own."""

    def given(play: Play) -> object:
        (wanted,) = inspect.signature(play).parameters
        return request.getfixturevalue("it") if wanted == "it" else tmp_path_factory.mktemp("apart")

    return {play: given(play) for play in request.module.PLAYS}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def meanwhile(cast: dict[Play, object]) -> AsyncIterator[Meanwhile]:
    """A module that uses it has its plays begin before its first test; who awaits one fails with it."""
    begun = {play: asyncio.create_task(play(given)) for play, given in cast.items()}
    yield begun
    await asyncio.gather(*begun.values(), return_exceptions=True)
