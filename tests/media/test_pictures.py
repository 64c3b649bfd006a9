"""Members' pictures: what is accepted comes out clean and in shape, everything else is refused by name."""

import asyncio
import io
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import media_kit as kit
import psutil
import pytest
import pytest_asyncio
from PIL import Image, ImageCms, ImageDraw

from bot.domain.errors import BadPicture, PictureProblem, StorageUnavailable
from bot.domain.generation import Frame
from bot.media.pictures import LIMITS, SafePictures
from bot.ports import Picture, Pictures

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE, TALL, SQUARE = Frame(832, 480), Frame(480, 832), Frame(512, 512)
KINDS = ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF"]


class Studio:
    """The door under test, and the folder in which members' files arrive."""

    def __init__(self, pictures: SafePictures, folder: Path) -> None:
        self.pictures, self.folder = pictures, folder

    def arrive(self, body: bytes, name: str = "cat.png") -> Path:
        path = self.folder / name
        path.write_bytes(body)
        return path

    async def prepare(self, body: bytes, *frames: Frame) -> tuple[Picture, Image.Image]:
        picture = await self.pictures.prepare(self.arrive(body), frames)
        with Image.open(self.pictures.path(picture.name)) as image:
            image.load()
        assert image.format == "JPEG"
        assert image.size == (picture.width, picture.height)
        return picture, image

    async def refusal(self, body: bytes, *frames: Frame) -> BadPicture:
        with pytest.raises(BadPicture) as refused:
            await self.pictures.prepare(self.arrive(body), frames)
        return refused.value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pictures(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SafePictures]:
    pictures = SafePictures(tmp_path_factory.mktemp("pictures") / "inputs", max_bytes=8_000_000)
    await pictures.start()
    yield pictures
    await pictures.close()


@pytest.fixture
def studio(pictures: SafePictures, tmp_path: Path) -> Iterator[Studio]:
    yield Studio(pictures, tmp_path)
    assert list(tmp_path.iterdir()) == [], "what a member sent is still there"
    assert not list(pictures.path("0" * 32 + ".jpg").parent.glob("*.part"))


async def test_it_is_what_the_port_asks_for(tmp_path: Path) -> None:
    pictures: Pictures = SafePictures(tmp_path, max_bytes=1)
    assert pictures


@pytest.mark.parametrize("kind", KINDS)
async def test_each_accepted_format_becomes_a_jpeg_of_the_frame(studio: Studio, kind: str) -> None:
    picture, image = await studio.prepare(kit.encoded(kit.four_corners(), kind), WIDE)
    assert (picture.width, picture.height, picture.frame) == (832, 480, 0)
    assert kit.looks_upright(image)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_picture_is_turned_upright(studio: Studio, kind: str, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = kit.four_corners((96, 64))
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = kit.encoded(stored, kind, exif=exif.tobytes())
    picture, image = await studio.prepare(body, Frame(96, 64), Frame(64, 96))
    assert picture.frame == 0
    assert kit.looks_upright(image)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
async def test_a_heic_of_a_turned_phone_is_turned_once(studio: Studio, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    upright = kit.four_corners((128, 96))
    turn = turned[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    picture, image = await studio.prepare(
        kit.encoded(stored, "HEIF", exif=exif.tobytes()), Frame(128, 96), Frame(96, 128)
    )
    assert picture.frame == 0
    assert kit.looks_upright(image)


def see_through(mode: str) -> Image.Image:
    image = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 32, 64))
    return image.quantize(8) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGBA", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGBA", "WEBP"),
        ("RGBA", "GIF"),
        ("RGBA", "AVIF"),
        ("RGBA", "HEIF"),
    ],
)
async def test_transparency_becomes_white(studio: Studio, mode: str, kind: str) -> None:
    _, image = await studio.prepare(kit.encoded(see_through(mode), kind), Frame(64, 64))
    left, right = image.convert("RGB").getpixel((10, 32)), image.convert("RGB").getpixel((54, 32))
    assert kit.alike(right, (255, 255, 255), by=6)
    assert not kit.alike(left, (255, 255, 255), by=60)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("P", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("L", "JPEG"), ("L", "WEBP")],
)
async def test_every_mode_comes_out_in_its_colours(studio: Studio, mode: str, kind: str) -> None:
    source = kit.four_corners().quantize(8) if mode == "P" else kit.four_corners().convert(mode)
    _, image = await studio.prepare(kit.encoded(source, kind), Frame(320, 192))
    expected = kit.corners_of(source.convert("RGB"))
    if mode != "1":
        assert all(kit.alike(found, expected[place]) for place, found in kit.corners_of(image).items())
    assert image.mode == "RGB"


async def test_sixteen_bits_are_scaled_not_clipped(studio: Studio) -> None:
    deep = Image.new("I;16", (64, 64), 0x8000)
    _, image = await studio.prepare(kit.encoded(deep, "PNG"), Frame(64, 64))
    assert kit.alike(image.getpixel((30, 30)), (128, 128, 128), by=3)


def swapped_profile() -> bytes:
    """sRGB with the names of red and green exchanged: only who obeys it shows green for red."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
async def test_a_colour_profile_is_obeyed_and_left_behind(studio: Studio, kind: str) -> None:
    red = Image.new("RGB", (64, 64), (255, 0, 0))
    _, image = await studio.prepare(kit.encoded(red, kind, icc_profile=swapped_profile()), Frame(64, 64))
    assert kit.alike(image.getpixel((30, 30)), (0, 255, 0), by=12)
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("profile", [b"no profile", swapped_profile()[:200]])
async def test_a_broken_colour_profile_does_no_harm(studio: Studio, profile: bytes) -> None:
    _, image = await studio.prepare(kit.encoded(kit.four_corners(), "JPEG", icc_profile=profile), WIDE)
    assert kit.looks_upright(image)


CANARY = b"canary-51.5007N-0.1246W"


def with_canaries(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = exif[0x8298] = CANARY.decode()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + CANARY + b"</x:xmpmeta>"
    options: dict[str, Any] = {"comment": CANARY} if kind == "GIF" else {"exif": exif.tobytes(), "xmp": xmp}
    if kind == "JPEG":
        options |= {"comment": CANARY, "icc_profile": CANARY * 9}
    body = kit.encoded(kit.four_corners(), kind, **options)
    if kind == "PNG":
        body = body[:33] + kit.png_chunk(b"tEXt", b"Comment\0" + CANARY) + body[33:]
    return body if kind in ("HEIF", "AVIF") else body + CANARY


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_of_a_file_survives_but_its_pixels(studio: Studio, kind: str) -> None:
    body = with_canaries(kind)
    assert CANARY in body
    picture, image = await studio.prepare(body, WIDE)
    clean = studio.pictures.path(picture.name).read_bytes()
    assert CANARY[:12] not in clean
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert clean.endswith(b"\xff\xd9")


async def test_the_frame_nearest_in_shape_is_taken(studio: Studio) -> None:
    for size, nearest in (((900, 500), 0), ((500, 900), 1), ((700, 690), 2), ((1000, 200), 0)):
        picture, _ = await studio.prepare(kit.encoded(kit.four_corners(size), "PNG"), WIDE, TALL, SQUARE)
        assert picture.frame == nearest
        assert (picture.width, picture.height) == [(832, 480), (480, 832), (512, 512)][nearest]


async def test_a_picture_is_cropped_never_stretched(studio: Studio) -> None:
    image = Image.new("RGB", (1000, 400), "white")
    ImageDraw.Draw(image).rectangle((400, 100, 599, 299), fill="black")
    _, fitted = await studio.prepare(kit.encoded(image, "PNG"), TALL)
    left, top, right, bottom = fitted.convert("L").point(lambda value: 255 * (value < 128)).getbbox()
    assert abs((right - left) - (bottom - top)) <= 2
    assert abs((left + right) / 2 - 240) <= 2


@pytest.mark.parametrize(
    ("size", "frame", "result"),
    [
        ((1600, 1200), Frame(height=480), (640, 480)),
        ((1601, 1201), Frame(height=480), (638, 480)),
        ((301, 201), Frame(height=480), (300, 200)),
        ((2560, 1000), Frame(), (1280, 500)),
        ((1000, 2561), Frame(), (498, 1280)),
        ((333, 77), Frame(), (332, 76)),
    ],
)
async def test_a_shape_is_kept_and_never_enlarged(
    studio: Studio, size: tuple[int, int], frame: Frame, result: tuple[int, int]
) -> None:
    picture, image = await studio.prepare(kit.encoded(kit.four_corners(size), "PNG"), frame)
    assert (picture.width, picture.height) == result
    assert kit.looks_upright(image)


async def test_without_frames_the_shape_is_kept(studio: Studio) -> None:
    picture, _ = await studio.prepare(kit.encoded(kit.four_corners((1920, 1080)), "JPEG"))
    assert (picture.width, picture.height, picture.frame) == (1280, 720, 0)


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "empty"),
        (b"just a text, called cat.png", "not_a_picture"),
        (b"<!doctype html><p>not found", "not_a_picture"),
        (b"\0" * 4096, "not_a_picture"),
        (b"PK\x03\x04" + b"\0" * 60, "not_a_picture"),
        (b"%PDF-1.7\n", "not_a_picture"),
        (SVG, "unsupported"),
        (b"\xef\xbb\xbf \n" + SVG, "unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n(x) run", "unsupported"),
        (b"8BPS\0\1" + b"\0" * 64, "unsupported"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 64, "unsupported"),
        (b"qoif" + b"\0" * 64, "unsupported"),
        (kit.encoded(Image.new("L", (32, 32)), "BMP"), "unsupported"),
        (kit.encoded(Image.new("L", (32, 32)), "TIFF"), "unsupported"),
        (kit.encoded(Image.new("L", (32, 32)), "ICO"), "unsupported"),
        (kit.encoded(Image.new("L", (32, 32)), "PPM"), "unsupported"),
        (kit.encoded(Image.new("L", (32, 32)), "JPEG2000"), "unsupported"),
        (kit.film(frames=2), "unsupported"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"GIF89a", "damaged"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "damaged"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "damaged"),
        (kit.encoded(kit.four_corners((15, 200)), "PNG"), "too_small"),
    ],
)
async def test_what_is_no_picture_is_refused_by_name(studio: Studio, body: bytes, problem: str) -> None:
    assert (await studio.refusal(body, Frame())).problem == problem


async def test_a_long_strip_whose_sides_are_long_enough_is_not_called_too_small(studio: Studio) -> None:
    picture, _ = await studio.prepare(kit.encoded(kit.four_corners((3000, 20)), "PNG"), Frame())
    assert (picture.width, picture.height) == (1280, 16)


async def test_a_file_over_the_cap_is_refused_with_the_cap(studio: Studio) -> None:
    refused = await studio.refusal(kit.encoded(kit.four_corners(), "JPEG") + bytes(8_000_000), WIDE)
    assert (refused.problem, refused.limit, refused.option) == (PictureProblem.TOO_MANY_BYTES, 8_000_000, "image")


async def test_a_refusal_names_the_option(studio: Studio) -> None:
    with pytest.raises(BadPicture) as refused:
        await studio.pictures.prepare(studio.arrive(b""), [WIDE], "last_image")
    assert refused.value.option == "last_image"


def gif_of(width: int, height: int) -> bytes:
    body = bytearray(kit.encoded(Image.new("P", (16, 16)), "GIF"))
    body[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return bytes(body)


def gif_with_a_frame_of(width: int, height: int) -> bytes:
    body = bytearray(kit.encoded(Image.new("P", (16, 16)), "GIF"))
    at = body.index(b",\0\0\0\0") + 5
    body[at : at + 4] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return bytes(body)


def webp_of(width: int, height: int) -> bytes:
    body = bytearray(kit.encoded(Image.new("RGB", (16, 16)), "WEBP", lossless=True))
    body[21:25] = ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    return bytes(body)


def jpeg_of(width: int, height: int) -> bytes:
    body = bytearray(kit.encoded(Image.new("RGB", (64, 64)), "JPEG"))
    at = body.index(b"\xff\xc0") + 5
    body[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(body)


@pytest.mark.parametrize(
    "body",
    [
        kit.png(30_000, 30_000),
        kit.png(5001, 5000),
        webp_of(16_384, 16_384),
        gif_of(65_535, 65_535),
        gif_with_a_frame_of(65_000, 65_000),
        jpeg_of(65_500, 65_500),
    ],
    ids=["png", "png-just-over", "webp", "gif-screen", "gif-frame", "jpeg"],
)
async def test_a_bomb_is_refused_by_its_header(studio: Studio, body: bytes) -> None:
    before, start = psutil.Process().memory_info().rss, time.monotonic()
    refused = await studio.refusal(body, WIDE)
    assert (refused.problem, refused.limit) == (PictureProblem.TOO_MANY_PIXELS, 25)
    assert time.monotonic() - start < 2
    assert psutil.Process().memory_info().rss - before < 16 << 20


async def test_twenty_five_megapixels_are_accepted(studio: Studio) -> None:
    for body in (kit.png(5000, 5000), kit.encoded(Image.new("RGB", (6250, 4000), "red"), "JPEG", progressive=True)):
        await studio.prepare(body, WIDE)


@pytest.mark.parametrize("body", [kit.png(4000, 4000, rows=20), kit.png(64, 64, rows=0), jpeg_of(4000, 4000)])
async def test_a_header_that_promises_more_than_there_is_costs_little(studio: Studio, body: bytes) -> None:
    start = time.monotonic()
    try:
        await studio.prepare(body, WIDE)
    except BadPicture as refused:
        assert refused.problem is PictureProblem.DAMAGED  # noqa: PT017  # either end is right
    assert time.monotonic() - start < 2


async def test_a_header_that_promises_less_than_there_is_yields_what_it_promised(studio: Studio) -> None:
    picture, _ = await studio.prepare(kit.png(64, 64, rows=200_000), Frame())
    assert (picture.width, picture.height) == (64, 64)


async def test_of_two_thousand_frames_only_the_first_is_decoded(studio: Studio) -> None:
    first, others = kit.four_corners((200, 120)).quantize(8), Image.new("P", (200, 120))
    body = kit.encoded(first, "GIF", save_all=True, append_images=[others, first] * 1000, duration=20)
    with Image.open(io.BytesIO(body)) as animation:
        assert animation.n_frames > 1900
    start = time.monotonic()
    _, image = await studio.prepare(body, Frame(200, 120))
    assert time.monotonic() - start < 1.5
    assert kit.looks_upright(image)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_that_is_cut_is_refused(studio: Studio, kind: str) -> None:
    body = kit.encoded(kit.noise((160, 96)), kind)
    for cut in (40, *(len(body) * part // 8 for part in (1, 3, 5, 7))):
        assert (await studio.refusal(body[:cut], WIDE)).problem in (
            PictureProblem.DAMAGED,
            PictureProblem.NOT_A_PICTURE,
        )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_mutated_file_is_a_picture_or_a_refusal(studio: Studio, kind: str) -> None:
    dice = random.Random(kind)
    body = kit.encoded(kit.noise((160, 96)), kind)
    problems: set[PictureProblem] = set()

    async def attempt(number: int) -> None:
        mutant = bytearray(body)
        for _ in range(dice.choice((1, 4, 20))):
            # Headers are small and decide most, so half of the hits go there.
            mutant[dice.randrange(min(len(body), dice.choice((200, len(body)))))] = dice.randrange(256)
        path = studio.arrive(bytes(mutant), f"cat{number}")
        try:
            await studio.pictures.prepare(path, [WIDE])
        except BadPicture as refused:
            problems.add(refused.problem)

    before = psutil.Process().memory_info().rss
    await asyncio.gather(*(attempt(number) for number in range(8)))
    assert not problems & {PictureProblem.EMPTY, PictureProblem.TOO_MANY_BYTES, PictureProblem.UNREACHABLE}
    assert psutil.Process().memory_info().rss - before < 16 << 20


async def within(tmp_path: Path, body: bytes, **limits: float) -> PictureProblem:
    values = {name: getattr(LIMITS, name) for name in ("memory", "cpu", "wall", "written")} | limits
    pictures = SafePictures(tmp_path / "inputs", max_bytes=1 << 27, spares=0, limits=type(LIMITS)(**values))
    await pictures.start()
    (tmp_path / "cat").write_bytes(body)
    with pytest.raises(BadPicture) as refused:
        await pictures.prepare(tmp_path / "cat", [WIDE])
    await pictures.close()
    assert not (tmp_path / "cat").exists()
    return refused.value.problem


@pytest.mark.parametrize("limits", [{"memory": 110 << 20}, {"wall": 0.35}, {"cpu": 1}], ids=str)
async def test_a_picture_that_costs_too_much_is_refused(tmp_path: Path, limits: dict[str, float]) -> None:
    picture = Image.effect_noise((1000, 1000), 80).resize((5000, 5000), Image.Resampling.NEAREST)
    body = kit.encoded(picture, "JPEG", progressive=True, quality=50)
    # A scan sent again and again: each costs a pass over the whole picture.
    start = body.rindex(b"\xff\xda")
    bomb = body[:-2] + body[start:-2] * 15 + b"\xff\xd9"
    assert await within(tmp_path, bomb, **limits) is PictureProblem.TOO_COSTLY


async def test_many_members_at_once_are_all_served(studio: Studio) -> None:
    body = kit.encoded(kit.noise((800, 600)), "JPEG")
    paths = [studio.arrive(body, f"cat{number}") for number in range(12)]
    pictures = await asyncio.gather(*(studio.pictures.prepare(path, [WIDE]) for path in paths))
    assert len({picture.name for picture in pictures}) == 12
    assert all(studio.pictures.path(picture.name).stat().st_mode & 0o777 == 0o600 for picture in pictures)


async def test_the_loop_runs_on_while_pictures_are_decoded(studio: Studio) -> None:
    body = kit.png(5000, 4000)
    longest = 0.0
    work = asyncio.gather(
        *(studio.pictures.prepare(studio.arrive(body, f"cat{n}"), [WIDE]) for n in range(3)), return_exceptions=True
    )
    while not work.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - before)
    assert longest < 0.3


async def test_a_cancelled_member_leaves_nothing(studio: Studio) -> None:
    task = asyncio.create_task(studio.pictures.prepare(studio.arrive(kit.png(5000, 5000)), [WIDE]))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(studio.folder.iterdir()) == []


async def test_a_disk_that_refuses_is_no_fault_of_the_picture(tmp_path: Path) -> None:
    pictures = SafePictures(tmp_path / "never made", max_bytes=1000, spares=0)
    (tmp_path / "cat").write_bytes(kit.encoded(Image.new("L", (32, 32)), "PNG"))
    with pytest.raises(StorageUnavailable):
        await pictures.prepare(tmp_path / "cat", [WIDE])
    await pictures.close()


async def test_closing_is_no_fault_of_the_picture(tmp_path: Path) -> None:
    pictures = SafePictures(tmp_path / "inputs", max_bytes=1 << 20, spares=0)
    await pictures.start()
    (tmp_path / "cat").write_bytes(kit.png(5000, 5000))
    order = asyncio.create_task(pictures.prepare(tmp_path / "cat", [WIDE]))
    await asyncio.sleep(0)
    await pictures.close()
    with pytest.raises(StorageUnavailable):
        await order


async def test_a_forgotten_picture_is_gone_and_may_be_forgotten_again(studio: Studio) -> None:
    picture, _ = await studio.prepare(kit.encoded(kit.four_corners(), "PNG"), WIDE)
    studio.pictures.forget(picture.name)
    studio.pictures.forget(picture.name)
    assert not studio.pictures.path(picture.name).exists()


async def test_old_pictures_that_nobody_knows_are_removed_and_nothing_else(studio: Studio) -> None:
    old, known, young = [(await studio.prepare(kit.encoded(kit.four_corners(), "PNG"), WIDE))[0] for _ in range(3)]
    others = studio.pictures.path(old.name).with_name("notes.txt")
    others.touch()
    for file in (studio.pictures.path(old.name), studio.pictures.path(known.name), others):
        os.utime(file, (0, 0))
    await studio.pictures.forget_strangers(60, {known.name.removesuffix(".jpg")})
    assert [studio.pictures.path(each.name).exists() for each in (old, known, young)] == [False, True, True]
    assert others.exists()


@pytest.mark.parametrize("name", ["../config.toml", "a/b.jpg", "", ".jpg", "x.jpg\n", "A" * 32 + ".jpg"])
async def test_a_name_that_was_never_given_is_no_path(studio: Studio, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        studio.pictures.path(name)
