"""A plain client of the sandbox's providers, and what the tests ask of a film."""

import base64
import io
import json
from dataclasses import dataclass

import aiohttp
import av
from PIL import Image

from bot.sandbox.providers import SandboxProviders


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    data: bytes
    headers: dict[str, str]

    @property
    def json(self):
        return json.loads(self.data)


class Client:
    """Speaks to one provider with that provider's token; `token=None` sends none."""

    def __init__(self, providers: SandboxProviders, session: aiohttp.ClientSession) -> None:
        self.providers, self.session = providers, session

    async def call(self, method: str, url: str, body=None, *, token="right", **options) -> Answer:
        if url.startswith("/"):
            url = self.providers.origin + url
        headers = dict(options.pop("headers", {}))
        provider = url.removeprefix(self.providers.origin).split("/")[1]
        if token is not None:
            headers["Authorization"] = f"Bearer {self.providers.tokens[provider] if token == 'right' else token}"
        if body is not None:
            options["json"] = body
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **options) as reply:
            return Answer(reply.status, reply.content_type, await reply.read(), dict(reply.headers))

    async def post(self, url: str, body=None, **options) -> Answer:
        return await self.call("POST", url, body, **options)

    async def get(self, url: str, **options) -> Answer:
        return await self.call("GET", url, **options)


@dataclass(frozen=True)
class FilmFacts:
    size: tuple[int, int]
    fps: int
    frames: int


def facts(film: bytes) -> FilmFacts:
    """Decodes every frame. Fails unless it is a faststart MP4 with one H.264 yuv420p stream."""
    assert film[4:8] == b"ftyp"
    assert 0 < film.find(b"moov") < film.find(b"mdat")
    with av.open(io.BytesIO(film)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        decoded = sum(1 for _ in container.decode(video=0))
        assert decoded == stream.frames
        return FilmFacts((stream.width, stream.height), int(stream.average_rate), decoded)


def frames(film: bytes) -> list[Image.Image]:
    with av.open(io.BytesIO(film)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def image_base64(width: int = 60, height: int = 40, colour: str = "red", form: str = "PNG") -> str:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, form)
    return base64.b64encode(out.getvalue()).decode()


def average(image: Image.Image) -> tuple[int, int, int]:
    """The colour of the upper half, where no caption is."""
    upper = image.crop((0, 0, image.width, image.height // 2))
    return upper.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
