"""Pipelet: create, poll, fetch, and cancel while queued (`pipelet-queue.md`)."""

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from bot.sandbox.providers import schemas
from bot.sandbox.providers.check import Body, Refused, check
from bot.sandbox.providers.films import FilmOrder
from bot.sandbox.providers.floor import Call, Floor
from bot.sandbox.providers.line import Line
from bot.sandbox.providers.records import Generation, GenerationState, ReceivedImage
from bot.sandbox.providers.reply import FilmInJson, Plain, Reply, json_reply
from bot.sandbox.providers.schemas import Schema

PREFIX = "/pipelet"
TASKS = 24
# The document gives no frame rate and no defaults; 16 is what Wan 2.2 makes.
FPS, USUAL_SECONDS, USUAL_SIZE, USUAL_HEIGHT = 16, 5, (832, 480), 480

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Quality:
    """Seconds: the longest film, and how long it takes to make one."""

    longest: int
    render: float


_480P, _720P = Quality(7, 90), Quality(5, 180)
TEXT_SIZES: Mapping[Size, Quality] = {
    (1280, 720): _720P,
    (720, 1280): _720P,
    (768, 768): _720P,
    (480, 832): _480P,
    (832, 480): _480P,
    (512, 512): _480P,
}
IMAGE_HEIGHTS: Mapping[int, Quality] = {480: _480P, 720: _720P}

TEXT_MODELS = ("wan22-fast-t2v", "wan22-fast-t2v-premium", "wan22-fast-t2v-pro")
IMAGE_MODELS = ("wan22-fast-i2v", "wan22-fast-i2v-vip", "wan22-fast-i2v-pro")
SCHEMAS: Mapping[str, Schema] = {
    **dict.fromkeys(TEXT_MODELS, schemas.PIPELET_TEXT),
    **dict.fromkeys(IMAGE_MODELS, schemas.PIPELET_IMAGE),
}

WORDS: Mapping[GenerationState, str] = {
    GenerationState.QUEUED: "IN_QUEUE",
    GenerationState.RUNNING: "IN_PROGRESS",
    GenerationState.COMPLETED: "COMPLETED",
    GenerationState.FAILED: "FAILED",
    GenerationState.CANCELLED: "CANCELLED",
}
# A scripted word of these is believed by everybody: the generation really ends so.
_TRUE_WORDS = {"FAILED": GenerationState.FAILED, "CANCELLED": GenerationState.CANCELLED}


class Pipelet:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._options = floor.options
        self._ids = itertools.count(1)
        self._lines = {model: Line(floor.options, floor.studio, floor.options.pipelet_workers) for model in SCHEMAS}
        self._made: dict[tuple[str, str], Generation] = {}
        self._render_seconds: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        return [route for model in SCHEMAS for route in self._routes_of(model)]

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()

    def _routes_of(self, model: str) -> list[web.RouteDef]:
        queue, one = f"{PREFIX}/queue/{model}", f"{PREFIX}/queue/{model}/requests/{{request_id}}"
        handler = self._floor.handler
        return [
            web.post(queue, handler("pipelet", model, "create", self._create)),
            web.get(f"{one}/status", handler("pipelet", model, "status", self._status), allow_head=False),
            web.get(one, handler("pipelet", model, "result", self._result), allow_head=False),
            web.put(f"{one}/cancel", handler("pipelet", model, "cancel", self._cancel)),
        ]

    async def _create(self, call: Call) -> Reply:
        model = call.record.model or ""
        body = check(SCHEMAS[model], call.data)
        images = await self._floor.images(call, body, ("data_uri",))
        size, quality = _text_size(body) if not images else _image_size(body, images["data_uri"])
        duration = int(body.get("duration", min(USUAL_SECONDS, quality.longest)))
        if duration > quality.longest:
            raise Refused(400, f"duration: more than {quality.longest} at {size[0]}x{size[1]}")
        request_id = str(next(self._ids))
        generation = self._floor.accept(call, request_id, body, images)
        self._made[model, request_id] = generation
        self._render_seconds[request_id] = quality.render
        first = images["data_uri"].data if images else None
        order = FilmOrder(str(body["prompt"]), int(request_id), *size, FPS, duration * FPS, first)
        self._lines[model].join(generation, order, quality.render)
        return json_reply({"request_id": request_id, **self._urls(call, generation)})

    async def _status(self, call: Call) -> Reply:
        generation = self._found(call)
        word = self._scripted_word(call, generation) or WORDS[generation.state]
        answer: dict[str, object] = {"status": word}
        if word == "IN_QUEUE":
            answer["queue_position"] = self._lines[generation.model].position(generation)
        answer["statusMessages"] = self._messages(generation, word)
        answer["response_url"] = self._urls(call, generation)["response_url"]
        return json_reply(answer)

    async def _cancel(self, call: Call) -> Reply:
        generation = self._found(call)
        if not self._lines[generation.model].cancel(generation):
            raise Refused(409, f"it is {WORDS[generation.state]}; only a queued request can be cancelled")
        return Reply(Plain(b""), status=204)

    async def _result(self, call: Call) -> Reply:
        generation = self._found(call)
        if generation.film is None or generation.state is not GenerationState.COMPLETED:
            raise Refused(409, f"there is no result: it is {WORDS[generation.state]}")
        choice = self._options.pipelet_prefix
        prefixed = choice == "always" or (choice == "alternate" and int(generation.request_id) % 2 == 0)
        wrap = functools.partial(FilmInJson, prefix="data:video/mp4;base64," if prefixed else "")
        return call.film_reply(generation, wrap, "application/json")

    def _found(self, call: Call) -> Generation:
        request_id = call.request.match_info["request_id"]
        generation = self._made.get((call.record.model or "", request_id))
        if generation is None:
            raise Refused(404, "no such request of this model")
        return generation

    def _scripted_word(self, call: Call, generation: Generation) -> str | None:
        if call.fault is None or call.fault.status_word is None:
            return None
        state = _TRUE_WORDS.get(call.fault.status_word)
        if state is not None and not generation.finished.is_set():
            self._lines[generation.model].end(generation, state, call.fault.reason)
        return call.fault.status_word

    def _messages(self, generation: Generation, word: str) -> dict[str, str]:
        if word == "IN_QUEUE":
            return {}
        if word == "FAILED":
            return {"message": "FAILED", "detail_message": generation.reason}
        full = {
            "message": "PROCESSING" if word == "IN_PROGRESS" else word,
            "detail_message": self._progress(generation),
        }
        generation.polls += 1
        if word != "IN_PROGRESS" or self._options.pipelet_messages == "full":
            return full
        # The first poll and four of six after it are complete.
        lacking = {3: ("message", "detail_message"), 5: ("detail_message",), 0: ("message",)}
        return {key: text for key, text in full.items() if key not in lacking.get(generation.polls % 7, ())}

    def _progress(self, generation: Generation) -> str:
        done = TASKS
        if generation.state is not GenerationState.COMPLETED and generation.started_at is not None:
            passed = (self._options.clock.now() - generation.started_at) * self._options.speed
            done = min(TASKS - 1, int(TASKS * passed / self._render_seconds[generation.request_id]))
        return f"Progress: {done}/{TASKS} Tasks done"

    def _urls(self, call: Call, generation: Generation) -> dict[str, str]:
        origin = self._options.pipelet_urls or f"{call.request.scheme}://{call.request.host}"
        one = f"{origin}{PREFIX}/queue/{generation.model}/requests/{generation.request_id}"
        return {"response_url": one, "status_url": f"{one}/status", "cancel_url": f"{one}/cancel"}


def _text_size(body: Body) -> tuple[Size, Quality]:
    if ("width" in body) != ("height" in body):
        raise Refused(400, "width and height go together")
    size = (int(body["width"]), int(body["height"])) if "width" in body else USUAL_SIZE
    if size not in TEXT_SIZES:
        sizes = ", ".join(f"{width}x{height}" for width, height in TEXT_SIZES)
        raise Refused(400, f"width, height: {size[0]}x{size[1]} is not one of {sizes}")
    return size, TEXT_SIZES[size]


def _image_size(body: Body, image: ReceivedImage) -> tuple[Size, Quality]:
    """The document gives the height only; the image's aspect gives the width, within 9:16 and 16:9."""
    height = int(body.get("height", USUAL_HEIGHT))
    aspect = min(16 / 9, max(9 / 16, image.width / image.height))
    return (round(height * aspect / 2) * 2, height), IMAGE_HEIGHTS[height]
