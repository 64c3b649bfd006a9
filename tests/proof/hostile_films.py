"""Films and stills that no honest provider sends, in place of what was asked for."""

import struct
from collections.abc import Callable
from functools import cache
from random import Random

from PIL import Image

from tests.media import media_kit as kit
from tests.proof import hostile_pictures as pictures
from tests.proof.hostile_pictures import CANARY, flipped, honest, tails

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"edts", b"udta")
FLAGS = ("faststart", "", "frag_keyframe+empty_moov")
Edit = Callable[[bytes, bytes], bytes]


@cache
def film(flags: str = "faststart", *, sound: bool = False) -> bytes:
    return kit.film(flags=flags, frames=6, size=(64, 48), sound=sound, options={"g": "3"})


def some(dice: Random) -> bytes:
    return film(dice.choice(FLAGS), sound=dice.random() < 0.3)


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def edited(body: bytes, edit: Edit, *, more: bytes = b"", into: bytes = b"moov") -> bytes:
    """Every box's content run through `edit(kind, content)`, and `more` appended to the first `into`.

    Sizes are kept right; chunk offsets move along with pictures that stand behind the index.
    """
    done = False

    def walk(part: bytes, shift: int) -> bytes:
        nonlocal done
        out, at = b"", 0
        while at + 8 <= len(part):
            size, kind = struct.unpack(">I4s", part[at : at + 8])
            content = part[at + 8 : at + size]
            at += size
            content = walk(content, shift) if kind in CONTAINERS else edit(kind, content)
            if kind == b"stco" and shift:
                offsets = struct.unpack(f">{len(content[8:]) // 4}I", content[8:])
                content = content[:8] + struct.pack(f">{len(offsets)}I", *(offset + shift for offset in offsets))
            if kind == into and not done:
                done = True
                content += more
            out += box(kind, content)
        return out

    once = walk(body, 0)
    before = body.index(b"moov") < body.index(b"mdat")
    done = False
    return walk(body, len(once) - len(body)) if before else once


def unchanged(kind: bytes, content: bytes) -> bytes:
    return content


def cut(dice: Random, lure: str) -> bytes:
    body = some(dice)
    joints = [at for _, at, _ in kit.box_list(body)][1:]
    return body[: dice.choice((dice.choice(joints), dice.randrange(len(body)), len(body) - dice.randrange(1, 9)))]


def bits(dice: Random, lure: str) -> bytes:
    """In the index, mostly."""
    body = some(dice)
    at = body.index(b"moov")
    if dice.random() < 0.3:
        return flipped(body, dice, head=len(body))
    return body[:at] + flipped(body[at : at + 1200], dice, head=1200) + body[at + 1200 :]


def polyglot(dice: Random, lure: str) -> bytes:
    tail = dice.choice(tails(lure))
    return dice.choice((some(dice) + tail, tail + some(dice), film() + box(b"free", tail), film() + box(b"uuid", tail)))


def playlist(dice: Random, lure: str) -> bytes:
    text = dice.choice(
        (
            f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n{lure}/a.ts\n#EXT-X-ENDLIST\n",
            f"#EXTM3U\n#EXTINF:1,\nconcat:{lure}/a|file:///etc/passwd\n",
            f"ffconcat version 1.0\nfile '{lure}/a.mp4'\n",
            f"<?xml version='1.0'?><MPD><Period><BaseURL>{lure}</BaseURL></Period></MPD>",
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video {lure.rsplit(':', 1)[1]} RTP/AVP 96\n",
            f"[reference]\nRef1={lure}\n",
        )
    ).encode()
    brand = box(b"ftyp", b"isom\0\0\2\0isom")
    index = box(b"moov", text)
    return dice.choice((text, brand + text, brand + box(b"mdat", text), brand + index + box(b"mdat", text)))


def elsewhere(dice: Random, lure: str) -> bytes:
    """The pictures are said to be in another file."""
    target = dice.choice((lure, "file:///etc/passwd", "/etc/passwd", f"subfile,,start,0,end,9,,:{lure}")).encode()
    entry = struct.pack(">II", 0, 1) + box(dice.choice((b"url ", b"alis", b"rsrc")), bytes(4) + target + b"\0")
    return edited(film(dice.choice(("", "faststart"))), lambda name, old: entry if name == b"dref" else old)


def sizes(dice: Random, lure: str) -> bytes:
    """Boxes larger than their file, negative, or too small for their own head."""
    body = bytearray(some(dice))
    kinds = [b"ftyp", b"moov", b"mdat", b"trak", b"stbl", b"stsd", b"stsz", b"stts", b"avcC", b"mvhd", b"hdlr"]
    at = body.find(dice.choice(kinds)) - 4
    at = max(at, 0)
    size = dice.choice((0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, len(body) + 1, 1, 2, 7))
    body[at : at + 4] = struct.pack(">I", size)
    if size == 1:
        body[at + 8 : at + 16] = struct.pack(">Q", dice.choice((0, 15, 1 << 63, (1 << 64) - 1, len(body) + 1)))
    return bytes(body)


def empty_boxes(dice: Random, lure: str) -> bytes:
    base = film()
    zero = bytes(4) + dice.choice((b"free", b"moov", b"mdat", b"udta", b"\0\0\0\0"))
    return dice.choice(
        (
            base + zero,
            base[: base.index(b"moov") - 4] + zero + base[base.index(b"moov") - 4 :],
            base + box(b"free") * dice.choice((9, 12_000)),
            edited(base, unchanged, more=zero * 3, into=dice.choice((b"moov", b"stbl", b"trak"))),
            box(b"ftyp", b"isom") + box(b"moov") + box(b"mdat"),
        )
    )


def nested(dice: Random, lure: str) -> bytes:
    kinds = dice.choice(((b"moov",), (b"udta",), (b"trak", b"mdia"), (b"meta", b"ilst"), (b"edts",)))
    inner = b""
    for depth in range(dice.choice((20, 300, 3000))):
        inner = box(kinds[depth % len(kinds)], inner)
    alone = box(b"ftyp", b"isom\0\0\2\0") + inner + box(b"mdat", b"x")
    return dice.choice((edited(film(), unchanged, more=inner), alone))


def index_bomb(dice: Random, lure: str) -> bytes:
    """Tables that announce more than any film has; some need no bytes for it."""
    huge = dice.choice((1 << 20, 1 << 28, 0x7FFFFFFF, 0xFFFFFFFF))
    edits: tuple[Edit, ...] = (
        lambda kind, old: struct.pack(">III", 0, 1, huge) if kind == b"stsz" else old,
        lambda kind, old: old[:4] + struct.pack(">I", huge) + old[8:] if kind == b"stts" else old,
        lambda kind, old: struct.pack(">IIII", 0, 1, huge, 1) if kind == b"stts" else old,
        lambda kind, old: old[:4] + struct.pack(">I", huge) + old[8:] if kind in (b"stco", b"stsc") else old,
        lambda kind, old: struct.pack(">IIIII", 0, 1, 1, huge, 1) if kind == b"stsc" else old,
        lambda kind, old: old[:12] + bytes(4) + old[16:] if kind == b"mdhd" else old,
        lambda kind, old: old[:-8] + b"\xff\xff\0\0\xff\xff\0\0" if kind == b"tkhd" else old,
        lambda kind, old: old.replace(struct.pack(">HH", 64, 48), b"\xff\xff\xff\xff") if kind == b"stsd" else old,
    )
    body = film(dice.choice(("", "faststart")))
    if dice.random() < 0.2:
        trak = body[body.index(b"trak") - 4 :][: struct.unpack(">I", body[body.index(b"trak") - 4 :][:4])[0]]
        return edited(body, unchanged, more=trak * dice.choice((20, 400)))
    return edited(body, dice.choice(edits))


PICTURE_NAMES = (
    b"mp4v",
    b"jpeg",
    b"png ",
    b"raw ",
    b"cvid",
    b"SVQ3",
    b"tmcd",
    b"text",
    b"encv",
    b"hvc1",
    b"av01",
    b"mp4a",
)
SOUND_NAMES = ((b"sbtl", b"tx3g"), (b"text", b"text"), (b"soun", b"alac"), (b"soun", b"Opus"), (b"meta", b"mett"))
DEAR = (("mjpeg", "yuvj420p"), ("mpeg4", "yuv420p"), ("png", "rgb24"), ("libx264", "yuv444p"))


def other_codecs(dice: Random, lure: str) -> bytes:
    """Codecs and tracks that a film for Discord has no use for, and names that lie about them."""
    codec, pixels = dice.choice(DEAR)
    name, (handler, entry) = dice.choice(PICTURE_NAMES), dice.choice(SOUND_NAMES)
    flags = dice.choice(("", "faststart"))
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: kit.film(codec=codec, pixels=pixels, frames=3, size=(64, 48), flags=""),
        lambda: edited(film(flags), lambda kind, old: old.replace(b"avc1", name) if kind == b"stsd" else old),
        lambda: edited(film(flags, sound=True), lambda kind, old: _renamed(kind, old, handler, entry)),
    )
    return dice.choice(makers)()


def _renamed(kind: bytes, old: bytes, handler: bytes, entry: bytes) -> bytes:
    """The second track is said to be something else than sound."""
    if kind == b"hdlr":
        return old.replace(b"soun", handler)
    return old.replace(b"mp4a", entry) if kind == b"stsd" else old


def canaries(dice: Random, lure: str) -> bytes:
    comment = box(b"\xa9cmt", box(b"data", struct.pack(">II", 1, 0) + CANARY))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    meta = box(b"meta", bytes(4) + handler + box(b"ilst", comment))
    xmp = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x:xmpmeta>" + CANARY + b"</x:xmpmeta>")
    place = box(b"\xa9xyz", struct.pack(">HH", len(CANARY), 0x15C7) + CANARY)
    user = dice.choice((meta, place, box(b"XMP_", CANARY)))
    more = dice.choice((box(b"udta", user), xmp, meta, box(b"free", CANARY)))
    base = film(dice.choice(("", "faststart")))
    if dice.random() < 0.3:
        return base + more
    if dice.random() < 0.2:
        return edited(base, lambda kind, old: old[:24] + CANARY + b"\0" if kind == b"hdlr" else old)
    return edited(base, unchanged, more=more, into=dice.choice((b"moov", b"trak", b"stbl")))


def still(dice: Random, lure: str) -> bytes:
    """A picture as a result."""
    kind = dice.choice(("JPEG", "PNG", "WEBP"))
    return dice.choice(
        (
            lambda: honest(kind),
            lambda: honest(kind)[: dice.randrange(len(honest(kind)))],
            lambda: flipped(honest(kind), dice),
            lambda: honest(kind) + dice.choice(tails(lure)),
            lambda: pictures.canaries(dice, lure),
            lambda: pictures.animated(dice, lure),
            lambda: pictures.bomb(dice, lure),
            lambda: kit.encoded(Image.new("RGB", (64, 64)), dice.choice(("GIF", "BMP", "TIFF", "AVIF"))),
        )
    )()
