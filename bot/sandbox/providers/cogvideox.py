"""The self-hosted CogVideoX (`cogvideox-server.md`): one POST held open, one generation at a time, the others wait."""

import itertools

from aiohttp import web

from bot.sandbox.providers.check import Body, Refused, check, with_defaults
from bot.sandbox.providers.films import FilmOrder
from bot.sandbox.providers.floor import Call, Floor
from bot.sandbox.providers.line import Line
from bot.sandbox.providers.reply import Reply, json_reply
from bot.sandbox.providers.schemas import cogvideox as cogvideox_schema

SECONDS = 60
PREFIX = "/cogvideox"


class CogVideoX:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._told = told = floor.options.cogvideox
        self._schema = cogvideox_schema(
            told.min_frames, told.max_frames, told.default_fps, told.default_steps, told.default_guidance
        )
        self._line = Line(floor.options, floor.studio, told.workers)
        self._ids = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        handler, model = self._floor.handler, self._told.model
        return [
            # The document's own call of /health carries no token.
            web.get(
                f"{PREFIX}/health",
                handler("cogvideox", model, "health", self._health, open_to_all=True),
                allow_head=False,
            ),
            web.get(f"{PREFIX}/info", handler("cogvideox", model, "info", self._info), allow_head=False),
            web.post(f"{PREFIX}/generate", handler("cogvideox", model, "generate", self._generate)),
        ]

    async def close(self) -> None:
        await self._line.close()

    async def _health(self, call: Call) -> Reply:
        return json_reply({"status": self._told.status})

    async def _info(self, call: Call) -> Reply:
        told = self._told
        return json_reply(
            {
                "model": told.model,
                "is_loaded": told.is_loaded,
                "error": told.error,
                "config": {
                    "default_steps": told.default_steps,
                    "default_guidance": told.default_guidance,
                    "min_frames": told.min_frames,
                    "max_frames": told.max_frames,
                    "default_fps": told.default_fps,
                },
                "system_info": {"cpu_usage": "10%", "memory_usage": "30%", "gpu_usage": "50%"},
            }
        )

    async def _generate(self, call: Call) -> Reply:
        if not self._told.is_loaded:
            raise Refused(503, "the model is not loaded")
        body = check(self._schema, call.data)
        number = next(self._ids)
        generation = self._floor.accept(call, f"cogvideox-{number}", body)
        self._line.join(generation, self._order(with_defaults(self._schema, body), number), SECONDS)
        return await call.film_when_ready(generation, "video/mp4")

    def _order(self, full: Body, number: int) -> FilmOrder:
        told = self._told
        usual = min(told.max_frames, max(told.min_frames, told.default_frames))
        frames, fps = int(full.get("num_frames", usual)), int(full["fps"])
        return FilmOrder(str(full["prompt"]), number, told.width, told.height, fps, frames)
