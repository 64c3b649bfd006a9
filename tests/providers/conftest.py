import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image
from wire_servers import free_port

from bot.sandbox.providers import SandboxProviderOptions, SandboxProviders


@pytest.fixture
def nobody() -> str:
    """An origin at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two small pictures."""
    paths = []
    for name, color in (("first", "red"), ("last", "blue")):
        data = io.BytesIO()
        Image.new("RGB", (96, 54), color).save(data, "JPEG")
        paths.append(tmp_path_factory.mktemp("pictures") / f"{name}.jpg")
        paths[-1].write_bytes(data.getvalue())
    return paths


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxProviders]:
    async with SandboxProviders(SandboxProviderOptions(instant=True, pipelet_prefix="alternate")) as providers:
        yield providers
