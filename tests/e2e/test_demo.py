"""`matinee demo` as a newcomer ends it, and mistypes it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest
from e2e_kit import eventually

ROOT = Path(__file__).parents[2]


async def demo(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "demo", *arguments, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--script"]], ids=" ".join)
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
async def test_a_demo_that_ends_leaves_no_bot_behind(arguments: list[str], number: signal.Signals) -> None:
    process = await demo(*arguments)
    ours = psutil.Process(process.pid)

    def playing() -> psutil.Process | None:
        return next((each for each in ours.children() if "run" in each.cmdline()), None)

    bot = await eventually(playing, 60)
    folder = Path(bot.cmdline()[-1]).parent
    # Not before it has told the system what it does then.
    await eventually(lambda: (folder / "matinee.db").exists())
    process.send_signal(number)
    async with asyncio.timeout(60):
        await process.communicate()
    assert process.returncode in (0, 1)
    assert not bot.is_running()
    assert not folder.exists()


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "-1"], ["--speed", "0"]], ids=" ".join)
async def test_a_number_that_cannot_be_is_refused_by_name(arguments: list[str]) -> None:
    process = await demo(*arguments)
    _, error = await process.communicate()
    assert process.returncode == 2
    assert arguments[0] in error.decode()
    assert "Traceback" not in error.decode()
