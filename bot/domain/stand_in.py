"""One model in place of another: who, in which order, and the same request in the other one's terms."""

from collections.abc import Iterator, Mapping, Sequence

from bot.domain.generation import Asked, Aspect, GenerationRequest, ModelSpec, Quality

FallBack = Mapping[str, Sequence[str]]


class GoesRound(ValueError):
    """A model that would in the end stand in for itself; the message is its way round."""


def in_order(fall_back: FallBack, model: str) -> list[str]:
    """Who stands in for `model`: its own stand-ins first come first, each followed by those who stand in for it.

    Raises GoesRound.
    """
    return list(dict.fromkeys(_after(fall_back, (model,))))


def _after(fall_back: FallBack, way: tuple[str, ...]) -> Iterator[str]:
    for other in fall_back.get(way[-1], ()):
        if other in way:
            raise GoesRound(" to ".join((*way, other)))
        yield other
        yield from _after(fall_back, (*way, other))


def restated(request: GenerationRequest, spec: ModelSpec) -> Asked:
    """What its member asked for, as a question to another model; `plan` says whether that one can do all of it.

    A quality is no matter where there are none to choose from, and the shape of a film from a picture is the picture's.
    """
    words = request.size_label.split()
    aspect = next((aspect for aspect in Aspect if aspect in words), None)
    quality = next((quality for quality in Quality if quality in words), None)
    offers_aspects = any(size.aspect for size in spec.sizes)
    offers_qualities = any(size.quality for size in spec.sizes)
    return Asked(
        capability=request.capability,
        prompt=request.prompt,
        model=spec.id,
        aspect=aspect if offers_aspects or not request.images else None,
        quality=quality if offers_qualities else None,
        duration=request.duration,
        fps=request.fps,
        steps=request.steps,
        guidance=request.guidance,
        negative_prompt=request.negative_prompt,
        spoiler=request.spoiler,
        last_image=len(request.images) > 1,
    )
