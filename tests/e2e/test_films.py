"""From a command to a film in the channel, as a member sees it and as a provider is asked."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
import pytest_asyncio
from e2e_kit import Scene, everyone_was_told, job_of, private, scene
from PIL import Image

from bot.sandbox.discord import Upload
from tests.support.media import picture

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("films")) as playing:
        yield playing
        await everyone_was_told(playing)
        assert [each for each in playing.events() if each["level"] in ("error", "critical")] == []


Edits = dict[str, list[tuple[float, str]]]


@dataclass
class Meanwhile:
    """What takes its time, begun before the first test: all that happens to two queue messages, and the rehearsal."""

    edits: asyncio.Task[Edits]
    rehearsal: asyncio.Task[tuple[str, int | None]]
    places: asyncio.Task[None]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def meanwhile(it: Scene, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Meanwhile]:
    edits = asyncio.create_task(two_histories(tmp_path_factory.mktemp("edits")))
    begun = Meanwhile(edits, asyncio.create_task(rehearse()), asyncio.create_task(two_places(it)))
    yield begun
    await asyncio.gather(begun.edits, begun.rehearsal, begun.places, return_exceptions=True)


async def two_histories(folder: Path) -> Edits:
    """The times and texts of the edits of two queue messages; the second job waits at its provider for the first."""
    async with scene(folder, speed=14, pipelet_workers=1, pipelet_messages="full") as it:
        jobs = [await it.ask(prompt=f"film {number}") for number in range(2)]
        for job in jobs:
            await it.film(job, timeout=60)
            await it.told(job)
        edits: Edits = defaultdict(list)
        for entry in it.discord.transcript.rest("PATCH", "/messages/"):
            edits[entry.path].append((entry.at, entry.body["content"]))
        return edits


async def rehearse() -> tuple[str, int | None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "demo", "--script", "--speed", "120",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return out.decode(), process.returncode


# What a member asks for, and the whole body that the provider's document wants for it. None: a seed is drawn.
ASKED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("video", {}, {"prompt": "a cat"}),
    (
        "video",
        {"model": "wan22-fast-t2v-pro", "aspect": "portrait", "quality": "high", "duration": 5},
        {"prompt": "a cat", "width": 720, "height": 1280, "duration": 5},
    ),
    ("video", {"model": "wan22-fast-t2v", "aspect": "square"}, {"prompt": "a cat", "width": 512, "height": 512}),
    ("video", {"model": "wan22-fast-t2v", "duration": 7},
     {"prompt": "a cat", "width": 832, "height": 480, "duration": 7}),
    ("video", {"model": "wan2.1-14b"}, {"prompt": "a cat", "seed": None}),
    (
        "video",
        {
            "model": "wan2.1-14b", "aspect": "portrait", "quality": "standard", "duration": 5, "fps": 20, "steps": 12,
            "guidance": 6.5, "seed": 0, "negative_prompt": "rain",
        },
        {
            "prompt": "a cat", "resolution": "480*832", "frames": 100, "fps": 20, "steps": 12, "guidance_scale": 6.5,
            "seed": 0, "negative_prompt": "rain",
        },
    ),
    ("video", {"model": "skyreels", "aspect": "landscape"}, {"prompt": "a cat", "resolution": "960x544", "seed": None}),
    (
        "video",
        {"model": "skyreels-v2-1.3b-540p", "quality": "high", "steps": 50, "duration": 4.05},
        {"prompt": "a cat", "resolution": "720P", "inference_steps": 50, "num_frames": 97, "seed": None},
    ),
    (
        "video",
        {"model": "cogvideox", "duration": 2, "fps": 8, "steps": 20, "guidance": 6},
        {"prompt": "a cat", "num_frames": 16, "fps": 8, "num_inference_steps": 20, "guidance_scale": 6},
    ),
    ("image", {}, {"model": "qwen-image", "prompt": "a cat", "seed": None}),
    (
        "image",
        {"aspect": "portrait", "steps": 5, "guidance": 3, "seed": 4294967295, "negative_prompt": "rain"},
        {
            "model": "qwen-image", "prompt": "a cat", "width": 768, "height": 1344, "num_inference_steps": 5,
            "true_cfg_scale": 3, "seed": 4294967295, "negative_prompt": "rain",
        },
    ),
]  # fmt: skip


async def test_each_request_reaches_its_provider_and_comes_back_byte_for_byte(it: Scene) -> None:
    rooms = [it.guild.add_channel("room") for _ in ASKED]
    replies = [
        await it.alice.slash(room, command, prompt="a cat", **given)
        for room, (command, given, _) in zip(rooms, ASKED, strict=True)
    ]
    for reply, (_, given, body) in zip(replies, ASKED, strict=True):
        job = job_of(reply)
        film = await it.film(job)
        attempt = it.job(job)
        sent = next(each for each in it.providers.generations if each.film_sha256 == film.attachments[0].sha256 and
                    each.model == attempt["model"] and set(each.body) == set(body))  # fmt: skip
        seed = sent.body.get("seed")
        assert dict(sent.body) == body | ({"seed": seed} if "seed" in body and body["seed"] is None else {})
        assert hashlib.sha256(film.attachments[0].data).hexdigest() == sent.film_sha256
        assert (f"seed {seed}" in film.content) == (seed is not None)
        assert given.get("model", attempt["model"]) in film.content
    drawn = [each.body["seed"] for each in it.providers.generations if "seed" in each.body]
    assert len(set(drawn)) == len(drawn)


async def test_the_acknowledgement_says_what_was_asked_and_the_result_calls_its_requester(it: Scene) -> None:
    reply = await it.ben.slash(
        it.channel, "video", prompt="a fox in the snow", model="wan2.1-14b", seed=7, negative_prompt="rain"
    )
    job, message = job_of(reply), reply.message
    assert message is not None
    assert [button["label"] for button in message.buttons] == ["Cancel"]
    for word in (f"`{job}`", "wan2.1-14b", "a fox in the snow", "rain", "seed 7", "queue"):
        assert word in message.content
    assert message.notified == []
    film = await it.film(job)
    assert film.id != message.id
    assert film.content.startswith(it.ben.user.mention)
    assert film.notified == [it.ben.user]
    for word in (f"`{job}`", "wan2.1-14b", "416x240", "1 s long", "seed 7", "a fox in the snow", "took"):
        assert word in film.content
    assert film.attachments[0].content_type == "video/mp4"
    await it.told(job)
    assert "done" in message.content
    assert str(film.id) in message.content
    assert message.buttons == []
    assert it.notices(job) == []


async def test_a_spoiler_is_hidden_and_a_thread_gets_its_own_film(it: Scene) -> None:
    thread = it.guild.add_channel("talk", "thread", parent=it.channel)
    job = await it.ask("image", channel=thread, spoiler=True)
    film = await it.film(job)
    assert film.channel is thread
    assert film.attachments[0].filename.startswith("SPOILER_")
    assert film.attachments[0].spoiler


HOSTILE = (
    "@everyone @here <@1> <@&2> **bold** ||spoiler|| `tick` ```\nfence``` [link](https://example.org)\n# title\n"
    "\u202ereversed\u202c zero\u200bwidth \x00null \x1b[31mred"
)


async def test_hostile_words_are_shown_inert_and_reach_the_provider_as_written(it: Scene) -> None:
    prompt = HOSTILE.replace("<@1>", it.chen.user.mention).replace("<@&2>", f"<@&{it.guild.everyone.id}>")
    reply = await it.alice.slash(
        it.guild.channels[1], "video", prompt=prompt, model="wan2.1-14b", negative_prompt=prompt
    )
    job, acknowledgement = job_of(reply), reply.message
    assert acknowledgement is not None
    film = await it.film(job)
    await it.told(job)
    for message in (film, acknowledgement):
        assert message.mention_everyone is False
        assert it.chen.user not in message.mentions + message.notified
        shown = re.sub(r"```\n([^`\n]*)\n```", "", message.content)
        assert "everyone" not in shown
        assert not re.search("[\u202e\u202c\u200b\x00\x1b]", message.content)
    body = next(each.body for each in it.providers.generations if "fence" in str(each.body["prompt"]))
    kept = prompt.replace("\n", " ").replace("\x00", "").replace("\x1b", "")
    assert body["prompt"] == body["negative_prompt"] == kept


def _corners(width: int = 640) -> Image.Image:
    """Upright: red is at the top left, green at the top right, blue below."""
    height = width * 3 // 4
    image = Image.new("RGB", (width, height), (30, 30, 220))
    image.paste((220, 30, 30), (0, 0, width // 2, height // 2))
    image.paste((30, 200, 30), (width // 2, 0, width, height // 2))
    return image


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _pictures() -> dict[str, bytes]:
    pillow_heif.register_heif_opener()
    upright, small = _corners(), _corners(64)
    told = Image.Exif()
    told[0x010E] = "a secret place"
    told[0x0112] = 6
    turned = upright.rotate(90, expand=True)
    more = [Image.new("P", small.size, number % 2) for number in range(2999)]
    return {
        "turned.jpg": _encoded(turned, "JPEG", exif=told, quality=95),
        "turned.webp": _encoded(turned, "WEBP", exif=told, quality=95),
        "clear.png": _encoded(upright.convert("RGBA"), "PNG"),
        "phone.heic": _encoded(upright, "HEIF", quality=90),
        "small.avif": _encoded(upright, "AVIF", quality=90),
        "long.gif": _encoded(small.quantize(8), "GIF", save_all=True, append_images=more),
    }


def _close(pixel: Any, wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(pixel, wanted, strict=True))


async def test_every_kind_of_picture_arrives_upright_and_without_its_secrets(it: Scene) -> None:
    pictures = await asyncio.to_thread(_pictures)
    jobs = [
        await it.ask("animate", image=Upload(name, data), prompt=f"move {name}", model="skyreels-v2-14b-540p")
        for name, data in pictures.items()
    ]
    for name, job in zip(pictures, jobs, strict=True):
        await it.film(job)
        (received,) = next(
            each.images.values() for each in it.providers.generations if each.body["prompt"] == f"move {name}"
        )
        image = Image.open(io.BytesIO(received.data))
        width, height = image.size
        assert image.mode == "RGB"
        assert width * 3 == height * 4, name
        assert not image.getexif()
        assert b"secret" not in received.data
        for x, y, colour in ((1, 1, (220, 30, 30)), (3, 1, (30, 200, 30)), (2, 3, (30, 30, 220))):
            assert _close(image.getpixel((width * x // 4, height * y // 4)), colour), (name, x, y)


async def test_a_first_and_a_last_picture_reach_the_model_that_takes_both(it: Scene) -> None:
    first, last = Upload("a.png", picture((640, 480))), Upload("b.jpg", _pictures()["turned.jpg"])
    job = await it.ask("animate", image=first, last_image=last, model="skyreels-v2-14b-540p", prompt="from one to two")
    await it.film(job)
    made = next(each for each in it.providers.generations if each.body["prompt"] == "from one to two")
    assert set(made.images) == {"img_b64_first", "img_b64_last"}
    sizes = {(image.width, image.height) for image in made.images.values()}
    assert len(sizes) == 1


async def two_places(it: Scene) -> None:
    place = it.elsewhere("Slow")
    await place.mara.slash(place.channel, "admin limits set", burst=1, jobs_per_hour=1)
    await it.film(await place.ask("image"))
    first, second = [await place.ask("image") for _ in range(2)]
    message = place.queue_message(second)
    assert message is not None
    assert "Place 2 " in message.content
    # One has been made, so there are figures.
    assert re.search("<t:[0-9]+:R>", message.content)
    bens = await place.ask("image", member=place.ben)
    other = place.queue_message(bens)
    assert other is not None
    assert "Place 2 " in other.content
    # Members take turns, so what Ben asks for comes before what Alice asked for second.
    await it.discord.until(lambda: "Place 3 " in message.content)
    listed = private(await place.chen.slash(place.channel, "queue"))
    assert listed.index(first) < listed.index(bens) < listed.index(second)
    await place.ben.press(other, "Cancel")
    await it.discord.until(lambda: "cancelled" in other.content)
    await it.discord.until(lambda: "Place 2 " in message.content)
    await place.alice.slash(place.channel, "cancel", job=first)
    await it.discord.until(lambda: "Place 1 " in message.content)
    await place.alice.slash(place.channel, "cancel", job=second)
    await it.discord.until(lambda: "cancelled" in message.content)
    assert [it.notices(job) for job in (first, second, bens)] == [[], [], []]


async def test_the_place_in_the_queue_moves_and_the_message_says_so(meanwhile: Meanwhile) -> None:
    await meanwhile.places


async def test_models_and_jobs_complete_at_once(it: Scene) -> None:
    for command, count in (("video", 8), ("image", 1)):
        choices = await it.alice.complete(it.channel, command, focused="model", prompt="x", model="")
        assert len(choices) == count
        assert all(len(choice["name"]) <= 100 for choice in choices)
    (only,) = await it.alice.complete(it.channel, "video", focused="model", prompt="x", model="COGVIDEO")
    assert only["value"] == "cogvideox"
    listed = await it.alice.slash(it.channel, "models")
    private(listed)
    for model in ("wan2.1-14b", "cogvideox", "qwen-image", "wan22-fast-i2v-vip", "skyreels-v2-1.3b-540p"):
        await it.discord.until(lambda: any(model in each.text for each in (listed.message, *listed.follow_ups)))  # noqa: B023
    assert all(each.ephemeral for each in listed.follow_ups)
    asked = [each for each in it.discord.interactions if each.kind == 4]
    assert max(each.acknowledged_after or 9 for each in asked) < 1


async def test_the_queue_message_follows_the_job_at_most_every_three_seconds(meanwhile: Meanwhile) -> None:
    edits = await meanwhile.edits
    assert len(edits) == 2
    for history in edits.values():
        assert len(history) >= 3
        assert all(later - earlier >= 2.9 for (earlier, _), (later, _) in pairwise(history))
        assert all(one != next_ for (_, one), (_, next_) in pairwise(history))
    said = "\n".join(words for history in edits.values() for _, words in history)
    assert re.search(r"done [0-9]+ of 24", said)
    assert "in its own queue, position 1" in said


async def test_the_rehearsal_makes_a_film_with_every_model_of_every_command(meanwhile: Meanwhile) -> None:
    table, code = await meanwhile.rehearsal
    assert code == 0, table
    assert len(re.findall(r"│ /(video|animate|image) ", table)) == 16, table
    assert "NOT ANSWERED" not in table
