"""Draws films and pictures. Everything here blocks and belongs in a child process."""

import hashlib
import io
import math
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont, ImageOps

# A frame is drawn this large and scaled by the encoder's own scaler, several times cheaper than drawing in full.
_FRAME_CANVAS = 640
_PICTURE_CANVAS = 2048
_MOVES_PER_SECOND = 12
_MOST_MOVES = 160


@dataclass(frozen=True, slots=True)
class PictureOrder:
    prompt: str
    seed: int
    width: int
    height: int
    first: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FilmOrder:
    """Even sides. `first` and `last` are encoded images: the film moves over the first and ends on the last."""

    prompt: str
    seed: int
    width: int
    height: int
    fps: int
    frames: int
    first: bytes | None = field(default=None, repr=False)
    last: bytes | None = field(default=None, repr=False)


Order = FilmOrder | PictureOrder
Scene = Callable[[float], Image.Image]


def render(order: Order) -> bytes:
    """A faststart MP4 (H.264, yuv420p) or a JPEG; the same order gives the same picture."""
    return _picture(order) if isinstance(order, PictureOrder) else _film(order)


def _picture(order: PictureOrder) -> bytes:
    scene = _scene(order, _PICTURE_CANVAS, order.first, None)
    out = io.BytesIO()
    scene(0.3).resize((order.width, order.height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=88)
    return out.getvalue()


def _film(order: FilmOrder) -> bytes:
    scene = _scene(order, _FRAME_CANVAS, order.first, order.last)
    # Several frames share one drawing: the picture moves about twelve times a second.
    share = max(1, round(order.fps / _MOVES_PER_SECOND), math.ceil(order.frames / _MOST_MOVES))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream(
                "libx264", rate=order.fps, options={"preset": "ultrafast", "crf": "26", "g": "250", "threads": "1"}
            )
            stream.width, stream.height, stream.pix_fmt = order.width, order.height, "yuv420p"
            for index in range(order.frames):
                if index % share == 0:
                    drawing = av.VideoFrame.from_image(scene(index / order.frames))  # type: ignore[no-untyped-call] # PyAV
                    frame = drawing.reformat(order.width, order.height, "yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, order.fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def _scene(order: Order, canvas: int, first: bytes | None, last: bytes | None) -> Scene:
    """A function from the time, 0 to 1, to a small picture."""
    scale = min(1.0, canvas / max(order.width, order.height))
    size = (max(16, round(order.width * scale)), max(16, round(order.height * scale)))
    caption = _caption(order.prompt, size)
    start = first or last
    move = _landscape(order, size) if start is None else _animated(start, last, size)

    def drawn(time: float) -> Image.Image:
        picture = move(time)
        picture.paste(caption, (0, size[1] - caption.height), caption)
        return picture

    return drawn


def _landscape(order: Order, size: tuple[int, int]) -> Scene:
    """A sun that crosses the sky over rolling hills, in colours that the prompt and the seed decide."""
    width, height = size
    digest = hashlib.sha256(f"{order.seed}:{order.prompt}".encode("utf-8", "replace")).digest()
    hue, warm = digest[0] * 360 // 256, digest[1] * 360 // 256
    slope = Image.linear_gradient("L").resize(size)
    sky = ImageOps.colorize(slope, f"hsl({hue},55%,22%)", f"hsl({warm},70%,72%)")
    hills = [(f"hsl({hue},45%,{34 - 11 * each}%)", 0.52 + 0.12 * each, each) for each in range(3)]
    radius = min(size) * (3 + digest[2] % 3) / 40

    def moved(time: float) -> Image.Image:
        picture = sky.copy()
        pen = ImageDraw.Draw(picture)
        x, y = width * (0.1 + 0.8 * time), height * (0.5 - 0.35 * math.sin(math.pi * time))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=f"hsl({warm},90%,88%)")
        for colour, top, each in hills:
            phase = digest[3 + each] / 40 + time * (1 + each) * 1.5
            pen.polygon(_ridge(size, top, phase, waves=1.2 + 0.7 * each), fill=colour)
        return picture

    return moved


def _ridge(size: tuple[int, int], top: float, phase: float, waves: float) -> list[tuple[float, float]]:
    width, height = size
    ridge: list[tuple[float, float]] = []
    for step in range(65):
        angle = 2 * math.pi * waves * step / 64 + phase
        ridge.append((width * step / 64, height * (top + 0.06 * math.sin(angle) + 0.03 * math.sin(2.3 * angle))))
    return [(0, height), *ridge, (width, height)]


def _animated(first: bytes, last: bytes | None, size: tuple[int, int]) -> Scene:
    start = _covering(first, size)
    end = _covering(last, size) if last is not None else None

    def moved(time: float) -> Image.Image:
        picture = _zoomed(start, size, time)
        return picture if end is None else Image.blend(picture, _zoomed(end, size, 1 - time), time)

    return moved


def _covering(data: bytes, size: tuple[int, int]) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return ImageOps.fit(upright, (size[0] * 5 // 4, size[1] * 5 // 4))


def _zoomed(image: Image.Image, size: tuple[int, int], time: float) -> Image.Image:
    width, height = image.size
    part = 1 - 0.2 * time
    left, top = (width - width * part) * (0.5 + 0.5 * time), (height - height * part) / 2
    return image.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + width * part, top + height * part))


def _caption(prompt: str, size: tuple[int, int]) -> Image.Image:
    width, height = size
    points = max(10, min(width, height) // 14)
    readable = prompt.encode("utf-8", "replace").decode("utf-8")
    lines = textwrap.wrap(readable, max(8, int(width / (points * 0.55))), max_lines=3, placeholder=" ...") or [" "]
    box = Image.new("RGBA", (width, round(points * (1.3 * len(lines) + 0.6))), (0, 0, 0, 120))
    ImageDraw.Draw(box).multiline_text(
        (points // 2, points // 4),
        "\n".join(lines),
        fill="white",
        font=ImageFont.load_default(points),
        spacing=points // 4,
    )
    return box
