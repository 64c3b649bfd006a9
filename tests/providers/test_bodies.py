import base64
import json
import math
from dataclasses import replace
from pathlib import Path

import documented
import jsonschema
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from bot.domain.errors import InvalidRequest, Rejected
from bot.domain.generation import (
    Asked,
    Aspect,
    Capability,
    GenerationRequest,
    ModelSpec,
    Quality,
    duration_bounds,
    plan,
)
from bot.providers._body import encode
from bot.providers._chutes_models import DOCUMENTED_HOSTS
from bot.providers.chutes import ChutesProvider
from bot.providers.cogvideox import CogVideoXProvider
from bot.providers.pipelet import DOCUMENTED_URL, PipeletProvider

SPECS = (
    *ChutesProvider("token", concurrency=1).models(),
    *CogVideoXProvider("token", base_url="http://localhost:9000").models(),
    *PipeletProvider("token", concurrency=1).models(),
)
IDS = [f"{spec.id} {spec.capability}" for spec in SPECS]
EVERY = pytest.mark.parametrize("spec", SPECS, ids=IDS)


def spec_of(model: str, capability: str) -> ModelSpec:
    return next(spec for spec in SPECS if (spec.id, spec.capability) == (model, capability))


def images_for(spec: ModelSpec, jpegs: list[Path], *, last: bool = False) -> list[Path]:
    return jpegs[: 2 if last else 1] if spec.image else []


async def body_of(spec: ModelSpec, request: GenerationRequest, images: list[Path]) -> dict[str, object]:
    return json.loads(await encode(spec, request, images))


def within(low: float, high: float) -> st.SearchStrategy[float]:
    """The edges more often than the rest."""
    return st.sampled_from([low, high]) | st.floats(low, high) | st.integers(math.ceil(low), math.floor(high))


def questions(spec: ModelSpec) -> st.SearchStrategy[Asked]:
    """What members may ask of a model, within its bounds."""

    def number(option: object, whole: bool) -> st.SearchStrategy:
        if option is None:
            return st.none()
        values = within(option.low, option.high)
        return st.none() | (values.map(round) if whole else values)

    seconds = st.none()
    if spec.duration:
        seconds |= within(spec.duration.low, spec.duration.high)
    elif spec.frames:
        seconds |= within(*duration_bounds(spec))
    return st.builds(
        Asked,
        capability=st.just(spec.capability),
        prompt=st.text(min_size=1, max_size=40),
        model=st.just(spec.id),
        aspect=st.none() | st.sampled_from(Aspect) if any(size.aspect for size in spec.sizes) else st.none(),
        quality=st.none() | st.sampled_from(Quality) if any(size.quality for size in spec.sizes) else st.none(),
        duration=seconds,
        fps=number(spec.fps, whole=True),
        steps=number(spec.steps, whole=True),
        guidance=number(spec.guidance, whole=False),
        seed=number(spec.seed, whole=True),
        negative_prompt=st.none() | st.text(min_size=1, max_size=20) if spec.negative_prompt else st.none(),
        last_image=st.booleans() if spec.last_image else st.just(False),
    )


def test_there_are_sixteen_models() -> None:
    assert len(SPECS) == len({(spec.id, spec.capability) for spec in SPECS}) == 16
    assert {capability: sum(spec.capability is capability for spec in SPECS) for capability in Capability} == {
        Capability.TEXT_TO_VIDEO: 8,
        Capability.IMAGE_TO_VIDEO: 7,
        Capability.TEXT_TO_IMAGE: 1,
    }


@EVERY
@settings(max_examples=60, deadline=None)
@given(data=st.data())
async def test_whatever_a_plan_accepts_the_document_accepts(
    spec: ModelSpec, jpegs: list[Path], data: st.DataObject
) -> None:
    asked = data.draw(questions(spec))
    try:
        request = plan(spec, asked, seed=7)
    except InvalidRequest:
        reject()
    body = await body_of(spec, request, images_for(spec, jpegs, last=asked.last_image))
    jsonschema.Draft202012Validator(documented.schema_of(spec.id, spec.capability)).validate(body)
    assert None not in body.values()
    for option, value in ((spec.steps, asked.steps), (spec.guidance, asked.guidance), (spec.fps, asked.fps)):
        assert option is None or body.get(option.field) == value


@EVERY
@settings(max_examples=20, deadline=None)
@given(data=st.data())
async def test_the_bounds_are_as_wide_as_the_documented_ones(spec: ModelSpec, data: st.DataObject) -> None:
    """One number at a time: what the document accepts of those that it bounds, we do not refuse."""
    properties = documented.schema_of(spec.id, spec.capability)["properties"]
    for name in ("fps", "steps", "guidance", "frames"):
        option = getattr(spec, name)
        bounds = documented.bounds(properties[option.field]) if option else None
        if bounds is None:
            continue
        value = data.draw(st.floats(*bounds, exclude_min=option.above))
        assert option.admits(value)
        assert (option.low, option.high) == bounds


@EVERY
async def test_nothing_is_sent_that_nobody_asked_for(spec: ModelSpec, jpegs: list[Path]) -> None:
    request = plan(spec, Asked(spec.capability, "a cat"), seed=7)
    expected: dict[str, object] = {"prompt": "a cat", **spec.constants}
    if spec.seed is not None:
        expected["seed"] = 7
    if spec.image is not None:
        expected[spec.image] = base64.b64encode(jpegs[0].read_bytes()).decode()
    assert await body_of(spec, request, images_for(spec, jpegs)) == expected


@EVERY
async def test_the_first_size_is_what_the_document_makes_by_default(spec: ModelSpec) -> None:
    schema = documented.schema_of(spec.id, spec.capability)
    for size in spec.sizes[:1]:
        for name, value in size.fields.items():
            assert schema["properties"][name].get("default", value) == value


@pytest.mark.parametrize(("model", "capability"), documented.CHAPTERS)
def test_addresses_are_the_documented_ones(model: str, capability: str) -> None:
    described = documented.chutes_call(model, capability)
    spec = spec_of(model, capability)
    assert spec.path == described["path"]
    assert DOCUMENTED_HOSTS[model] + spec.path == described["url"]


def test_the_other_addresses_are_the_documented_ones() -> None:
    assert DOCUMENTED_HOSTS["qwen-image"] + spec_of("qwen-image", "t2i").path == documented.image_call()["url"]
    assert f"`{DOCUMENTED_URL}`" in documented.read("pipelet-queue.md")
    assert "**POST** `/generate`" in documented.read("cogvideox-server.md")
    assert "POST `https://batch.pipelet.net/queue/:modelId`" in documented.read("pipelet-queue.md")


WAN, WAN_I2V = spec_of("wan2.1-14b", "t2v"), spec_of("wan2.1-14b", "i2v")
PIPELET, PIPELET_I2V = spec_of("wan22-fast-t2v", "t2v"), spec_of("wan22-fast-i2v", "i2v")
V2 = spec_of("skyreels-v2-14b-540p", "i2v")


def planned(spec: ModelSpec, **options: object) -> GenerationRequest:
    return plan(spec, Asked(spec.capability, "a cat", **options), seed=7)


async def test_both_frames_go_out_under_their_names(jpegs: list[Path]) -> None:
    body = await body_of(V2, planned(V2, last_image=True), jpegs)
    assert [body["img_b64_first"], body["img_b64_last"]] == [
        base64.b64encode(path.read_bytes()).decode() for path in jpegs
    ]


@pytest.mark.parametrize(("asked", "sent"), [(5.0, 5), (2.5, 3), (4.4, 4), (6.5, 7), (6.75, 7), (1, 1), (1.2, 1)])
async def test_pipelet_gets_whole_seconds(asked: float, sent: int) -> None:
    body = await body_of(PIPELET, planned(PIPELET, duration=asked, quality=Quality.STANDARD), [])
    assert body["duration"] == sent
    assert type(body["duration"]) is int


async def test_whole_guidance_is_sent_as_a_whole_number() -> None:
    body = await encode(WAN, planned(WAN, guidance=5.0), [])
    assert b'"guidance_scale": 5,' in body


async def test_a_model_that_counts_frames_is_not_sent_seconds() -> None:
    body = await body_of(WAN, planned(WAN, duration=5, fps=30), [])
    assert (body["frames"], body["fps"], "duration" in body) == (150, 30, False)


async def test_any_text_arrives_as_it_was_written() -> None:
    prompt = 'a "quoted" \\ cat, 猫 🐈 \ud800'
    assert (await body_of(WAN, replace(planned(WAN), prompt=prompt), []))["prompt"] == prompt


@pytest.mark.parametrize(
    ("spec", "changes", "why"),
    [
        (WAN, {"steps": 31}, "steps"),
        (WAN, {"frames": 500}, "frames"),
        (WAN, {"size": 5}, "does not make"),
        (WAN, {"size": -1}, "does not make"),
        (PIPELET, {"steps": 20}, "has no steps"),
        (PIPELET, {"seed": 1}, "has no seed"),
        (PIPELET, {"negative_prompt": "dogs"}, "has no negative_prompt"),
        (PIPELET, {"duration": 8.0}, "duration"),
        (PIPELET, {"size": 3, "duration": 6.0}, "duration"),
    ],
)
async def test_what_the_model_no_longer_takes_is_refused(spec: ModelSpec, changes: dict, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        await encode(spec, replace(planned(spec), **changes), [])


@pytest.mark.parametrize(
    ("spec", "count", "why"),
    [(WAN, 1, "has no image"), (WAN_I2V, 2, "has no last_image"), (V2, 0, "needs a picture")],
)
async def test_the_wrong_number_of_pictures_is_refused(
    spec: ModelSpec, count: int, why: str, jpegs: list[Path]
) -> None:
    with pytest.raises(Rejected, match=why):
        await encode(spec, planned(spec), jpegs[:count])


async def test_a_picture_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="cannot be read"):
        await encode(WAN_I2V, planned(WAN_I2V), [tmp_path / "gone.jpg"])


def test_pictures_are_fitted_to_what_the_model_makes() -> None:
    assert [(size.frame.width, size.frame.height) for size in spec_of("skyreels", "i2v").sizes] == [
        (544, 960),
        (960, 544),
    ]
    assert [(size.frame.width, size.frame.height) for size in PIPELET_I2V.sizes] == [(None, 480), (None, 720)]
    assert WAN_I2V.sizes == ()
    assert {(size.frame.width, size.frame.height) for size in V2.sizes} == {(None, None)}


def test_usual_times_are_the_documented_ones() -> None:
    assert {(size.quality, size.usual_seconds) for size in (*PIPELET.sizes, *PIPELET_I2V.sizes)} == {
        (Quality.STANDARD, 90),
        (Quality.HIGH, 180),
    }
