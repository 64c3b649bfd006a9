"""The JSON body of a request: flat (ruling 1), and nothing in it that nobody asked for (ruling 6)."""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bot.domain.errors import InvalidRequest, NoSuchSize, NotOffered, OutOfBounds, Rejected
from bot.domain.generation import GenerationRequest, ModelSpec, Option, Size, check

Value = str | int | float


def spec_of(provider: str, specs: Sequence[ModelSpec], request: GenerationRequest) -> ModelSpec:
    """Raises Rejected when the model is not offered any more; nothing was sent then."""
    for spec in specs:
        if (spec.id, spec.capability) == (request.model, request.capability):
            return spec
    raise Rejected(provider, "this model is not offered here any more")


async def encode(spec: ModelSpec, request: GenerationRequest, images: Sequence[Path]) -> bytes:
    """The body to send, made outside the loop. `images` are the first frame and, for some models, the last one.

    Raises Rejected, as nothing was sent: the model's facts have changed since the request was planned (ruling 2), or
    a picture cannot be read.
    """
    try:
        values = dict(_values(spec, request))
        pictures = _pictures(spec, images)
    except InvalidRequest as error:
        raise Rejected(spec.provider, str(error)) from None
    try:
        return await asyncio.to_thread(_assemble, values, pictures)
    except OSError as error:
        raise Rejected(spec.provider, f"the picture cannot be read ({type(error).__name__})") from None


def _assemble(values: Mapping[str, Value], pictures: Mapping[str, Path]) -> bytes:
    encoded = {name: base64.b64encode(path.read_bytes()).decode("ascii") for name, path in pictures.items()}
    return json.dumps({**values, **encoded}, allow_nan=False).encode("ascii")


def _values(spec: ModelSpec, request: GenerationRequest) -> Iterator[tuple[str, Value]]:
    yield from spec.constants.items()
    yield "prompt", request.prompt
    if request.negative_prompt is not None:
        if spec.negative_prompt is None:
            raise NotOffered("negative_prompt", spec.id)
        yield spec.negative_prompt, request.negative_prompt
    if request.size is not None:
        yield from _size(spec, request, request.size).fields.items()
    for name, option, value in _numbers(spec, request):
        if value is None:
            continue
        check(name, spec, option, value)
        if option is not None:
            yield option.field, _whole(value)


def _size(spec: ModelSpec, request: GenerationRequest, index: int) -> Size:
    if not 0 <= index < len(spec.sizes):
        raise NoSuchSize(spec.id, None, None, [size.label for size in spec.sizes])
    size, duration = spec.sizes[index], request.duration or 0
    if size.max_duration is not None and duration > size.max_duration:
        raise OutOfBounds("duration", spec.id, duration, 0, size.max_duration)
    return size


def _numbers(spec: ModelSpec, request: GenerationRequest) -> Iterator[tuple[str, Option | None, float | None]]:
    # A model that counts frames gets no seconds: the request keeps them for showing only.
    if spec.frames is None:
        yield "duration", spec.duration, request.duration
    yield "frames", spec.frames, request.frames
    yield "fps", spec.fps, request.fps
    yield "steps", spec.steps, request.steps
    yield "guidance", spec.guidance, request.guidance
    yield "seed", spec.seed, request.seed


def _whole(value: float) -> Value:
    return int(value) if value == int(value) else value


def _pictures(spec: ModelSpec, images: Sequence[Path]) -> dict[str, Path]:
    names = [name for name in (spec.image, spec.last_image) if name is not None]
    if len(images) > len(names):
        raise NotOffered("last_image" if names else "image", spec.id)
    if names and not images:
        raise Rejected(spec.provider, f"{spec.id} needs a picture")
    return dict(zip(names, images, strict=False))
