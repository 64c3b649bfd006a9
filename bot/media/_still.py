"""A provider's picture, in the child: fully decoded to be sure of it, and made smaller when Discord asks."""

import io
from typing import BinaryIO

from PIL import Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from bot.domain.job import MediaKind
from bot.media import _pixels
from bot.media._film_check import Unusable
from bot.media._formats import webp_size

PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
KINDS = {"JPEG": MediaKind.JPEG, "PNG": MediaKind.PNG, "WEBP": MediaKind.WEBP}
MOST_PIXELS = 50_000_000
QUALITIES = (92, 85, 75, 60)
SCALES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15)


def check_still(file: BinaryIO, kind: str) -> dict[str, object]:
    """`kind` is Pillow's word. Raises Unusable."""
    image = _load(file.read(), kind)
    return {"kind": KINDS[kind], "width": image.width, "height": image.height, "codec": kind.lower(), "task": None}


def _load(data: bytes, kind: str) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        if kind == "WEBP" and webp_size(data)[0] * webp_size(data)[1] > MOST_PIXELS:
            raise Unusable("has too many pixels")
        image = Image.open(io.BytesIO(data), formats=["JPEG", "MPO"] if kind == "JPEG" else [kind])
        image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Unusable("has too many pixels") from error
    except (OSError, SyntaxError) as error:
        raise Unusable("does not decode") from error
    return image


def fit_still(file: BinaryIO, kind: str, limit: int) -> memoryview:
    """A JPEG of at most `limit` bytes: of lower quality first, then of fewer pixels. Raises Unusable."""
    image = _load(file.read(), kind)
    turn = _pixels.TURNS.get(_pixels.orientation(image))
    picture = _pixels.flat(_pixels.plain(image), image.info.get("icc_profile"))
    if turn is not None:
        picture = picture.transpose(turn)
    for scale in SCALES:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        smaller = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        for quality in QUALITIES:
            body = _pixels.jpeg(smaller, quality)
            if len(body) <= limit:
                return body
    raise Unusable(f"cannot be made to fit {limit} bytes")
