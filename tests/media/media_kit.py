"""Pictures and films made on the spot, and jobs to hang them on."""

import io
import random
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import pillow_heif
from PIL import Image

from bot.domain.generation import Capability, GenerationRequest
from bot.domain.job import Destination, Job
from bot.media._formats import HEAD_BYTES, sniff
from bot.media.artifacts import STILLS

pillow_heif.register_heif_opener()

CORNERS = {
    "top_left": (220, 30, 30),
    "top_right": (30, 200, 30),
    "bottom_left": (30, 30, 220),
    "bottom_right": (230, 220, 40),
}


def job(job_id: str = "j1", capability: Capability = Capability.TEXT_TO_VIDEO) -> Job:
    request = GenerationRequest(capability, "m", "a cat")
    return Job(job_id, 1, Destination(1, 2, 3, 10 << 20), request, "p", "nonce", 0.0)


def job_of(body: bytes, job_id: str = "j1") -> Job:
    """One that has asked for such a thing."""
    return job(job_id, Capability.TEXT_TO_IMAGE if sniff(body[:HEAD_BYTES]) in STILLS else Capability.TEXT_TO_VIDEO)


def four_corners(size: tuple[int, int] = (320, 192)) -> Image.Image:
    image = Image.new("RGB", size)
    width, height = size[0] // 2, size[1] // 2
    for place, at in zip(CORNERS, ((0, 0), (width, 0), (0, height), (width, height)), strict=True):
        image.paste(CORNERS[place], (*at, at[0] + width, at[1] + height))
    return image


def corners_of(image: Image.Image) -> dict[str, tuple[int, int, int]]:
    width, height = image.size
    spots = (
        (width // 4, height // 4),
        (3 * width // 4, height // 4),
        (width // 4, 3 * height // 4),
        (3 * width // 4, 3 * height // 4),
    )
    found = {}
    for place, spot in zip(CORNERS, spots, strict=True):
        pixel = image.convert("RGB").getpixel(spot)
        assert isinstance(pixel, tuple)
        found[place] = (int(pixel[0]), int(pixel[1]), int(pixel[2]))
    return found


def alike(one: tuple[int, ...], other: tuple[int, ...], by: int = 24) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def looks_upright(image: Image.Image) -> bool:
    return all(alike(found, CORNERS[place]) for place, found in corners_of(image).items())


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    body = io.BytesIO()
    image.save(body, kind, **options)
    return body.getvalue()


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Coarse noise: pictures that compress neither to nothing nor not at all."""
    small = (max(size[0] // 8, 2), max(size[1] // 8, 2))
    pixels = random.Random(seed).randbytes(small[0] * small[1] * 3)
    return Image.frombytes("RGB", small, pixels).resize(size, Image.Resampling.BICUBIC)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: int | None = None) -> bytes:
    """A black PNG; `rows` lets the header lie about how many there are.

    Deflate blocks that end in a full flush can be repeated, so that 900 MB of nothing are packed in no time.
    """
    rows = height if rows is None else rows
    batch = 1000
    packer = zlib.compressobj(1, wbits=-15)
    block = packer.compress(bytes((width + 1) * batch)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = zlib.compressobj(1, wbits=-15)
    tail = rest.compress(bytes((width + 1) * (rows % batch))) + rest.flush()
    # Adler-32 of n zero bytes: its two sums are n and 1.
    check = struct.pack(">HH", (width + 1) * rows % 65521, 1)
    data = b"\x78\x01" + block * (rows // batch) + tail + check
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def film(
    *,
    codec: str = "libx264",
    frames: int = 12,
    size: tuple[int, int] = (96, 64),
    pixels: str = "yuv420p",
    flags: str = "faststart",
    options: dict[str, str] | None = None,
    sound: bool = False,
) -> bytes:
    """An MP4 of `frames` noisy frames at 24 per second."""
    body = io.BytesIO()
    muxer = {"movflags": flags} if flags and flags != "faststart" else {}
    with av.open(body, "w", format="mp4", options=muxer) as writer:
        stream = writer.add_stream(codec, rate=24, options=options or {})
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], pixels
        track = writer.add_stream("aac", rate=44100) if sound else None
        for number in range(frames):
            writer.mux(stream.encode(av.VideoFrame.from_image(noise(size, number))))
        writer.mux(stream.encode(None))
        if track is not None:
            silence = av.AudioFrame("fltp", "stereo", 1024)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            silence.sample_rate, silence.time_base = 44100, Fraction(1, 44100)
            for number in range(10):
                silence.pts = number * 1024
                writer.mux(track.encode(silence))
            writer.mux(track.encode(None))
    return faststart(body.getvalue()) if flags == "faststart" else body.getvalue()


def faststart(film: bytes) -> bytes:
    """The film with its index in front, by libavformat on disk-like memory: remuxed through a temporary file."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fast.mp4")
        with (
            av.open(io.BytesIO(film), "r", format="mp4") as reader,
            av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as writer,
        ):
            copies = {
                s.index: writer.add_stream_from_template(s) for s in (*reader.streams.video, *reader.streams.audio)
            }
            for packet in reader.demux():
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    writer.mux(packet)
        return path.read_bytes()


def box_list(film: bytes) -> list[tuple[str, int, int]]:
    """(kind, start, size) of the top boxes: a second reading, on purpose not the bot's own."""
    found, at = [], 0
    while at < len(film):
        size, kind = struct.unpack(">I4s", film[at : at + 8])
        if size == 1:
            size = struct.unpack(">Q", film[at + 8 : at + 16])[0]
        found.append((kind.decode("latin-1"), at, size or len(film) - at))
        at += size or len(film)
    return found


def packets(film: bytes | Path) -> list[bytes]:
    source = str(film) if isinstance(film, Path) else io.BytesIO(film)
    with av.open(source, "r", format="mp4") as reader:
        return [bytes(packet) for packet in reader.demux(video=0) if packet.size]


def facts(path: Path) -> tuple[str, str, int, int, int, float]:
    """Codec, pixel format, width, height, frames that decode and their seconds, as a player would find them."""
    with av.open(str(path), "r", format="mp4") as reader:
        stream = reader.streams.video[0]
        shown = list(reader.decode(video=0))
        assert stream.duration is not None
        assert stream.time_base is not None
        seconds = float(stream.duration * stream.time_base)
        return stream.codec.canonical_name, shown[0].format.name, shown[0].width, shown[0].height, len(shown), seconds
