"""`matinee demo`: the page stays up until it is interrupted."""

import asyncio
import tempfile
from pathlib import Path

from bot.demo.stage import BotNotReady, Stage, open_log, tail, when_told_to_end

_GENEROUS = {"jobs_per_hour": 600, "burst": 20, "queued_per_member": 10}


async def play(port: int, speed: float) -> int:
    """Print the one address; the exit code, 0 after SIGINT, SIGTERM or SIGHUP."""
    stop = asyncio.Event()
    when_told_to_end(stop.set)
    with tempfile.TemporaryDirectory(prefix="matinee-demo-") as folder, open_log(folder) as log:
        stage = Stage(Path(folder), port=port, speed=speed, limits=_GENEROUS, log=log)
        try:
            async with stage:
                stage.add_guild("Film Club")
                await stage.start_bot()
                print(f"Matinee is playing at {stage.discord.origin}/   (Ctrl-C ends it; the bot's log: {log.name})")
                return await _until_over(stage, stop)
        except OSError as error:
            print(f"the demo cannot start: {error.strerror or error}; try another --port")
            return 1
        except BotNotReady as error:
            print(f"the demo cannot start: {error}\n{tail(log)}")
            return 1


async def _until_over(stage: Stage, stop: asyncio.Event) -> int:
    assert stage.bot is not None  # noqa: S101  # started by the caller
    stopping, ended = asyncio.create_task(stop.wait()), asyncio.create_task(stage.bot.wait())
    await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if ended.done():
        print(f"the bot ended with exit code {ended.result()}")
        return 1
    return 0
