"""An unmodified discord.js bot over sockets."""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from discord_kit import Stage, png, stage

from bot.sandbox.discord import Fault, SystemClock, Upload

pytestmark = pytest.mark.node
SOURCE = Path(__file__).parent / "discordjs"


async def installed() -> Path:
    """A folder with the bot and its packages, kept between runs; skips, saying so, where that cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js and npm are not here")
    lock = (SOURCE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "matinee-tests" / f"discordjs-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    for each in SOURCE.glob("*.js*"):
        shutil.copy(each, folder)
    if not (folder / "complete").exists():
        arguments = ("ci", "--no-audit", "--no-fund", "--ignore-scripts")
        process = await asyncio.create_subprocess_exec(npm, *arguments, cwd=folder)
        if await asyncio.wait_for(process.wait(), 120) != 0:
            pytest.skip("npm ci could not fetch discord.js")
        (folder / "complete").touch()
    return folder


@contextlib.asynccontextmanager
async def discord_js(scene: Stage) -> AsyncIterator[None]:
    folder = await installed()
    api = scene.discord.origin + "/api"
    environment = os.environ | {"DISCORD_API": api, "DISCORD_TOKEN": scene.discord.bot_token}
    process = await asyncio.create_subprocess_exec("node", "bot.js", cwd=folder, env=environment)
    try:
        await scene.discord.until(lambda: scene.discord.commands.all(None), timeout=30)
        yield
        assert process.returncode is None, "the bot has died"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage(clock=SystemClock()) as made:
        yield made
        assert made.discord.complaints == []


async def test_discord_js_does_all_that_discord_py_does(scene: Stage) -> None:
    alice, channel = scene.alice, scene.channel
    async with discord_js(scene):
        found = await alice.complete(channel, "film", focused="model", model="wan")
        assert found == [{"name": "Wan", "value": "wan"}]

        scene.discord.faults.add(Fault("POST /channels/*/messages", retry_after=0.1))
        reply = await alice.slash(channel, "film", image=Upload("in.png", png(16, 9)), model="wan")
        await scene.discord.until(alice.direct_messages)
        message = reply.message
        assert message is not None
        assert message.content == "wan 16x9"
        assert message.attachments[0].data == png(16, 9)
        (card,) = reply.follow_ups
        assert card.ephemeral
        assert scene.discord.message_json(card)["components"][0]["items"][0]["media"]["width"] == 16
        assert [each.content for each in scene.moderator.messages(channel)] == ["wan 16x9", "edited"]

        opened = await alice.press(message, "Why")
        assert opened.modal is not None
        await alice.submit_modal(opened.modal, {"text": "because"})
        assert message.content == "because"
        assert message.buttons == []

        scene.discord.faults.add(Fault(gateway="reconnect"))
        await scene.discord.until(lambda: any(each.event == "RESUMED" for each in scene.discord.transcript))
        assert await alice.complete(channel, "film", focused="model", model="x") == [{"name": "Wan", "value": "x"}]
