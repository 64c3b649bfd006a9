"""Pixels out of any mode that a decoder yields, into plain sRGB on white; used in children only."""

import io
import struct

from PIL import ExifTags, Image, ImageCms

PROFILE_BYTES = 1 << 20
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def orientation(image: Image.Image) -> int:
    """EXIF's, 1 to 8; 1 when it says nothing that makes sense. Loads a PNG. Raises OSError as `load` does."""
    if image.format == "PNG":
        image.load()  # its EXIF may stand behind its pixels
    try:
        found = image.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error):
        return 1
    return found if found in TURNS else 1


def plain(image: Image.Image) -> Image.Image:
    """In a mode that can be scaled: L, LA, RGB, RGBA or CMYK, of 8 bits."""
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image)
    if image.mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")


def flat(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A `plain` one in sRGB on a fresh white canvas: nothing of the file comes along but pixels."""
    colours = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode))
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(_srgb(colours, profile), mask=image.getchannel("A") if "A" in image.getbands() else None)
    return canvas


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and len(profile) <= PROFILE_BYTES:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, own, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None  # a broken profile, or one for other colours: the picture is none the worse
        if converted is not None:
            return converted
    return image.convert("RGB")


def jpeg(picture: Image.Image, quality: int) -> memoryview:
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=quality)
    return body.getbuffer()
