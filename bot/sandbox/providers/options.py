from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.sandbox.clock import Clock, SystemClock
from bot.sandbox.providers.faults import Provider
from bot.sandbox.providers.films import FilmOrder


@dataclass(frozen=True, kw_only=True, slots=True)
class CogVideoXOptions:
    """What `/health` and `/info` tell; the bounds and defaults rule `/generate` too."""

    model: str = "cogvideox"
    status: str = "healthy"
    is_loaded: bool = True
    error: str | None = None
    min_frames: int = 8
    max_frames: int = 100
    default_frames: int = 49
    default_fps: int = 24
    default_steps: int = 50
    default_guidance: float = 6.0
    width: int = 720
    height: int = 480
    workers: int = 1


def _tokens() -> Mapping[Provider, str]:
    return {
        "chutes": "sandbox-chutes-token",
        "cogvideox": "sandbox-cogvideox-token",
        "pipelet": "sandbox-pipelet-token",
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxProviderOptions:
    """How the three providers behave.

    speed              provider seconds are divided by it
    instant            every answer is ready at once: one small film or picture, the same for all
    film_bytes         every film is these bytes, or what this makes of the order; the provider's time still passes
    single_frame       what Wan answers to `single_frame`: a film of one frame, or a JPEG
    pipelet_prefix     whether a result's base64 starts with `data:video/mp4;base64,`; `alternate`: every second one
    pipelet_messages   `varied` leaves `statusMessages` empty or incomplete on some polls, `full` never does
    pipelet_workers    how many requests of one model run at a time
    pipelet_urls       origin of the URLs in Pipelet's answers; None is the true one
    max_body           bytes of a request body; a larger one is refused with 413
    render_processes   child processes that draw
    """

    speed: float = 1.0
    clock: Clock = field(default_factory=SystemClock)
    tokens: Mapping[Provider, str] = field(default_factory=_tokens)
    instant: bool = False
    film_bytes: bytes | Callable[[FilmOrder], bytes] | None = field(default=None, repr=False)
    single_frame: Literal["mp4", "jpeg"] = "mp4"
    cogvideox: CogVideoXOptions = field(default_factory=CogVideoXOptions)
    pipelet_prefix: Literal["never", "always", "alternate"] = "never"
    pipelet_messages: Literal["varied", "full"] = "varied"
    pipelet_workers: int = 2
    pipelet_urls: str | None = None
    max_body: int = 48 * 1024 * 1024
    render_processes: int = 2

    def __post_init__(self) -> None:
        if self.speed <= 0 or self.pipelet_workers < 1 or self.cogvideox.workers < 1:
            raise ValueError("speed must be above 0, and every line needs a worker")
