"""The models of Chutes, as the published schemas describe them (rulings 1 to 8).

`usual_seconds` are ours: no document gives a pace. They date a queue until the bot has figures of its own.
"""

from collections.abc import Mapping

from bot.domain.generation import Aspect, Capability, Frame, ModelSpec, Option, Quality, Size

_CHUTES = "chutes"
_SEED = Option("seed", 0, 2**32 - 1)

DOCUMENTED_HOSTS: Mapping[str, str] = {
    "wan2.1-14b": "https://chutes-wan2-1-14b.chutes.ai",
    "skyreels": "https://chutes-skyreels.chutes.ai",
    "skyreels-v2-14b-540p": "https://kikakkz-skyreels-v2-14b-540p.chutes.ai",
    "skyreels-v2-1.3b-540p": "https://kikakkz-skyreels-v2-1-3b-540p.chutes.ai",
    "qwen-image": "https://image.chutes.ai",
}


def _wan(capability: Capability, path: str, sizes: tuple[Size, ...] = (), image: str | None = None) -> ModelSpec:
    return ModelSpec(
        id="wan2.1-14b",
        provider=_CHUTES,
        capability=capability,
        path=path,
        usual_seconds=240,
        sizes=sizes,
        fps=Option("fps", 16, 60),
        frames=Option("frames", 81, 241),
        steps=Option("steps", 10, 30),
        guidance=Option("guidance_scale", 1, 7.5),
        seed=_SEED,
        negative_prompt="negative_prompt",
        image=image,
    )


def _wan_size(aspect: Aspect, quality: Quality, resolution: str) -> Size:
    return Size(aspect, quality, {"resolution": resolution})


_WAN_SIZES = (
    _wan_size(Aspect.LANDSCAPE, Quality.STANDARD, "832*480"),
    _wan_size(Aspect.PORTRAIT, Quality.STANDARD, "480*832"),
    _wan_size(Aspect.LANDSCAPE, Quality.HIGH, "1280*720"),
    _wan_size(Aspect.PORTRAIT, Quality.HIGH, "720*1280"),
    _wan_size(Aspect.SQUARE, Quality.HIGH, "1024*1024"),
)


def _skyreels(capability: Capability, path: str, image: str | None = None) -> ModelSpec:
    return ModelSpec(
        id="skyreels",
        provider=_CHUTES,
        capability=capability,
        path=path,
        usual_seconds=300,
        sizes=(
            Size(Aspect.PORTRAIT, Quality.STANDARD, {"resolution": "544x960"}, Frame(544, 960)),
            Size(Aspect.LANDSCAPE, Quality.STANDARD, {"resolution": "960x544"}, Frame(960, 544)),
        ),
        guidance=Option("guidance_scale", 1, 10, above=True),
        seed=_SEED,
        negative_prompt="negative_prompt",
        image=image,
    )


def _skyreels_v2(model: str, usual_seconds: float) -> tuple[ModelSpec, ModelSpec]:
    def made(capability: Capability, path: str, first: str | None = None, last: str | None = None) -> ModelSpec:
        return ModelSpec(
            id=model,
            provider=_CHUTES,
            capability=capability,
            path=path,
            usual_seconds=usual_seconds,
            sizes=(
                Size(None, Quality.STANDARD, {"resolution": "540P"}),
                Size(None, Quality.HIGH, {"resolution": "720P"}),
            ),
            fps=Option("fps", 16, 60),
            frames=Option("num_frames", 97, 10_000),
            steps=Option("inference_steps", 10, 50),
            guidance=Option("guidance_scale", 1, 7.5),
            seed=_SEED,
            negative_prompt="negative_prompt",
            image=first,
            last_image=last,
        )

    return (
        made(Capability.TEXT_TO_VIDEO, "/text2video"),
        made(Capability.IMAGE_TO_VIDEO, "/image2video", "img_b64_first", "img_b64_last"),
    )


_QWEN = ModelSpec(
    id="qwen-image",
    provider=_CHUTES,
    capability=Capability.TEXT_TO_IMAGE,
    path="/generate",
    usual_seconds=30,
    sizes=(
        Size(Aspect.SQUARE, None, {"width": 1024, "height": 1024}),
        Size(Aspect.LANDSCAPE, None, {"width": 1344, "height": 768}),
        Size(Aspect.PORTRAIT, None, {"width": 768, "height": 1344}),
    ),
    # The document bounds neither steps nor true_cfg_scale, and names no sizes: these are ours.
    steps=Option("num_inference_steps", 1, 100),
    guidance=Option("true_cfg_scale", 0, 20),
    seed=_SEED,
    negative_prompt="negative_prompt",
    constants={"model": "qwen-image"},
)

MODELS: tuple[ModelSpec, ...] = (
    _wan(Capability.TEXT_TO_VIDEO, "/text2video", sizes=_WAN_SIZES),
    _wan(Capability.IMAGE_TO_VIDEO, "/image2video", image="image_b64"),
    _skyreels(Capability.TEXT_TO_VIDEO, "/generate"),
    _skyreels(Capability.IMAGE_TO_VIDEO, "/animate", image="image_b64"),
    *_skyreels_v2("skyreels-v2-14b-540p", usual_seconds=600),
    *_skyreels_v2("skyreels-v2-1.3b-540p", usual_seconds=300),
    _QWEN,
)
