"""What can be asked of a model, and what was asked: facts as data, one rule that joins them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.errors import NoSuchSize, NotOffered, OutOfBounds, PromptLength

PROMPT_LENGTH = (1, 2000)


class Capability(StrEnum):
    TEXT_TO_VIDEO = "t2v"
    IMAGE_TO_VIDEO = "i2v"
    TEXT_TO_IMAGE = "t2i"


class Aspect(StrEnum):
    LANDSCAPE = "landscape"
    PORTRAIT = "portrait"
    SQUARE = "square"


class Quality(StrEnum):
    STANDARD = "standard"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Option:
    """A numeric option: the provider's name for it and its bounds, both included unless `above` excludes `low`."""

    field: str
    low: float
    high: float
    above: bool = False

    def admits(self, value: float) -> bool:
        return (value > self.low if self.above else value >= self.low) and value <= self.high


@dataclass(frozen=True, slots=True)
class Frame:
    """Pixels that a picture is fitted to. Both: cropped and scaled to exactly that; height alone: scaled down to it."""

    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """One pair of aspect and quality that a model makes. None means that the model does not let anyone choose it."""

    aspect: Aspect | None
    quality: Quality | None
    fields: Mapping[str, str | int]
    frame: Frame = Frame()
    usual_seconds: float | None = None
    max_duration: float | None = None

    def matches(self, aspect: Aspect | None, quality: Quality | None) -> bool:
        return aspect in (None, self.aspect) and quality in (None, self.quality)

    @property
    def label(self) -> str:
        return " ".join(str(part) for part in (self.aspect, self.quality) if part)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The facts about one model, from its provider's document. `sizes[0]` is what comes back when no size is sent.

    An option that is None does not exist for the model; a text field that is None likewise.
    """

    id: str
    provider: str
    capability: Capability
    path: str
    usual_seconds: float
    sizes: tuple[Size, ...] = ()
    default_fps: int = 24
    fps: Option | None = None
    frames: Option | None = None
    duration: Option | None = None
    steps: Option | None = None
    guidance: Option | None = None
    seed: Option | None = None
    negative_prompt: str | None = None
    image: str | None = None
    last_image: str | None = None
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_duration(self) -> bool:
        return self.frames is not None or self.duration is not None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a member typed, not yet checked against a model. `model` is None when the default is wanted."""

    capability: Capability
    prompt: str
    model: str | None = None
    aspect: Aspect | None = None
    quality: Quality | None = None
    duration: float | None = None
    fps: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    spoiler: bool = False
    last_image: bool = False


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request that its model's document accepts. None is left out of what is sent.

    `size` is an index into the model's sizes, `size_label` its words for members; `frames` is set when the model
    counts frames, `duration` (seconds) whenever the member asked for a length. `shrunk`: its pictures were too large
    for the provider, and were made smaller once.
    """

    capability: Capability
    model: str
    prompt: str
    negative_prompt: str | None = None
    size: int | None = None
    size_label: str = ""
    duration: float | None = None
    frames: int | None = None
    fps: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    spoiler: bool = False
    images: tuple[str, ...] = ()
    shrunk: bool = False


def clean(text: str) -> str:
    """The text without null and control characters; line breaks and tabs become spaces, the rest stays as written."""
    return text.replace("\r\n", " ").translate(_CLEANED)


_CLEANED = dict.fromkeys([*range(32), *range(127, 160)]) | dict.fromkeys(map(ord, "\n\r\t"), " ")


def candidates(spec: ModelSpec, asked: Asked) -> tuple[int, ...]:
    """The indices of the model's sizes that fit what was asked, the preferred first.

    Raises NotOffered when the model has no such choice, NoSuchSize when it has not this pair, OutOfBounds when no
    size allows that duration.
    """
    for name, value, offered in (
        ("aspect", asked.aspect, any(size.aspect for size in spec.sizes)),
        ("quality", asked.quality, any(size.quality for size in spec.sizes)),
    ):
        if value is not None and not offered:
            raise NotOffered(name, spec.id)
    fitting = [i for i, size in enumerate(spec.sizes) if size.matches(asked.aspect, asked.quality)]
    if spec.sizes and not fitting:
        raise NoSuchSize(spec.id, asked.aspect, asked.quality, tuple(size.label for size in spec.sizes))
    return _long_enough(spec, asked, fitting)


def _long_enough(spec: ModelSpec, asked: Asked, sizes: list[int]) -> tuple[int, ...]:
    if asked.duration is None or spec.duration is None:
        return tuple(sizes)
    limits = {index: spec.sizes[index].max_duration or spec.duration.high for index in sizes}
    kept = tuple(index for index, limit in limits.items() if asked.duration <= limit)
    if not kept or not spec.duration.admits(asked.duration):
        longest = max(limits.values(), default=spec.duration.high)
        raise OutOfBounds("duration", spec.id, asked.duration, spec.duration.low, longest)
    return kept


def plan(
    spec: ModelSpec, asked: Asked, seed: int, chosen: int | None = None, images: tuple[str, ...] = ()
) -> GenerationRequest:
    """The request that `spec` accepts. `chosen` is the size that the attached picture decided, `seed` the one drawn.

    Raises PromptLength, NotOffered, NoSuchSize or OutOfBounds, each naming the option.
    """
    _check_texts(spec, asked)
    sizes = candidates(spec, asked)
    for name, option, value in _numbers(spec, asked):
        if value is not None:
            check(name, spec, option, value)
    if asked.last_image and spec.last_image is None:
        raise NotOffered("last_image", spec.id)
    if asked.duration is not None and not spec.takes_duration:
        raise NotOffered("duration", spec.id)
    size = _size_to_send(spec, asked, sizes, chosen)
    return GenerationRequest(
        capability=spec.capability,
        model=spec.id,
        prompt=clean(asked.prompt),
        negative_prompt=clean(asked.negative_prompt) if asked.negative_prompt is not None else None,
        size=size,
        size_label=spec.sizes[size].label if size is not None else "",
        duration=_duration(spec, asked.duration),
        frames=_frames(spec, asked),
        fps=asked.fps,
        steps=asked.steps,
        guidance=asked.guidance,
        seed=None if spec.seed is None else asked.seed if asked.seed is not None else seed,
        spoiler=asked.spoiler,
        images=images,
    )


def _check_texts(spec: ModelSpec, asked: Asked) -> None:
    low, high = PROMPT_LENGTH
    if asked.negative_prompt is not None and spec.negative_prompt is None:
        raise NotOffered("negative_prompt", spec.id)
    for name, text in (("prompt", asked.prompt), ("negative_prompt", asked.negative_prompt)):
        if text is None:
            continue
        cleaned = clean(text)
        if not cleaned.strip() or len(cleaned) > high:
            raise PromptLength(name, len(cleaned.strip()), low, high)


def _numbers(spec: ModelSpec, asked: Asked) -> Iterable[tuple[str, Option | None, float | None]]:
    yield "fps", spec.fps, asked.fps
    yield "steps", spec.steps, asked.steps
    yield "guidance", spec.guidance, asked.guidance
    yield "seed", spec.seed, asked.seed


def check(name: str, spec: ModelSpec, option: Option | None, value: float) -> None:
    if option is None:
        raise NotOffered(name, spec.id)
    if not math.isfinite(value) or not option.admits(value):
        raise OutOfBounds(name, spec.id, value, option.low, option.high, option.above)


def duration_bounds(spec: ModelSpec, fps: int | None = None) -> tuple[float, float] | None:
    """Seconds that the model makes at that fps, rounded inwards to hundredths where that leaves any; None when it
    takes no duration."""
    if spec.duration is not None:
        return spec.duration.low, spec.duration.high
    if spec.frames is None:
        return None
    rate = fps or spec.default_fps
    shortest, longest = spec.frames.low / rate, spec.frames.high / rate
    low, high = math.ceil(shortest * 100) / 100, math.floor(longest * 100) / 100
    return (low, high) if low <= high else (shortest, longest)


def _duration(spec: ModelSpec, asked: float | None) -> float | None:
    """Providers that take seconds document whole ones only; the nearest is never outside bounds that are whole."""
    return asked if asked is None or spec.duration is None else math.floor(asked + 0.5)


def _frames(spec: ModelSpec, asked: Asked) -> int | None:
    if asked.duration is None or spec.frames is None:
        return None
    bounds = duration_bounds(spec, asked.fps)
    exact = asked.duration * (asked.fps or spec.default_fps)
    if bounds is not None and not (math.isfinite(exact) and spec.frames.admits(round(exact))):
        raise OutOfBounds("duration", spec.id, asked.duration, *bounds)
    return round(exact)


def _size_to_send(spec: ModelSpec, asked: Asked, sizes: tuple[int, ...], chosen: int | None) -> int | None:
    if not sizes:
        return None
    if asked.aspect is not None or asked.quality is not None:
        return chosen if chosen is not None else sizes[0]
    # Nobody asked for a size, so none is sent, unless the picture or the length rules out the provider's own choice.
    best = chosen if chosen is not None else sizes[0]
    every_size_will_do = len(sizes) == len(spec.sizes)
    return None if best == 0 and every_size_will_do else best
