import asyncio
import base64
import binascii
import hashlib
import io
import warnings

from PIL import Image

from bot.sandbox.providers.check import Refused
from bot.sandbox.providers.records import ReceivedImage

_MOST_PIXELS = 50_000_000


async def received_image(name: str, text: str) -> ReceivedImage:
    """Raises `Refused` (400) for anything but bare base64 of an image that decodes completely."""
    return await asyncio.to_thread(_decoded, name, text)


def _decoded(name: str, text: str) -> ReceivedImage:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"{name}: not bare base64") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise Refused(400, f"{name}: more than {_MOST_PIXELS} pixels")
                image.load()
                form, width, height = image.format or "", image.width, image.height
                # As it is shown: a camera's sideways picture counts upright.
                if image.getexif().get(_ORIENTATION, 1) >= _SIDEWAYS:
                    width, height = height, width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Refused(400, f"{name}: not an image that decodes") from error
    return ReceivedImage(data, width, height, form, hashlib.sha256(data).hexdigest())


_ORIENTATION = 0x0112
_SIDEWAYS = 5
