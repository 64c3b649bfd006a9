"""Results: what a provider's file holds besides pictures and sound stays behind, and what it shows stays the same."""

import struct
from collections.abc import AsyncIterator
from pathlib import Path

import av
import media_kit as kit
import pytest
import pytest_asyncio
from PIL import Image

from bot.domain.job import Artifact
from bot.media.artifacts import CheckedArtifacts

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = b"canary-51.5007N-0.1246W"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def artifacts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CheckedArtifacts]:
    store = CheckedArtifacts(tmp_path_factory.mktemp("store") / "artifacts", seconds=60)
    await store.start()
    yield store
    await store.close()


async def keep(artifacts: CheckedArtifacts, body: bytes) -> tuple[Artifact, Path]:
    job = kit.job_of(body)
    part = artifacts.part(job)
    part.write_bytes(body)
    kept = await artifacts.keep(job, part)
    return kept, artifacts.path(kept)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def with_more(film: bytes, more: bytes) -> bytes:
    """`more` at the end of the index of a film whose index comes last."""
    kind, at, size = kit.box_list(film)[-1]
    assert kind == "moov"
    return film[:at] + struct.pack(">I", size + len(more)) + film[at + 4 :] + more


def in_front(film: bytes) -> bytes:
    """Index first, by hand: a second muxer would leave out what is looked for."""
    boxes = {kind: film[at : at + size] for kind, at, size in kit.box_list(film)}
    index = bytearray(boxes["moov"])
    at = index.index(b"stco") + 8
    (count,) = struct.unpack(">I", index[at : at + 4])
    for entry in range(at + 4, at + 4 + 4 * count, 4):
        moved = struct.unpack(">I", index[entry : entry + 4])[0] + len(index)
        index[entry : entry + 4] = struct.pack(">I", moved)
    return boxes["ftyp"] + bytes(index) + boxes["free"] + boxes["mdat"]


def changed(film: bytes, old: bytes, new: bytes) -> bytes:
    assert old in film
    assert len(old) == len(new)
    return film.replace(old, new)


@pytest.mark.parametrize("kind", [b"udta", b"uuid", b"meta", b"xyzw"])
async def test_what_is_hidden_in_the_index_is_left_behind(artifacts: CheckedArtifacts, kind: bytes):
    film = kit.film(flags="")
    body = in_front(with_more(film, box(kind, bytes(4) + CANARY)))
    kept, path = await keep(artifacts, body)
    assert CANARY not in path.read_bytes()
    assert kit.packets(path) == kit.packets(film)
    assert not kept.compressed


async def test_padding_is_empty(artifacts: CheckedArtifacts):
    _, path = await keep(artifacts, kit.film() + box(b"free", CANARY))
    assert CANARY not in path.read_bytes()


async def test_a_track_has_no_name_of_its_own(artifacts: CheckedArtifacts):
    _, path = await keep(artifacts, changed(kit.film(), b"VideoHandler", CANARY[:12]))
    assert CANARY[:12] not in path.read_bytes()


async def test_pictures_are_in_no_other_file(artifacts: CheckedArtifacts):
    here = b"url " + bytes([0, 0, 0, 1])
    _, path = await keep(artifacts, changed(kit.film(), here, b"url " + bytes(4)))
    assert here in path.read_bytes()


async def test_tracks_that_are_neither_film_nor_sound_are_left_out(artifacts: CheckedArtifacts):
    body = changed(changed(kit.film(sound=True), b"mp4a", b"tx3g"), b"soun", b"text")
    _, path = await keep(artifacts, body)
    with av.open(str(path)) as reader:
        assert [track.type for track in reader.streams] == ["video"]


async def test_a_film_with_sound_as_libavformat_writes_it_is_kept_as_it_is(artifacts: CheckedArtifacts):
    body = kit.film(sound=True)
    assert (await keep(artifacts, body))[1].read_bytes() == body


def tagged(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = CANARY.decode()
    options: dict[str, object] = {"exif": exif.tobytes(), "xmp": b"<x>" + CANARY + b"</x>"}
    if kind == "JPEG":
        options["comment"] = CANARY
    return kit.encoded(kit.four_corners(), kind, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tail", [b"", b"PK\x03\x04" + CANARY])
async def test_a_picture_keeps_its_pixels_only(artifacts: CheckedArtifacts, kind: str, tail: bytes):
    body = tagged(kind) + tail
    kept, path = await keep(artifacts, body)
    assert CANARY[:12] not in path.read_bytes()
    assert (kept.codec, kept.width, kept.height, kept.compressed) == (kind.lower(), 320, 192, False)
    with Image.open(path) as image:
        assert kit.looks_upright(image)


async def test_a_turned_picture_stays_upright_without_its_note(artifacts: CheckedArtifacts):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = kit.four_corners().transpose(Image.Transpose.ROTATE_90)
    _, path = await keep(artifacts, kit.encoded(stored, "JPEG", exif=exif.tobytes()))
    with Image.open(path) as image:
        assert kit.looks_upright(image)
        assert not image.getexif()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "optimize": True}], ids=str)
async def test_a_plain_jpeg_is_kept_as_it_is(artifacts: CheckedArtifacts, options: dict[str, object]):
    body = kit.encoded(kit.noise((160, 96)), "JPEG", **options)
    assert (await keep(artifacts, body))[1].read_bytes() == body
