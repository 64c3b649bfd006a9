"""Pictures that no honest program writes. A maker is given dice and a lure, an address that nobody may ever ask."""

import struct
import zlib
from collections.abc import Callable
from functools import cache
from random import Random

from PIL import Image, ImageCms

from tests.media import media_kit as kit

Maker = Callable[[Random, str], bytes]

CANARY = b"canary-51.5007N-0.1246W"
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF")
MAGIC = (
    b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\xff\xff\0\0WEBPVP8 ", b"\0\0\0\x18ftypheic",
    b"\0\0\0\x1cftypavif", b"BM", b"II*\0", b"%!PS", b"%PDF-1.7\n", b"PK\x03\x04", b"\x7fELF", b"\x1f\x8b", bytes(4),
)  # fmt: skip


@cache
def honest(kind: str) -> bytes:
    return kit.encoded(kit.noise((160, 96)), kind)


def some(dice: Random) -> bytes:
    return honest(dice.choice(KINDS))


def cut(dice: Random, lure: str) -> bytes:
    body = some(dice)
    return body[: dice.randrange(len(body))]


def flipped(body: bytes, dice: Random, head: int = 300) -> bytes:
    """Headers are small and decide most, so half of the hits go there."""
    mutant = bytearray(body)
    for _ in range(dice.choice((1, 3, 12, 60))):
        at = dice.randrange(min(len(body), dice.choice((head, len(body)))))
        mutant[at] ^= 1 << dice.randrange(8)
    return bytes(mutant)


def bits(dice: Random, lure: str) -> bytes:
    return flipped(some(dice), dice)


def wrong_magic(dice: Random, lure: str) -> bytes:
    magic = dice.choice(MAGIC)
    body = some(dice)
    return magic + (body if dice.random() < 0.3 else body[len(magic) :])


def tails(lure: str) -> tuple[bytes, ...]:
    return (
        b"PK\x03\x04" + CANARY * 4 + b"PK\x05\x06" + bytes(18),
        b"<html><img src=" + lure.encode() + b"><script>" + CANARY + b"</script></html>",
        b"%PDF-1.7\n1 0 obj<</URI(" + lure.encode() + b")>>" + CANARY + b"\n%%EOF",
        b"#EXTM3U\n#EXTINF:1,\n" + lure.encode() + b"\n" + CANARY,
        b"<?php /*" + CANARY + b"*/ ?>",
        CANARY,
    )


def polyglot(dice: Random, lure: str) -> bytes:
    return some(dice) + dice.choice(tails(lure))


def _png_of(width: int, height: int, data: bytes, *chunks: bytes) -> bytes:
    header = kit.png_chunk(b"IHDR", struct.pack(">IIBBBBB", width & 0xFFFFFFFF, height & 0xFFFFFFFF, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + kit.png_chunk(b"IDAT", data) + kit.png_chunk(b"IEND", b"")


def _gif_of(width: int, height: int, *, frame: bool = False) -> bytes:
    body = bytearray(kit.encoded(Image.new("P", (16, 16)), "GIF"))
    at = body.index(b",\0\0\0\0") + 5 if frame else 6
    body[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(body)


def _webp_of(width: int, height: int) -> bytes:
    body = bytearray(kit.encoded(Image.new("RGB", (16, 16)), "WEBP", lossless=True))
    body[21:25] = ((width - 1) & 0x3FFF | ((height - 1) & 0x3FFF) << 14).to_bytes(4, "little")
    return bytes(body)


def _webp_canvas(width: int, height: int) -> bytes:
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    inner = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + honest("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def _jpeg_of(width: int, height: int) -> bytes:
    body = bytearray(honest("JPEG"))
    at = body.index(b"\xff\xc0") + 5
    body[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(body)


def bomb(dice: Random, lure: str) -> bytes:
    """A few bytes that claim hundreds of megapixels; one in four keeps its promise."""
    side = dice.choice((5200, 12_000, 16_383, 30_000))
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: kit.png(side, side),
        lambda: kit.png(side, side, rows=dice.choice((0, 20, 400))),
        lambda: _webp_of(16_383, 16_383),
        lambda: _webp_canvas(1 << 24, 1 << 8),
        lambda: _jpeg_of(65_500, 65_500),
        lambda: _gif_of(65_535, 65_535),
        lambda: _gif_of(65_000, 65_000, frame=True),
    )
    return dice.choice(makers)()


def absurd(dice: Random, lure: str) -> bytes:
    side, other = dice.choice(((0, 0), (0, 64), (1, 65_535), (65_535, 1), (3, 60_000), (16_383, 2), (60_000, 15)))
    data = zlib.compress(bytes(64))
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: _png_of(side, other, data),
        lambda: _png_of(-1, dice.choice((1, -1, 64)), data),
        lambda: _png_of(1 << 31, 1, data),
        lambda: _png_of(64, 64, b""),
        lambda: _gif_of(side, other),
        lambda: _gif_of(side, other, frame=True),
        lambda: _jpeg_of(side, other),
        lambda: _webp_canvas(max(side, 1), max(other, 1)),
        lambda: kit.encoded(kit.noise((20_000, 17)), "PNG"),
    )
    return dice.choice(makers)()


def animated(dice: Random, lure: str) -> bytes:
    kind = dice.choice(("GIF", "WEBP", "PNG"))
    frames = [kit.noise((64, 48), number) for number in range(dice.choice((2, 9, 40)))]
    body = bytearray(kit.encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=20))
    if kind == "PNG" and dice.random() < 0.5:
        at = body.index(b"acTL") + 4
        body[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(body) if dice.random() < 0.6 else flipped(bytes(body), dice, head=len(body))


def _exif(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF directory of (tag, type, count, value)."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + struct.pack("<I", following)


@cache
def _nothing() -> bytes:
    """80 MB of it, packed."""
    return zlib.compress(bytes(80_000_000), 1)


def bad_metadata(dice: Random, lure: str) -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the second at which it was made
    for _ in range(20):
        profile[dice.randrange(len(profile))] = dice.randrange(256)
    whole = bytes(profile)
    icc = dice.choice((b"", whole, whole[: dice.randrange(128)], b"\xff\xff\xff\xff" + whole[4:]))
    exif = dice.choice(
        (
            _exif((0x0112, 3, 0xFFFFFFFF, 6)),
            _exif((0x0112, 3, 1, 999)),
            _exif((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), following=8),
            _exif((0x010E, 2, 0x7FFFFFFF, 0xFFFFFFF0)),
            _exif(*[(0x0100 + number, dice.randrange(16), 1 << 30, 1 << 30) for number in range(60)]),
            b"Exif\0\0" + dice.randbytes(80),
        )
    )
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: kit.encoded(kit.noise((64, 48)), dice.choice(("JPEG", "PNG", "WEBP")), exif=exif, icc_profile=icc),
        lambda: _png_of(8, 8, zlib.compress(bytes(200)), kit.png_chunk(b"iCCP", b"x\0\0" + _nothing())),
        lambda: _png_of(8, 8, zlib.compress(bytes(200)), kit.png_chunk(b"zTXt", b"x\0\0" + _nothing())),
        lambda: _png_of(8, 8, zlib.compress(bytes(200)), kit.png_chunk(b"eXIf", exif[6:])),
        lambda: honest("JPEG")[:2] + b"\xff\xe1\xff\xff" + b"http://ns.adobe.com/xap/1.0/\0" + honest("JPEG")[2:],
        lambda: honest("JPEG")[:2] + b"\xff\xe2\x00\x10ICC_PROFILE\0\xff\0" + honest("JPEG")[2:],
    )
    return dice.choice(makers)()


def canaries(dice: Random, lure: str) -> bytes:
    """Where a phone, an editor or a stranger leaves what nobody else should read."""
    kind = dice.choice(KINDS)
    exif = Image.Exif()
    exif[0x010E] = exif[0x8298] = CANARY.decode()
    exif[0x0112] = dice.choice((1, 3, 6, 8))
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + CANARY + b"</x:xmpmeta>"
    options: dict[str, object] = {"exif": exif.tobytes(), "xmp": xmp, "icc_profile": CANARY * 9, "comment": CANARY}
    kept = {name: value for name, value in options.items() if dice.random() < 0.7}
    body = kit.encoded(kit.noise((96, 64)), kind, **kept)
    if kind == "PNG":
        text = kit.png_chunk(b"tEXt", b"Comment\0" + CANARY) + kit.png_chunk(b"prVt", CANARY)
        body = body[:33] + text + body[33:]
    return body + (CANARY if dice.random() < 0.5 or CANARY not in body else b"")


def many_scans(dice: Random, lure: str) -> bytes:
    """Each scan of a progressive JPEG costs a pass over the whole picture."""
    body = kit.encoded(kit.noise((1600, 1200)), "JPEG", progressive=True, quality=50)
    start = body.rindex(b"\xff\xda")
    return body[:-2] + body[start:-2] * dice.choice((10, 40)) + b"\xff\xd9"


def foreign(dice: Random, lure: str) -> bytes:
    """What other decoders would follow somewhere else."""
    kind = dice.choice(("BMP", "TIFF", "ICO", "PPM", "JPEG2000", "TGA", "PCX"))
    address = lure.encode()
    return dice.choice(
        (
            kit.encoded(Image.new("RGB", (32, 32)), kind),
            b'<svg xmlns="http://www.w3.org/2000/svg"><image href="' + address + b'"/></svg>',
            b'<!DOCTYPE svg [<!ENTITY x SYSTEM "' + address + b'">]><svg>&x;</svg>',
            b"push graphic-context\nimage over 0,0 0,0 'url(" + address + b")'\npop graphic-context",
            b"%!PS-Adobe-3.0 EPSF-3.0\n(" + address + b") (r) file run",
            b"<html><meta http-equiv=refresh content='0;url=" + address + b"'></html>",
            b"#EXTM3U\n#EXTINF:1,\n" + address + b"\n",
            b"",
        )
    )
