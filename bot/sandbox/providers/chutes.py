"""Chutes: one POST held open until the raw film or picture comes back (`chutes-video-models.md`, `chutes-image.md`)."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from bot.sandbox.providers import schemas
from bot.sandbox.providers.check import Body, check, with_defaults
from bot.sandbox.providers.films import FilmOrder, Order, PictureOrder
from bot.sandbox.providers.floor import Act, Call, Floor
from bot.sandbox.providers.line import Line
from bot.sandbox.providers.records import ReceivedImage
from bot.sandbox.providers.reply import Reply
from bot.sandbox.providers.schemas import Schema

Size = tuple[int, int]


class Shape(Enum):
    """What decides the sides of a film."""

    RESOLUTION = "as asked"
    TURNED = "as asked, upright when the image is upright"
    IMAGE = "the image's aspect at the area of 832*480"


@dataclass(frozen=True, slots=True)
class FilmEndpoint:
    """`seconds` is the sandbox's guess at a usual render. `fps` and `frames` name a field, or are fixed without one."""

    model: str
    path: str
    schema: Schema
    seconds: float
    shape: Shape
    fps: str | int
    frames: str | int
    content_type: str = "video/mp4"
    images: tuple[str, ...] = ()


# Width first, as in Wan's "832*480"; the documents do not say which side Skyreels puts first.
_SIZES: Mapping[str, Size] = {
    "1280*720": (1280, 720),
    "720*1280": (720, 1280),
    "832*480": (832, 480),
    "480*832": (480, 832),
    "1024*1024": (1024, 1024),
    "544x960": (544, 960),
    "960x544": (960, 544),
    "540P": (960, 544),
    "720P": (1280, 720),
}
_WAN_AREA = 832 * 480
# The document names no content type for it.
_UNNAMED = "application/octet-stream"
_V2_IMAGES = ("img_b64_first", "img_b64_last")


def _skyreels_v2(model: str, seconds: float) -> list[FilmEndpoint]:
    return [
        FilmEndpoint(model, path, schema, seconds, Shape.TURNED, "fps", "num_frames", images=_V2_IMAGES)
        for path, schema in (("/text2video", schemas.SKYREELS_V2), ("/image2video", schemas.SKYREELS_V2_IMAGE))
    ]


FILM_ENDPOINTS = (
    FilmEndpoint("wan2.1-14b", "/text2video", schemas.WAN_TEXT, 120, Shape.RESOLUTION, "fps", "frames"),
    FilmEndpoint(
        "wan2.1-14b", "/image2video", schemas.WAN_IMAGE, 120, Shape.IMAGE, "fps", "frames", images=("image_b64",)
    ),
    FilmEndpoint("skyreels", "/generate", schemas.SKYREELS_TEXT, 90, Shape.RESOLUTION, 24, 97, _UNNAMED),
    FilmEndpoint(
        "skyreels", "/animate", schemas.SKYREELS_IMAGE, 90, Shape.RESOLUTION, 24, 97, _UNNAMED, ("image_b64",)
    ),
    *_skyreels_v2("skyreels-v2-14b-540p", 240),
    *_skyreels_v2("skyreels-v2-1.3b-540p", 80),
)
IMAGE_MODEL, IMAGE_PATH, IMAGE_SECONDS = "qwen-image", "/generate", 15


class Chutes:
    models = tuple(dict.fromkeys([endpoint.model for endpoint in FILM_ENDPOINTS] + [IMAGE_MODEL]))

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._line = Line(floor.options, floor.studio, workers=None)
        self._ids = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        acts: list[tuple[str, str, Act]] = [(row.model, row.path, self._film(row)) for row in FILM_ENDPOINTS]
        acts.append((IMAGE_MODEL, IMAGE_PATH, self._picture))
        return [
            web.post(f"/chutes/{model}{path}", self._floor.handler("chutes", model, "generate", act))
            for model, path, act in acts
        ]

    async def close(self) -> None:
        await self._line.close()

    def _film(self, row: FilmEndpoint) -> Act:
        async def act(call: Call) -> Reply:
            body = check(row.schema, call.data)
            images = await self._floor.images(call, body, row.images)
            film = _film_order(row, with_defaults(row.schema, body), images)
            seconds = row.seconds if film.frames > 1 else row.seconds / 10
            if film.frames == 1 and self._floor.options.single_frame == "jpeg":
                return await self._make(call, body, images, _still(film), seconds, "image/jpeg")
            return await self._make(call, body, images, film, seconds, row.content_type)

        return act

    async def _picture(self, call: Call) -> Reply:
        body = check(schemas.QWEN_IMAGE, call.data)
        full = with_defaults(schemas.QWEN_IMAGE, body)
        # The document names no default seed for pictures: each is its own.
        seed = int(full.get("seed", len(self._floor.generations)))
        order = PictureOrder(str(full["prompt"]), seed, int(full["width"]), int(full["height"]))
        return await self._make(call, body, {}, order, IMAGE_SECONDS, "image/jpeg")

    async def _make(
        self,
        call: Call,
        body: Body,
        images: Mapping[str, ReceivedImage],
        order: Order,
        seconds: float,
        content_type: str,
    ) -> Reply:
        generation = self._floor.accept(call, f"chutes-{next(self._ids)}", body, images)
        self._line.join(generation, order, seconds)
        return await call.film_when_ready(generation, content_type)


def _film_order(row: FilmEndpoint, full: Body, images: Mapping[str, ReceivedImage]) -> FilmOrder:
    pictures = [images.get(name) for name in row.images]
    first, last, *_ = [*pictures, None, None]
    width, height = _size(row.shape, full, first or last)
    return FilmOrder(
        prompt=str(full["prompt"]),
        seed=int(full["seed"]),
        width=width,
        height=height,
        fps=_number(row.fps, full),
        frames=1 if full.get("single_frame") is True else _number(row.frames, full),
        first=first.data if first else None,
        last=last.data if last else None,
    )


def _size(shape: Shape, full: Body, image: ReceivedImage | None) -> Size:
    if shape is Shape.IMAGE and image is not None:
        aspect = min(4.0, max(0.25, image.width / image.height))
        height = math.sqrt(_WAN_AREA / aspect)
        return round(height * aspect / 16) * 16, round(height / 16) * 16
    width, height = _SIZES[str(full["resolution"])]
    upright = shape is Shape.TURNED and image is not None and image.height > image.width
    return (height, width) if upright else (width, height)


def _number(source: str | int, full: Body) -> int:
    return source if isinstance(source, int) else int(full[source])


def _still(order: FilmOrder) -> PictureOrder:
    return PictureOrder(order.prompt, order.seed, order.width, order.height, order.first)
