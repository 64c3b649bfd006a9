"""Whatever a member types, over every model that there is."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import InvalidRequest, NoSuchSize, NotOffered, OutOfBounds, PromptLength
from bot.domain.generation import (
    Asked,
    Aspect,
    Capability,
    Frame,
    ModelSpec,
    Option,
    Quality,
    candidates,
    clean,
    duration_bounds,
    plan,
)
from bot.providers._chutes_models import MODELS as CHUTES
from bot.providers._pipelet_models import MODELS as PIPELET
from bot.providers.cogvideox import CogVideoXProvider

COGVIDEOX = tuple(CogVideoXProvider("token", base_url="http://127.0.0.1:1").models())
MODELS = (*CHUTES, *PIPELET, *COGVIDEOX)
NAMES = ("fps", "steps", "guidance", "seed")


def spec_of(model: str, capability: Capability = Capability.TEXT_TO_VIDEO) -> ModelSpec:
    return next(spec for spec in MODELS if (spec.id, spec.capability) == (model, capability))


def asked(spec: ModelSpec, **changes: object) -> Asked:
    return Asked(spec.capability, "a red balloon", **changes)


def sizes_sent(spec: ModelSpec, **changes: object) -> dict[str, str | int] | None:
    size = plan(spec, asked(spec, **changes), seed=1).size
    return None if size is None else dict(spec.sizes[size].fields)


optional = st.none()
number = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-5, 300)
whole = st.integers(-10, 400) | st.integers(-(2**70), 2**70)
anything = st.builds(
    Asked,
    capability=st.just(Capability.TEXT_TO_VIDEO),
    prompt=st.text(max_size=30) | st.just("a red balloon"),
    aspect=optional | st.sampled_from(Aspect),
    quality=optional | st.sampled_from(Quality),
    duration=optional | number,
    fps=optional | whole,
    steps=optional | whole,
    guidance=optional | number,
    seed=optional | whole,
    negative_prompt=optional | st.text(max_size=30),
    last_image=st.booleans(),
)


@given(spec=st.sampled_from(MODELS), wanted=anything, seed=st.integers(0, 2**31 - 1))
def test_whatever_is_accepted_is_within_the_documented_bounds(spec: ModelSpec, wanted: Asked, seed: int):
    try:
        request = plan(spec, replace(wanted, capability=spec.capability), seed)
    except InvalidRequest:
        return
    assert 1 <= len(request.prompt) <= 2000
    for name in (*NAMES, "frames"):
        option: Option | None = getattr(spec, name)
        value = getattr(request, name)
        assert value is None or (option is not None and math.isfinite(value) and option.admits(value))
    if request.duration is not None:
        assert spec.takes_duration
        assert spec.duration is None or spec.duration.admits(request.duration)
    if request.size is not None:
        size = spec.sizes[request.size]
        assert size.matches(wanted.aspect, wanted.quality)
        assert (request.duration or 0) <= (size.max_duration or math.inf)
    elif wanted.aspect or wanted.quality:
        pytest.fail("a size was asked for, and none is sent")
    assert (request.negative_prompt is None) or spec.negative_prompt
    assert (request.seed is None) == (spec.seed is None)
    assert not wanted.last_image or spec.last_image


def refusal_of(spec: ModelSpec, wanted: Asked) -> InvalidRequest | None:
    try:
        plan(spec, replace(wanted, capability=spec.capability), seed=0)
    except InvalidRequest as refusal:
        return refusal
    return None


@given(spec=st.sampled_from(MODELS), wanted=anything)
def test_every_refusal_names_its_option_and_what_is_allowed(spec: ModelSpec, wanted: Asked):
    match refusal_of(spec, wanted):
        case None:
            pass
        case PromptLength() as refusal:
            assert refusal.option in ("prompt", "negative_prompt")
            assert (refusal.low, refusal.high) == (1, 2000)
        case NotOffered() as refusal:
            value = getattr(wanted, refusal.option)
            assert value is not None
            assert value is not False
        case NoSuchSize() as refusal:
            assert refusal.offered == tuple(size.label for size in spec.sizes)
        case OutOfBounds() as refusal:
            assert refusal.value is getattr(wanted, refusal.option)
            assert refusal.low <= refusal.high
            below = refusal.value <= refusal.low if refusal.above else refusal.value < refusal.low
            assert below or refusal.value > refusal.high or math.isnan(refusal.value)
        case other:
            pytest.fail(f"a refusal without an option: {other!r}")


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: f"{spec.id}-{spec.capability}")
def test_the_bounds_that_a_refusal_names_are_themselves_accepted(spec: ModelSpec):
    for name in NAMES:
        option: Option | None = getattr(spec, name)
        if option is None:
            with pytest.raises(NotOffered):
                plan(spec, asked(spec, **{name: 30}), seed=0)
            continue
        for value in (option.low + (0.5 if option.above else 0), option.high):
            assert getattr(plan(spec, asked(spec, **{name: value}), seed=0), name) == value
        for value in (option.low - (0 if option.above else 1), option.high + 1):
            with pytest.raises(OutOfBounds) as refusal:
                plan(spec, asked(spec, **{name: value}), seed=0)
            assert (refusal.value.option, refusal.value.low, refusal.value.high) == (name, option.low, option.high)


@given(
    low=st.integers(1, 500),
    more=st.integers(0, 500),
    default=st.integers(1, 240),
    fps=st.none() | st.integers(1, 240),
)
def test_the_seconds_that_a_model_is_said_to_make_are_accepted(low: int, more: int, default: int, fps: int | None):
    frames = Option("frames", low, low + more)
    spec = replace(COGVIDEOX[0], frames=frames, default_fps=default, fps=Option("fps", 1, 240))
    bounds = duration_bounds(spec, fps)
    assert bounds is not None
    assert bounds[0] <= bounds[1]
    for seconds in bounds:
        made = plan(spec, asked(spec, duration=seconds, fps=fps), seed=0).frames
        assert made == pytest.approx(seconds * (fps or default), abs=0.5001)


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: f"{spec.id}-{spec.capability}")
def test_a_duration_is_refused_where_the_model_has_none(spec: ModelSpec):
    if spec.takes_duration:
        assert plan(spec, asked(spec, duration=duration_bounds(spec)[1]), seed=0).duration
    else:
        with pytest.raises(NotOffered):
            plan(spec, asked(spec, duration=5), seed=0)


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: f"{spec.id}-{spec.capability}")
def test_nothing_asked_nothing_sent(spec: ModelSpec):
    request = plan(spec, asked(spec), seed=9)
    assert (request.size, request.frames, request.duration, request.fps, request.steps, request.guidance) == (None,) * 6
    assert request.seed == (None if spec.seed is None else 9)


@pytest.mark.parametrize("seconds", [1e308, math.inf, -math.inf, math.nan, 0, -1])
@pytest.mark.parametrize("spec", [spec for spec in MODELS if spec.takes_duration], ids=lambda spec: spec.id)
def test_a_duration_that_is_none_is_refused_with_bounds(spec: ModelSpec, seconds: float):
    with pytest.raises(OutOfBounds) as refusal:
        plan(spec, asked(spec, duration=seconds), seed=0)
    assert refusal.value.option == "duration"
    assert (refusal.value.low, refusal.value.high) == duration_bounds(spec)


def test_seconds_become_frames_at_the_fps_that_was_asked_for():
    wan = spec_of("wan2.1-14b")
    assert plan(wan, asked(wan, duration=5), seed=0).frames == 120
    assert plan(wan, asked(wan, duration=5, fps=30), seed=0).frames == 150
    with pytest.raises(OutOfBounds) as refusal:
        plan(wan, asked(wan, duration=5, fps=60), seed=0)
    assert (refusal.value.low, refusal.value.high) == (1.35, 4.01)


class TestPipelet:
    spec = spec_of("wan22-fast-t2v")

    def test_five_seconds_need_no_size(self):
        assert sizes_sent(self.spec, duration=5) is None

    def test_six_seconds_without_a_quality_are_made_in_standard(self):
        assert sizes_sent(self.spec, duration=6) == {"width": 832, "height": 480}
        assert sizes_sent(self.spec, duration=6, aspect=Aspect.SQUARE) == {"width": 512, "height": 512}

    @pytest.mark.parametrize("seconds", [6, 0.5, 99])
    def test_a_length_that_high_quality_has_not_is_refused_up_to_five(self, seconds: float):
        with pytest.raises(OutOfBounds) as refusal:
            plan(self.spec, asked(self.spec, duration=seconds, quality=Quality.HIGH), seed=0)
        assert (refusal.value.option, refusal.value.low, refusal.value.high) == ("duration", 1, 5)

    def test_eight_seconds_are_refused_up_to_seven(self):
        with pytest.raises(OutOfBounds) as refusal:
            plan(self.spec, asked(self.spec, duration=8), seed=0)
        assert (refusal.value.option, refusal.value.low, refusal.value.high) == ("duration", 1, 7)

    def test_a_picture_of_six_seconds_is_made_in_standard(self):
        animate = spec_of("wan22-fast-i2v", Capability.IMAGE_TO_VIDEO)
        assert sizes_sent(animate, duration=6) == {"height": 480}
        assert sizes_sent(animate, quality=Quality.HIGH) == {"height": 720}
        with pytest.raises(NotOffered):
            plan(animate, asked(animate, aspect=Aspect.SQUARE), seed=0)


class TestChutes:
    def test_wan_makes_squares_in_high_quality_only(self):
        wan = spec_of("wan2.1-14b")
        assert sizes_sent(wan, aspect=Aspect.SQUARE) == {"resolution": "1024*1024"}
        assert sizes_sent(wan, aspect=Aspect.SQUARE, quality=Quality.HIGH) == {"resolution": "1024*1024"}
        with pytest.raises(NoSuchSize) as refusal:
            plan(wan, asked(wan, aspect=Aspect.SQUARE, quality=Quality.STANDARD), seed=0)
        assert refusal.value.offered == (
            "landscape standard",
            "portrait standard",
            "landscape high",
            "portrait high",
            "square high",
        )

    def test_a_quality_alone_takes_the_first_size_of_it(self):
        wan = spec_of("wan2.1-14b")
        assert sizes_sent(wan, quality=Quality.HIGH) == {"resolution": "1280*720"}

    def test_the_picture_decides_between_the_sizes_of_skyreels(self):
        animate = spec_of("skyreels", Capability.IMAGE_TO_VIDEO)
        frames = [animate.sizes[index].frame for index in candidates(animate, asked(animate))]
        assert frames == [Frame(544, 960), Frame(960, 544)]
        # Upright is what comes back unasked; lying has to be asked for.
        assert plan(animate, asked(animate), seed=0, chosen=0).size is None
        assert plan(animate, asked(animate), seed=0, chosen=1).size == 1
        assert plan(animate, asked(animate, quality=Quality.STANDARD), seed=0, chosen=1).size == 1

    def test_an_aspect_is_stronger_than_the_picture(self):
        animate = spec_of("skyreels", Capability.IMAGE_TO_VIDEO)
        assert candidates(animate, asked(animate, aspect=Aspect.LANDSCAPE)) == (1,)

    def test_a_last_picture_goes_to_skyreels_v2_only(self):
        v2 = spec_of("skyreels-v2-14b-540p", Capability.IMAGE_TO_VIDEO)
        assert plan(v2, asked(v2, last_image=True), seed=0, images=("a", "b")).images == ("a", "b")
        wan = spec_of("wan2.1-14b", Capability.IMAGE_TO_VIDEO)
        with pytest.raises(NotOffered) as refusal:
            plan(wan, asked(wan, last_image=True), seed=0)
        assert refusal.value.option == "last_image"


@given(st.text(max_size=60))
def test_a_cleaned_text_has_no_control_characters_and_keeps_the_rest(text: str):
    cleaned = clean(text)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in cleaned)
    assert clean(cleaned) == cleaned
    assert [c for c in cleaned if not c.isspace()] == [
        c for c in text if not (c.isspace() or ord(c) < 32 or 127 <= ord(c) < 160)
    ]


def test_line_breaks_become_spaces():
    assert clean("one\r\ntwo\nthree\tfour\x00five") == "one two three fourfive"


@pytest.mark.parametrize("prompt", ["", "   ", "\x00\x07", "a" * 2001])
def test_a_prompt_of_no_or_too_many_characters_is_refused(prompt: str):
    with pytest.raises(PromptLength):
        plan(MODELS[0], replace(asked(MODELS[0]), prompt=prompt), seed=0)


def test_a_prompt_of_two_thousand_characters_is_taken_as_written():
    assert plan(MODELS[0], replace(asked(MODELS[0]), prompt="\x00" + "é" * 2000), seed=0).prompt == "é" * 2000
