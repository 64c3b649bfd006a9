"""Whatever is wrong with a request: a private, specific answer, nothing stored, nothing spent, the bot alive."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import crafted
import pytest
import pytest_asyncio
from crafted import option
from e2e_kit import Scene, everyone_was_told, private, scene
from PIL import Image
from wrong_options import FAST, FAST_I2V, NOT_OFFERED, OUT_OF_BOUNDS, V2, WAN

from bot.sandbox.discord import Interaction, Permission, Upload
from bot.sandbox.discord.permissions import NONE
from tests.support.media import picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("refusals")) as playing:
        yield playing
        # The last word: after everything here, the bot still makes a film.
        await playing.film(await playing.ask())
        await everyone_was_told(playing)
        assert [each for each in playing.events() if each["level"] in ("error", "critical")] == []


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def unspent(it: Scene, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Nothing is stored or spent, and no file of it stays; two tests need jobs, and look by themselves."""
    before = state(it)
    yield
    assert it.alive
    if request.function not in SPENDING:
        assert state(it) == before


def state(it: Scene) -> tuple[object, ...]:
    media = it.stage.folder / "media"
    left = sorted(path.name for part in ("inputs", "uploads") for path in (media / part).rglob("*") if path.is_file())
    return len(it.jobs()), len(it.providers.generations), len(it.said()), left


def asked(command: str, options: dict[str, Any]) -> dict[str, Any]:
    """As a member would fill it in; pictures are small."""
    upload = Upload("cat.png", picture((320, 240)))
    given = {name: upload if name == "last_image" else value for name, value in options.items()}
    return {"prompt": "a cat"} | ({"image": upload} if command == "animate" else {}) | given


async def refused(it: Scene, command: str, **options: Any) -> str:
    return private(await it.alice.slash(it.channel, command, **asked(command, options)))


async def test_a_value_out_of_range_is_refused_with_its_bounds_as_plain_numbers(it: Scene) -> None:
    for command, model, options, words in OUT_OF_BOUNDS:
        text = await refused(it, command, model=model, **options)
        assert [word for word in words if word not in text] == [], (model, options, text)
        assert "e+" not in text
        assert "," not in "".join(text.split(", "))


async def test_what_a_model_lacks_is_refused_and_a_model_that_can_is_named(it: Scene) -> None:
    for command, model, options, able in NOT_OFFERED:
        text = await refused(it, command, model=model, **options)
        (name,) = options
        assert f"`{name}`" in text, (model, text)
        assert model in text
        assert able in text


async def test_a_model_of_another_kind_or_of_none_is_refused(it: Scene) -> None:
    for command, model, other in (
        ("video", "qwen-image", "/image"),
        ("video", FAST_I2V, "/animate"),
        ("animate", FAST, "/video"),
        ("image", WAN, "/video"),
    ):
        text = await refused(it, command, model=model)
        assert "`model`" in text
        assert other in text
    for model in ("gpt", "@everyone", "wan2.1-14b ", "../../etc/passwd", "x" * 6000, "\u202eoediv"):
        text = await refused(it, "video", model=model)
        assert "`model`" in text
        assert "everyone" not in text
        assert len(text) < 400


@pytest.mark.parametrize("command", ["video", "image", "animate"])
async def test_a_prompt_that_is_empty_or_too_long_is_refused(it: Scene, command: str) -> None:
    image = await it.alice.say(it.channel, "mine", files=(Upload("cat.png", picture()),))
    file = it.discord.message_json(image)["attachments"][0]
    resolved = {"attachments": {file["id"]: file}} if command == "animate" else None
    extra = [option("image", file["id"], 11)] if command == "animate" else []
    for prompt in ("", "   ", "\x00\x01\x1f", "\n\t \r\n", "x" * 2001, "x" * 6000, "ü" * 2001):
        text = private(await crafted.command(it, command, option("prompt", prompt), *extra, resolved=resolved))
        assert "`prompt`" in text
        assert "1 to 2000" in text
        model = option("model", {"video": WAN, "animate": WAN, "image": "qwen-image"}[command])
        negative = option("negative_prompt", prompt)
        text = private(
            await crafted.command(it, command, option("prompt", "a cat"), negative, model, *extra, resolved=resolved)
        )
        assert "`negative_prompt`" in text
        assert "1 to 2000" in text


async def test_options_of_the_wrong_kind_are_refused_by_name(it: Scene) -> None:
    prompt = option("prompt", "a cat")
    for wrong in (
        option("fps", 24.5, 4),
        option("fps", "many", 4),
        option("seed", 1.5, 4),
        option("model", 7, 3),
        option("aspect", "round"),
        option("quality", "best"),
        option("spoiler", "yes", 5),
        option("negative_prompt", 5, 3),
    ):
        text = private(await crafted.command(it, "video", prompt, wrong))
        assert f"`{wrong['name']}`" in text, text
    assert "`prompt`" in private(await crafted.command(it, "video", option("prompt", 12, 3)))
    assert "`image` takes an attached file" in private(await crafted.command(it, "animate", option("image", "99", 11)))


async def test_what_no_version_of_the_commands_knows_is_answered(it: Scene) -> None:
    for name, options in (
        ("film", [option("prompt", "a cat")]),
        ("video", [option("prompt", "a cat"), option("budget", "all")]),
        ("video", []),
        ("video", [option("prompt", "a cat"), option("duration", "long", 10)]),
        ("video", [option("prompt", "a cat"), option("duration", {"seconds": 5}, 10)]),
        ("admin", [option("prompt", "a cat")]),
    ):
        text = private(await crafted.command(it, name, *options))
        assert "nothing was stored or spent" in text, (name, text)


def _bomb() -> bytes:
    """A hundred megapixels in a few kilobytes."""
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    return out.getvalue()


BAD_PICTURES: list[tuple[str, bytes, str]] = [
    ("text.png", b"this is no picture at all\n" * 50, "not a picture"),
    ("page.jpg", b"<!doctype html><script>alert(1)</script>", "not a picture"),
    ("empty.png", b"", "empty"),
    ("cut.png", picture((400, 300))[:-40], "damaged"),
    ("head.png", picture()[:20], "damaged"),
    ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>', "JPEG, PNG, WebP"),
    ("drawing.png", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>', "JPEG, PNG, WebP"),
    ("film.png", b"\x00\x00\x00\x20ftypisom" + b"\x00" * 100, "picture in `image`"),
    ("archive.png", b"PK\x03\x04" + b"\x00" * 100, "not a picture"),
    ("dot.png", picture((1, 1)), "too small"),
    ("thin.png", picture((4000, 2)), "too small"),
]


async def test_a_file_that_is_no_good_picture_is_refused(it: Scene) -> None:
    for name, data, word in BAD_PICTURES:
        image = Upload(name, data)
        text = private(await it.alice.slash(it.channel, "animate", image=image))
        assert "`image`" in text
        assert word in text, (name, text)


async def test_a_last_picture_is_checked_like_the_first(it: Scene) -> None:
    good, bad = Upload("a.png", picture((320, 240))), Upload("b.png", b"no picture")
    text = private(await it.alice.slash(it.channel, "animate", image=good, last_image=bad, model=V2))
    assert "`last_image`" in text


async def test_a_decompression_bomb_is_refused_and_the_bot_goes_on_meanwhile(it: Scene) -> None:
    bombs = [Upload("bomb.png", _bomb())] * 2
    asking = [asyncio.create_task(it.alice.slash(it.channel, "animate", image=bomb)) for bomb in bombs]
    assert "queue" in private(await it.ben.slash(it.channel, "queue"))
    for text in [private(reply) for reply in await asyncio.gather(*asking)]:
        assert "25 megapixels" in text


async def test_sizes_and_addresses_that_lie_are_refused(it: Scene) -> None:
    image = await it.alice.say(it.channel, "mine", files=(Upload("big.png", b"\x89PNG" + bytes(21 << 20)),))
    url = it.discord.message_json(image)["attachments"][0]["url"]
    assert "too large" in private(await crafted.animate(it, url, size=1000))
    assert "too large" in private(await crafted.animate(it, url, size=10**15))
    for elsewhere in (
        "http://169.254.169.254/latest/meta-data/", "https://example.org/cat.png", "file:///etc/passwd",
        "http://user@cdn.discordapp.com/x.png", "ftp://127.0.0.1/x", "", "x" * 5000,
    ):  # fmt: skip
        assert "can no longer be fetched" in private(await crafted.animate(it, elsewhere)), elsewhere
    expired = url.replace("hm=", "hm=0")
    assert "can no longer be fetched" in await settled(it, await crafted.animate(it, expired))


async def settled(it: Scene, reply: Interaction) -> str:
    """The private answer, once it is more than "thinking"."""
    assert reply.message is not None
    await it.discord.until(lambda: not reply.message.loading, timeout=40)
    return private(reply)


@asynccontextmanager
async def slow_cdn(data: bytes, pause: float) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(pause)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/attachments/1/2/cat.png"


async def test_a_slow_download_is_waited_for_in_private(it: Scene) -> None:
    async with slow_cdn(b"no picture at all", 3.5) as url:
        reply = await crafted.animate(it, url)
        assert reply.ephemeral
        assert reply.message is not None
        assert reply.message.loading
        assert "not a picture" in await settled(it, reply)


async def test_a_place_where_the_film_could_not_be_posted_is_refused_by_the_permission_it_lacks(it: Scene) -> None:
    for permission, name in (
        (Permission.ATTACH_FILES, "Attach Files"),
        (Permission.SEND_MESSAGES, "Send Messages"),
        (Permission.VIEW_CHANNEL, "View Channel"),
    ):
        closed = it.guild.add_channel("closed")
        closed.set_permissions(it.guild.bot, deny=permission)
        assert f"**{name}**" in private(await it.alice.slash(closed, "video", prompt="a cat"))
    thread = it.guild.add_channel("talk", "thread", parent=it.channel)
    it.channel.set_permissions(it.guild.bot, deny=Permission.SEND_MESSAGES_IN_THREADS)
    assert "**Send Messages in Threads**" in private(await it.alice.slash(thread, "video", prompt="a cat"))
    it.channel.set_permissions(it.guild.bot, deny=NONE)


async def test_outside_a_guild_nothing_is_made(it: Scene) -> None:
    direct = it.alice.direct
    reply = await crafted.command(it, "video", option("prompt", "a cat"), channel=direct)
    assert "guild" in private(reply)
    owners = {"1": str(it.alice.user.id)}
    reply = await crafted.command(it, "video", option("prompt", "a cat"), authorizing_integration_owners=owners)
    assert "guild" in private(reply)


@pytest_asyncio.fixture(loop_scope="module")
async def ruled(it: Scene) -> Scene:
    """The same bot in a guild of its own, where moderators may do as they please."""
    return it.elsewhere("Rules")


async def test_what_moderators_decided_is_said_with_their_reason(ruled: Scene) -> None:
    async def admin(verb: str, **options: Any) -> str:
        return private(await ruled.mara.slash(ruled.channel, f"admin {verb}", **options))

    ask = ("video", {"prompt": "a cat"})
    await admin("block", member=ruled.alice.user, reason="too *loud* @everyone", until="2h")
    text = private(await ruled.alice.slash(ruled.channel, ask[0], **ask[1]))
    assert "blocked" in text
    assert "`too *loud* @everyone`" in text
    assert ":R>" in text
    await admin("unblock", member=ruled.alice.user)
    await admin("pause", reason="movie night")
    text = private(await ruled.ben.slash(ruled.channel, ask[0], **ask[1]))
    assert "paused" in text
    assert "movie night" in text
    await admin("resume")
    await admin("models deny", model=WAN)
    text = private(await ruled.ben.slash(ruled.channel, "video", prompt="a cat", model=WAN))
    assert WAN in text
    assert "switched" in text
    await admin("channels allow", channel=ruled.guild.channels[1])
    text = private(await ruled.ben.slash(ruled.channel, ask[0], **ask[1]))
    assert ruled.guild.channels[1].mention in text


async def test_a_full_queue_says_when_there_is_room_again(it: Scene) -> None:
    full = it.elsewhere("Full")
    await full.mara.slash(full.channel, "admin limits set", burst=1, jobs_per_hour=1, queued_per_member=1)
    await it.film(await full.ask("image"))
    waiting = await full.ask("image")
    before = state(it)
    text = private(await full.alice.slash(full.channel, "image", prompt="one more"))
    assert "1 job of one member" in text
    (epoch,) = re.findall(r"<t:([0-9]+):R>", text)
    assert 3000 < int(epoch) - time.time() < 3700
    assert state(it) == before
    assert "cancelled" in private(await full.alice.slash(full.channel, "cancel", job=waiting))


async def test_buttons_of_others_forged_and_stale_ones_do_nothing(it: Scene) -> None:
    place = it.elsewhere("Buttons")
    await place.mara.slash(place.channel, "admin limits set", burst=1, jobs_per_hour=1)
    done = await place.ask("image")
    await it.told(done)
    job = await place.ask("image")
    message, ended = place.queue_message(job), place.queue_message(done)
    assert message is not None
    assert ended is not None
    before = state(it)
    assert "somebody else's" in private(await place.ben.press(message, "Cancel"))
    assert "somebody else's" in private(await place.ben.slash(place.channel, "cancel", job=job))
    for custom_id in (
        f"v1:discard:{job}", f"v2:cancel:{job}", f"v1:cancel:{job}x", f"v1:cancel:{job}\n", f"v1:delete:{job}",
        f"v1:cancel:{'a' * 10}", "cancel", " ", "x" * 100, "v1:cancel:' OR 1=1", f"v1:retry:{done}",
    ):  # fmt: skip
        text = private(await crafted.press(it, custom_id, message))
        assert text
        assert not [row for row in it.jobs() if row["id"] == job and row["state"] != "queued"], custom_id
    assert "too late" in private(await crafted.press(it, f"v1:cancel:{done}", ended))
    assert "not one of its own" in private(await crafted.press(it, f"v1:cancel:{job}", ended))
    other = await place.alice.say(place.channel, "mine")
    assert "not one of its own" in private(await crafted.press(it, f"v1:cancel:{job}", other))

    assert state(it) == before
    assert "cancelled" in private(await place.mara.press(message, "Cancel"))
    assert "too late" in private(await crafted.press(it, f"v1:cancel:{job}", message))


SPENDING = (test_a_full_queue_says_when_there_is_room_again, test_buttons_of_others_forged_and_stale_ones_do_nothing)
