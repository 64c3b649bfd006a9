"""A provider's picture, in the child: fully decoded to be sure of it, and made smaller when Discord asks."""

import io
import math
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from bot.domain.job import MediaKind
from bot.media import _bare, _pixels
from bot.media._formats import HEAD_BYTES, sniff, webp_size
from bot.media._worker import seal

PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
KINDS = {"JPEG": MediaKind.JPEG, "PNG": MediaKind.PNG, "WEBP": MediaKind.WEBP}
MOST_PIXELS = 50_000_000
QUALITY = 95
QUALITIES = (92, 85, 75, 60)
SCALES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15)


Image.preinit()
warnings.simplefilter("error", Image.DecompressionBombWarning)


class _Unusable(Exception):
    pass


def work(order: dict[str, Any]) -> dict[str, object]:
    """`task` "check" with `source` answers with the facts; "bare" with `target`, and "fit" with a `limit` in bytes,
    with nothing. Or with `unusable` (a sentence), or with `errno` when the disk refused.
    """
    try:
        data = Path(order["source"]).read_bytes()
        if order["task"] == "check":
            seal()
            return _facts(_load(data), data)
        with Path(order["target"]).open("wb") as out:
            seal()
            image = _load(data)
            out.write(_bared(image) if order["task"] == "bare" else _fit(image, order["limit"]))
    except _Unusable as error:
        return {"unusable": str(error)}
    except OSError as error:
        return {"errno": error.errno}
    return {}


def _kind(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)


def _facts(image: Image.Image, data: bytes) -> dict[str, object]:
    kind = _kind(image)
    facts = {"kind": KINDS[kind], "width": image.width, "height": image.height, "codec": kind.lower()}
    return facts | {"task": None if _bare.still(kind, data) else "bare"}


def _load(data: bytes) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    kind = sniff(data[:HEAD_BYTES])
    if kind == "WEBP" and math.prod(webp_size(data)) > MOST_PIXELS:
        raise _Unusable("has too many pixels")
    try:
        image = Image.open(io.BytesIO(data), formats=["JPEG", "MPO"] if kind == "JPEG" else [str(kind)])
        image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _Unusable("has too many pixels") from error
    except (OSError, SyntaxError) as error:
        raise _Unusable("does not decode") from error
    return image


def _upright(image: Image.Image) -> Image.Image:
    turn = _pixels.TURNS.get(_pixels.orientation(image))
    picture = _pixels.flat(_pixels.plain(image), image.info.get("icc_profile"))
    return picture if turn is None else picture.transpose(turn)


def _bared(image: Image.Image) -> memoryview:
    """The same picture of the same kind with nothing but its pixels."""
    body = io.BytesIO()
    _upright(image).save(body, _kind(image), quality=QUALITY)
    return body.getbuffer()


def _fit(image: Image.Image, limit: int) -> memoryview:
    """A JPEG of at most `limit` bytes: of lower quality first, then of fewer pixels. Raises _Unusable."""
    picture = _upright(image)
    for scale in SCALES:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        smaller = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        for quality in QUALITIES:
            body = _pixels.jpeg(smaller, quality)
            if len(body) <= limit:
                return body
    raise _Unusable(f"cannot be made to fit {limit} bytes")
