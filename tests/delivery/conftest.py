from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from delivery_kit import Scene, opened


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path) as found:
        yield found
