"""The box walk: a whole film passes, and no film that is cut or continued does."""

import io

import media_kit as kit
import pytest

from bot.media.boxes import BadBoxes, Box, clean, faststart, walk


def walked(film: bytes) -> tuple[Box, ...]:
    return walk(io.BytesIO(film), len(film))


@pytest.fixture(scope="module")
def film() -> bytes:
    return kit.film(frames=4)


def box(kind: bytes, body: bytes = b"") -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def test_the_boxes_of_a_whole_film_are_found_where_they_are(film: bytes) -> None:
    assert [(found.kind.decode(), found.start, found.size) for found in walked(film)] == kit.box_list(film)


def test_a_film_cut_at_any_byte_is_refused(film: bytes) -> None:
    whole = 0
    for cut in range(len(film)):
        try:
            walked(film[:cut])
        except BadBoxes:
            continue
        whole += 1
    assert whole == 0


@pytest.mark.parametrize("flags", ["", "frag_keyframe+empty_moov", "frag_every_frame+empty_moov+default_base_moof"])
def test_other_layouts_cut_at_any_byte_are_refused(flags: str) -> None:
    film = kit.film(frames=4, flags=flags)
    walked(film)
    for cut in range(len(film)):
        with pytest.raises(BadBoxes):
            walked(film[:cut])


@pytest.mark.parametrize(
    "tail",
    [
        b"PK\x03\x04" + bytes(40),
        b"<!doctype html><script>",
        b"%PDF-1.7\n",
        b"\0",
        b"\0" * 7,
        b"\0\0\0\x04free",
        b"\xff\xd9",
        b"\0\0\0\1mdat",
        box(b"evil"),
        box(b"ftyp", b"isom"),
        box(b"moov"),
    ],
)
def test_nothing_may_be_appended(film: bytes, tail: bytes) -> None:
    with pytest.raises(BadBoxes):
        walked(film + tail)


@pytest.mark.parametrize("head", [b"", b"\0\0\0\x10free\0\0\0\0\0\0\0\0", b"<html>", b"\xff\xd8\xff\xe0", b"#EXTM3U\n"])
def test_a_film_begins_with_its_type(film: bytes, head: bytes) -> None:
    with pytest.raises(BadBoxes):
        walked(head + (film if head else film[32:]))


def test_sixty_four_bit_sizes_are_read() -> None:
    parts = [box(b"ftyp", b"isom"), box(b"moov"), b"\0\0\0\1mdat" + (20).to_bytes(8, "big") + b"data"]
    assert [found.size for found in walked(b"".join(parts))] == [12, 8, 20]
    with pytest.raises(BadBoxes):
        walked(b"".join(parts)[:-1])
    with pytest.raises(BadBoxes):
        walked(b"".join(parts[:2]) + b"\0\0\0\1mdat" + (15).to_bytes(8, "big") + b"data")
    with pytest.raises(BadBoxes):
        walked(b"".join(parts[:2]) + b"\0\0\0\1mdat" + (2**64 - 1).to_bytes(8, "big") + b"data")


@pytest.mark.parametrize("missing", [b"moov", b"mdat"])
def test_a_film_has_an_index_and_pictures(missing: bytes) -> None:
    parts = {b"ftyp": box(b"ftyp", b"isom"), b"moov": box(b"moov"), b"mdat": box(b"mdat")}
    walked(b"".join(parts.values()))
    with pytest.raises(BadBoxes):
        walked(b"".join(part for kind, part in parts.items() if kind != missing))


def test_a_film_of_endless_boxes_is_refused(film: bytes) -> None:
    with pytest.raises(BadBoxes):
        walked(film + box(b"free") * 10_001)


def test_where_the_index_stands_is_told(film: bytes) -> None:
    assert faststart(walked(film))
    assert not faststart(walked(kit.film(frames=2, flags="")))


@pytest.mark.parametrize(
    ("extra", "expected"),
    [(box(b"free"), True), (box(b"uuid", bytes(16)), False), (box(b"meta"), False), (box(b"free", bytes(5000)), False)],
)
def test_what_hides_beside_the_film_is_noticed(film: bytes, extra: bytes, expected: bool) -> None:
    assert clean(walked(film + extra)) is expected
