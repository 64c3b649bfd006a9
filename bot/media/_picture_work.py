"""A member's picture, in the child: decode, fit, orient, flatten and strip it. Everything it reads may be hostile.

The output file is opened before the first byte is decoded, and nothing can be opened after that (`seal`). A decoder
that fails in a way not listed here ends the process, and the parent calls the picture damaged.
"""

import io
import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

import pillow_heif
from PIL import (  # every plugin that decodes: nothing can be imported once sealed
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from bot.domain.errors import PictureProblem
from bot.media import _pixels
from bot.media._formats import HEAD_BYTES, sniff, webp_size
from bot.media._worker import seal

PLUGINS = (AvifImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
# What Pillow may take a file for, by what its first bytes say. MPO is a JPEG with more pictures behind it.
ACCEPTED = {
    "JPEG": ("JPEG", "MPO"),
    "PNG": ("PNG",),
    "WEBP": ("WEBP",),
    "GIF": ("GIF",),
    "HEIF": ("HEIF",),
    "AVIF": ("AVIF",),
}
LEAST_SIDE = 16
LONGEST_SIDE = 1280
QUALITY, LOWER_QUALITY = 95, 60
# Room for a good filter after a decoder or a box filter has done the coarse part of the scaling.
GAP = 2.0

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=2)
Image.preinit()
warnings.simplefilter("error", Image.DecompressionBombWarning)

FrameSize = Sequence[int | None]


class _Refused(Exception):
    def __init__(self, problem: PictureProblem) -> None:
        super().__init__(problem)
        self.problem = problem


def work(order: dict[str, Any]) -> dict[str, object]:
    """`source` and `target` are paths, `frames` is [[width or null, height or null], ...]; `max_bytes`, `max_pixels`;
    `small` for fewer bytes.

    Answers `width`, `height` and `frame`; or `problem`; or `errno` when the disk refused.
    """
    try:
        with open(order["source"], "rb", buffering=0) as file:  # noqa: PTH123  # a Path adds nothing
            data = file.read(order["max_bytes"] + 1)
        out = os.open(order["target"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        seal()
        if len(data) > order["max_bytes"]:
            return {"problem": PictureProblem.TOO_MANY_BYTES}
        picture, frame = _prepare(data, order["max_pixels"], order["frames"])
        _write(out, _pixels.jpeg(picture, LOWER_QUALITY if order["small"] else QUALITY))
    except _Refused as refused:
        return {"problem": refused.problem}
    except OSError as error:
        return {"errno": error.errno}
    return {"width": picture.width, "height": picture.height, "frame": frame}


def _prepare(data: bytes, max_pixels: int, frames: Sequence[FrameSize]) -> tuple[Image.Image, int]:
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        image = _open(data, max_pixels)
        orientation = _pixels.orientation(image)
        size = image.size[::-1] if orientation in _pixels.SIDEWAYS else image.size
        frame = nearest(size, frames)
        target = fitted(size, frames[frame] if frames else (None, None))
        if min(size) < LEAST_SIDE:
            raise _Refused(PictureProblem.TOO_SMALL)
        profile = image.info.get("icc_profile")
        image = _scaled(image, target[::-1] if orientation in _pixels.SIDEWAYS else target)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _Refused(PictureProblem.TOO_MANY_PIXELS) from error
    except OSError as error:
        raise _Refused(PictureProblem.DAMAGED) from error
    if orientation in _pixels.TURNS:
        image = image.transpose(_pixels.TURNS[orientation])
    return _pixels.flat(image, profile), frame


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise _Refused(PictureProblem.EMPTY)
    kind = sniff(data[:HEAD_BYTES])
    if kind is None:
        raise _Refused(PictureProblem.NOT_A_PICTURE)
    if kind not in ACCEPTED:
        raise _Refused(PictureProblem.UNSUPPORTED)
    # Pillow's WebP decoder takes its memory on opening, before anybody can look at the size.
    if kind == "WEBP" and math.prod(webp_size(data)) > max_pixels:
        raise _Refused(PictureProblem.TOO_MANY_PIXELS)
    image = Image.open(io.BytesIO(data), formats=ACCEPTED[kind])
    if image.width * image.height > max_pixels:
        raise _Refused(PictureProblem.TOO_MANY_PIXELS)
    return image


def nearest(size: tuple[int, int], frames: Sequence[FrameSize]) -> int:
    """The first of the frames nearest in shape to `size`; one that takes any shape is as near as can be."""

    def distance(index: int) -> float:
        width, height = frames[index]
        return abs(math.log(size[0] / size[1] * height / width)) if width and height else 0

    return min(range(len(frames)), key=distance, default=0)


def fitted(size: tuple[int, int], frame: FrameSize) -> tuple[int, int]:
    """The pixels to make of a picture of `size`: the frame itself, or its own shape scaled down, in even numbers, and
    cropped where one side would be next to nothing."""
    width, height = frame
    if width and height:
        return width, height
    ratios = [side / own for side, own in zip(frame, size, strict=True) if side]
    scale = min(1, *ratios, *([] if ratios else [LONGEST_SIDE / max(size)]))
    even_width, even_height = (max(LEAST_SIDE, int(side * scale + 1e-6) // 2 * 2) for side in size)
    return even_width, even_height


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Cropped in its middle to the shape of `size`, then scaled to it."""
    scale = max(size[0] / image.width, size[1] / image.height)
    # A JPEG decodes at an eighth, a quarter or a half for a fraction of the price.
    image.draft(None, (math.ceil(image.width * scale * GAP), math.ceil(image.height * scale * GAP)))
    image.load()
    image = _pixels.plain(image)
    scale = max(size[0] / image.width, size[1] / image.height)
    margin_x, margin_y = (image.width - size[0] / scale) / 2, (image.height - size[1] / scale) / 2
    box = (max(margin_x, 0), max(margin_y, 0), image.width - max(margin_x, 0), image.height - max(margin_y, 0))
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=GAP)


def _write(out: int, body: memoryview) -> None:
    with os.fdopen(out, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
