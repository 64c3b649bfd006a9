"""The box structure of an MP4 (ISO/IEC 14496-12, 4.2): a walk from the first byte to the last.

A film cut short still opens and still reports its full length, so being whole is checked here. The walk reads box
headers only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

MOST_BOXES = 10_000
# Padding beyond this is no alignment, and nobody has looked at what is in it.
MOST_PADDING = 4096

PADDING = frozenset({b"free", b"skip", b"wide"})
FRAGMENTS = frozenset({b"moof", b"sidx", b"styp", b"emsg", b"prft", b"mfra"})
# Known to stand at the top of honest films: user data, provenance (uuid), progressive download hints.
EXTRAS = frozenset({b"uuid", b"udta", b"meta", b"pdin", b"mdat", b"moov"})


class BadBoxes(Exception):
    """Not a whole MP4; the message says why."""


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    start: int
    size: int


def walk(file: BinaryIO, length: int) -> tuple[Box, ...]:
    """The top boxes of a whole film. Raises BadBoxes when it is cut, has something appended, or lacks a part."""
    boxes: list[Box] = []
    at = 0
    while at < length:
        if len(boxes) == MOST_BOXES:
            raise BadBoxes("too many boxes")
        boxes.append(_read(file, at, length))
        at += boxes[-1].size
    _check(boxes)
    return tuple(boxes)


def _read(file: BinaryIO, at: int, length: int) -> Box:
    file.seek(at)
    head = file.read(16)
    size, kind, least = int.from_bytes(head[:4], "big"), head[4:8], 8
    if size == 1:
        size, least = int.from_bytes(head[8:16], "big"), 16
    elif size == 0:
        # "To the end of the file", as live writers leave it: then only the samples can show a cut (see `_film_check`).
        size = length - at
    if len(head) < least or size < least:
        raise BadBoxes("a box has no proper size")
    if at + size > length:
        raise BadBoxes("cut short, or something is appended")
    return Box(kind, at, size)


def _check(boxes: Sequence[Box]) -> None:
    kinds = [box.kind for box in boxes]
    if kinds[:1] != [b"ftyp"] or kinds.count(b"ftyp") != 1:
        raise BadBoxes("does not begin with one ftyp box")
    if kinds.count(b"moov") != 1:
        raise BadBoxes("has no moov box, or several")
    if b"mdat" not in kinds:
        raise BadBoxes("has no mdat box")
    if unknown := set(kinds[1:]) - PADDING - FRAGMENTS - EXTRAS:
        raise BadBoxes(f"has an unknown box {min(unknown)!r}")
    # A film in fragments can be cut between two of them; only the index that its writer put last shows the end.
    if b"moof" in kinds and kinds[-1] != b"mfra":
        raise BadBoxes("is fragmented and has no end")


def faststart(boxes: Sequence[Box]) -> bool:
    """The index stands before the pictures, so that playing starts before all is loaded."""
    kinds = [box.kind for box in boxes]
    return kinds.index(b"moov") < kinds.index(b"mdat")


def clean(boxes: Sequence[Box]) -> bool:
    """Nothing in it but index, pictures and a little padding."""
    padding = sum(box.size for box in boxes if box.kind in PADDING)
    return padding <= MOST_PADDING and {box.kind for box in boxes} <= PADDING | {b"ftyp", b"moov", b"mdat"}
