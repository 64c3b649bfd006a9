"""CogVideoX: a server of one's own; one POST held open, and a page that names its model (cogvideox-server.md)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bot.domain.errors import BadResponse, Evidence, Rejected, Unavailable
from bot.domain.generation import Capability, GenerationRequest, ModelSpec, Option
from bot.providers._body import encode, spec_of
from bot.providers._decoders import Raw
from bot.providers._http import PRODUCTION, Http, Wire, checked_url
from bot.providers._replies import ASK, HOLD_OPEN, Answer

# What the document shows; `/info` rules once it was read (ruling 16). It bounds neither fps, steps nor guidance, and
# gives no pace: those figures are ours.
_DOCUMENTED = ModelSpec(
    id="cogvideox",
    provider="cogvideox",
    capability=Capability.TEXT_TO_VIDEO,
    path="/generate",
    usual_seconds=300,
    default_fps=24,
    fps=Option("fps", 1, 60),
    frames=Option("num_frames", 8, 100),
    steps=Option("num_inference_steps", 1, 100),
    guidance=Option("guidance_scale", 0, 20),
)

_Count = Annotated[int, Field(ge=1, le=100_000)]


class _Health(Answer):
    status: str


class _Config(Answer):
    min_frames: _Count
    max_frames: _Count
    default_fps: Annotated[int, Field(ge=1, le=240)]


class _Info(Answer):
    # A member picks it from a list and reads it in a message.
    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$")]
    config: _Config
    is_loaded: bool = True
    error: str | None = None


class CogVideoXProvider:
    name = "cogvideox"
    billed = False

    def __init__(
        self,
        token: str,
        *,
        base_url: str,
        concurrency: int = 1,
        total: float = 1800.0,
        ask: float = 30.0,
        wire: Wire = PRODUCTION,
    ) -> None:
        """`total` bounds a generation, `ask` a question, in seconds.

        Raises ValueError for a token or URL that cannot be one.
        """
        self.concurrency = concurrency
        self._base = checked_url(base_url)
        self._total, self._ask = total, ask
        self._http = Http(self.name, token, wire)
        self._model = _DOCUMENTED

    def models(self) -> Sequence[ModelSpec]:
        return (self._model,)

    async def refresh(self) -> None:
        await self._info()

    async def healthy(self) -> str:
        async with self._http.get(ASK, f"{self._base}/health", self._ask) as reply:
            health = await reply.parse(_Health)
        if health.status != "healthy":
            raise self._down(f"says that it is {health.status}")
        info = await self._info()
        if not info.is_loaded or info.error:
            raise self._down(info.error or "its model is not loaded")
        frames = info.config
        return f"healthy: {info.model}, {frames.min_frames} to {frames.max_frames} frames"

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        if request.model != self._model.id:
            await self._ask_for_its_model()
        spec = spec_of(self.name, self.models(), request)
        body = await encode(spec, request, images)
        async with self._http.once(HOLD_OPEN, "POST", self._base + spec.path, self._total, body) as reply:
            await reply.save(into, Raw())

    async def _ask_for_its_model(self) -> None:
        """It may have been down when this process started, and be the one that was asked for all the same."""
        try:
            await self._info()
        except (Unavailable, BadResponse, Rejected) as error:
            raise self._down(error.detail) from None

    async def close(self) -> None:
        await self._http.close()

    async def _info(self) -> _Info:
        async with self._http.get(ASK, f"{self._base}/info", self._ask) as reply:
            info = await reply.parse(_Info)
            if info.config.min_frames > info.config.max_frames:
                raise reply.broken("/info names more frames at least than at most")
        self._model = replace(
            _DOCUMENTED,
            id=info.model,
            default_fps=info.config.default_fps,
            frames=Option("num_frames", info.config.min_frames, info.config.max_frames),
        )
        return info

    def _down(self, why: str) -> Unavailable:
        return Unavailable(self.name, self._http.quote(why), evidence=Evidence.NOT_SENT)
