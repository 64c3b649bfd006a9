"""`matinee demo --script`: members run every command on every model; a table shows what came back."""

import asyncio
import io
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from bot.demo.stage import BotNotReady, Stage, open_log, tail, when_told_to_end
from bot.sandbox.discord import Channel, Interaction, MemberDriver, Message, Upload

_LIMITS = {
    "jobs_per_hour": 6000, "burst": 100, "active_per_guild": 50, "active_per_member": 50, "queued_per_member": 50,
    "queued_per_guild": 100,
}  # fmt: skip
_FILM_SECONDS = 120.0
_PROMPTS = {
    "video": "a paper boat sails down a rainy street",
    "animate": "the clouds drift, the grass moves",
    "image": "a cinema at dusk, neon, watercolour",
}


@dataclass(frozen=True)
class Row:
    command: str
    model: str
    provider: str
    seconds: float
    size: str
    codec: str
    frames: int
    file: str
    problem: str = ""


async def rehearse(speed: float) -> int:
    """Print the table; 0 only when every row is a film or picture that decodes, and every other command answered."""
    playing = asyncio.create_task(_rehearse(speed))
    when_told_to_end(playing.cancel)
    await asyncio.wait([playing])
    return 1 if playing.cancelled() else playing.result()


async def _rehearse(speed: float) -> int:
    with tempfile.TemporaryDirectory(prefix="matinee-demo-") as folder, open_log(folder) as log:
        stage = Stage(Path(folder), speed=speed, limits=_LIMITS, log=log)
        try:
            async with stage:
                guild = stage.add_guild("Film Club")
                await stage.start_bot()
                alice, mara = stage.discord.member("alice", guild), stage.discord.member("mara", guild)
                channel = guild.channels[0]
                wanted = [(command, model) for command in _PROMPTS for model in await _models(alice, channel, command)]
                rows = await asyncio.gather(*(_ask(stage, alice, channel, *pair) for pair in wanted))
                answers = await _other_commands(alice, mara, channel)
        except BotNotReady as error:
            print(f"the demo cannot start: {error}\n{tail(log)}")
            return 1
        _print(rows, answers)
        if all(not row.problem for row in rows) and all(answers.values()):
            return 0
        print(tail(log))
        return 1


async def _models(member: MemberDriver, channel: Channel, command: str) -> list[str]:
    options: dict[str, Any] = {"prompt": "x", "model": ""}
    if command == "animate":
        options["image"] = Upload("picture.png", picture())
    return [choice["value"] for choice in await member.complete(channel, command, focused="model", **options)]


async def _ask(stage: Stage, member: MemberDriver, channel: Channel, command: str, model: str) -> Row:
    options: dict[str, Any] = {"prompt": _PROMPTS[command], "model": model}
    if command == "animate":
        options["image"] = Upload("picture.png", picture())
    begun = time.monotonic()
    reply = await member.slash(channel, command, **options)
    job = _job_id(reply)
    if not job:
        return Row(
            command, model, "", 0, "", "", 0, "", problem=reply.message.content if reply.message else "no answer"
        )
    try:
        await stage.discord.until(lambda: _film(member, channel, job), timeout=_FILM_SECONDS)
    except TimeoutError:
        return Row(command, model, "", time.monotonic() - begun, "", "", 0, "", problem="no film came back")
    film = _film(member, channel, job)
    assert film is not None  # noqa: S101  # until() has just seen it
    seconds = time.monotonic() - begun
    attachment = film.attachments[0]
    width, height, codec, frames = await asyncio.to_thread(_decode, attachment.data)
    provider = next((made.provider for made in stage.providers.generations if made.model == model), "")
    return Row(command, model, provider, seconds, f"{width}x{height}", codec, frames, attachment.filename)


def _job_id(reply: Interaction) -> str:
    content = reply.message.content if reply.message is not None and not reply.ephemeral else ""
    return content.split("`")[1] if content.count("`") > 1 else ""


def _film(member: MemberDriver, channel: Channel, job: str) -> Message | None:
    for message in member.messages(channel):
        if message.attachments and job in message.attachments[0].filename:
            return message
    return None


def _decode(data: bytes) -> tuple[int, int, str, int]:
    """Width, height, codec and frames, all of them decoded; frames is 0 when there is no picture in it."""
    with av.open(io.BytesIO(data), mode="r") as container:
        stream = container.streams.video[0]
        frames = sum(len(packet.decode()) for packet in container.demux(stream))
        return stream.width, stream.height, stream.codec_context.name, frames


def picture() -> bytes:
    """A small landscape, as a member might attach it."""
    image = Image.new("RGB", (960, 640), (120, 170, 220))
    draw = ImageDraw.Draw(image)
    draw.ellipse((700, 60, 820, 180), fill=(250, 220, 120))
    draw.polygon([(0, 640), (280, 260), (520, 640)], fill=(90, 110, 90))
    draw.polygon([(300, 640), (640, 330), (960, 640)], fill=(60, 90, 70))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


async def _other_commands(alice: MemberDriver, mara: MemberDriver, channel: Channel) -> dict[str, bool]:
    """Every command that makes nothing, and whether it was answered privately."""
    answered = {}
    job_id = next(each.content.split("`")[1] for each in alice.messages(channel) if each.content.startswith("Job `"))
    for member, name, options in (
        (alice, "queue", {}),
        (alice, "models", {}),
        (alice, "show", {"job": job_id}),
        (mara, "admin limits show", {}),
        (mara, "admin limits set", {"burst": 50}),
        (mara, "admin models deny", {"model": "skyreels"}),
        (mara, "admin models allow", {"model": "skyreels"}),
        (mara, "admin models default", {"command": "video", "model": "wan2.1-14b"}),
        (mara, "admin channels allow", {"channel": channel}),
        (mara, "admin channels clear", {}),
        (mara, "admin block", {"member": alice.user, "reason": "a rehearsal", "until": "1h"}),
        (mara, "admin blocked", {}),
        (mara, "admin unblock", {"member": alice.user}),
        (mara, "admin jobs", {}),
        (mara, "admin held list", {}),
        (mara, "admin held release", {}),
        (mara, "admin held drop", {}),
        (mara, "admin pause", {"reason": "a rehearsal"}),
        (mara, "admin resume", {}),
    ):
        reply = await member.slash(channel, name, **options)
        answered[name] = reply.message is not None and reply.ephemeral and reply.refusal is None
    return answered


def _print(rows: list[Row], answers: dict[str, bool]) -> None:
    table = Table("command", "model", "provider", "seconds", "size", "codec", "frames", "file")
    for row in rows:
        shown = [f"/{row.command}", row.model, row.provider, f"{row.seconds:.1f}", row.size, row.codec, str(row.frames)]
        table.add_row(*shown, row.problem or row.file)
    console = Console(width=140)
    console.print(table)
    for name, fine in answers.items():
        console.print(f"/{name}: {'answered' if fine else 'NOT ANSWERED'}", highlight=False)
