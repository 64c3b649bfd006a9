"""Does a file hold anything besides pictures and sound? Read off its structure, in the child; nothing is decoded.

Comments, places, profiles, thumbnails, other tracks' data, references to other files and whatever stands behind the
end are nobody's business in a channel (RELIABILITY, threats 18 and 19). What is not known here counts as such.
"""

import re
from collections.abc import Sequence
from typing import BinaryIO

from bot.media import boxes
from bot.media.boxes import Box

LARGEST_INDEX = 16 << 20
# moov, trak, mdia, minf, dinf or stbl: as deep as an index is nested.
DEPTH = 6
CONTAINERS = frozenset({b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl"})
TABLES = frozenset(
    {
        b"mvhd", b"tkhd", b"elst", b"mdhd", b"vmhd", b"smhd", b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"sdtp",
        b"stsc", b"stsz", b"stco", b"co64", b"sgpd", b"sbgp",
    }
)  # fmt: skip
# The only words and references that pass: as libavformat writes them.
WORDS = {
    b"hdlr": re.compile(rb".{24}(VideoHandler|SoundHandler)?\0?", re.DOTALL),
    b"dref": re.compile(re.escape(bytes.fromhex("00000000000000010000000c75726c2000000001"))),
    b"udta": re.compile(
        rb"...\x5ameta\0{7}\x21hdlr\0{8}mdirappl\0{9}...[\x20-\x30]ilst...[\x18-\x28]\xa9too...[\x10-\x20]data"
        rb"\0\0\0\x01\0{4}Lavf[\d.]{0,16}",
        re.DOTALL,
    ),
}
# PNG's chunks by the most bytes that each can need; JPEG's segments without content of their own choice; WebP's chunks.
PIXEL_CHUNKS = {b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"IDAT": 1 << 31, b"IEND": 0}
HINT_CHUNKS = {b"gAMA": 4, b"sRGB": 1, b"cHRM": 32, b"sBIT": 4, b"pHYs": 9, b"bKGD": 6}
CODING = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD})
NAMED = {0xE0: re.compile(rb"JFIF\0.{9}", re.DOTALL), 0xEE: re.compile(rb"Adobe.{7}", re.DOTALL)}
SCAN, END = 0xDA, 0xD9
NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
WEBP_CHUNKS = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH"})


def film(file: BinaryIO, found: Sequence[Box]) -> bool:
    """`found` as `boxes.walk` returns them for this file."""
    if not boxes.clean(found) or any(_content(file, box).strip(b"\0") for box in found if box.kind in boxes.PADDING):
        return False
    index = next(box for box in found if box.kind == b"moov")
    return index.size <= LARGEST_INDEX and _index(_content(file, index), DEPTH)


def _content(file: BinaryIO, box: Box) -> bytes:
    file.seek(box.start + 8)
    return file.read(box.size - 8)


def _index(content: bytes, depth: int) -> bool:
    at = 0
    while at < len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if size < 8 or at + size > len(content) or not _is_bare(kind, content[at + 8 : at + size], depth):
            return False
        at += size
    return True


def _is_bare(kind: bytes, content: bytes, depth: int) -> bool:
    if kind in CONTAINERS:
        return depth > 0 and _index(content, depth - 1)
    if kind in WORDS:
        return WORDS[kind].fullmatch(content) is not None
    return kind in TABLES


def still(kind: str, data: bytes) -> bool:
    """`kind` is PNG, JPEG or WEBP."""
    return {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp}[kind](data)


def _png(data: bytes) -> bool:
    at = 8
    while at + 12 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size > (PIXEL_CHUNKS | HINT_CHUNKS).get(kind, -1):
            return False
        at += 12 + size
        if kind == b"IEND":
            return at == len(data)
    return False


def _jpeg(data: bytes) -> bool:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        content = data[at + 4 : at + 2 + size]
        if marker != SCAN and marker not in CODING and not (marker in NAMED and NAMED[marker].fullmatch(content)):
            return False
        at += 2 + size
        if marker == SCAN:
            following = NEXT_MARKER.search(data, at)
            if following is None:
                return False
            at = following.end() - 2
            if data[at + 1] == END:
                return at + 2 == len(data)
    return False


def _webp(data: bytes) -> bool:
    at = 12
    while at + 8 <= len(data) and data[at : at + 4] in WEBP_CHUNKS:
        at += 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
    return at == len(data) == int.from_bytes(data[4:8], "little") + 8
