"""The documented request bodies, as data.

The Chutes bodies follow `chutes-video-models.md` and `chutes-image.md` with the wrapper removed (bodies are flat), the
others the lists in `cogvideox-server.md` and `pipelet-queue.md`. A bound with a comment is not in any document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["string", "integer", "number", "boolean"]
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Field:
    kind: Kind
    default: Scalar | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    choices: tuple[str | int, ...] = ()
    required: bool = False


Schema = Mapping[str, Field]

REQUIRED_TEXT = Field("string", required=True)
SEED = Field("integer", 42)

_ENGLISH_NEGATIVE = (
    "Vibrant colors, overexposed, static, blurry details, subtitles, style, artwork, painting, picture, still, "
    "overall grayish, worst quality, low quality, JPEG compression artifacts, ugly, incomplete, extra fingers, "
    "poorly drawn hands, poorly drawn face, deformed, disfigured, malformed limbs, fused fingers, motionless image, "
    "cluttered background, three legs, many people in the background, walking backwards, slow motion"
)
_SKYREELS_NEGATIVE = (
    "Aerial view, aerial view, overexposed, low quality, deformation, a poor composition, bad hands, bad teeth, "
    "bad eyes, bad limbs, distortion"
)
_CHINESE_NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，"
    "杂乱的背景，三条腿，背景人很多，倒着走"
)

_WAN: Schema = {
    "prompt": REQUIRED_TEXT,
    "fps": Field("integer", 24, minimum=16, maximum=60),
    "seed": SEED,
    "steps": Field("integer", 25, minimum=10, maximum=30),
    "frames": Field("integer", 81, minimum=81, maximum=241),
    "sample_shift": Field("number", minimum=1, maximum=7),
    "single_frame": Field("boolean", default=False),
    "guidance_scale": Field("number", 5, minimum=1, maximum=7.5),
    "negative_prompt": Field("string", _ENGLISH_NEGATIVE),
}
WAN_TEXT: Schema = {
    **_WAN,
    "resolution": Field("string", "832*480", choices=("1280*720", "720*1280", "832*480", "480*832", "1024*1024")),
}
WAN_IMAGE: Schema = {**_WAN, "image_b64": REQUIRED_TEXT}

SKYREELS_TEXT: Schema = {
    "prompt": REQUIRED_TEXT,
    "seed": SEED,
    "resolution": Field("string", "544x960", choices=("544x960", "960x544")),
    "guidance_scale": Field("number", 6, maximum=10, exclusive_minimum=1),
    "negative_prompt": Field("string", _SKYREELS_NEGATIVE),
}
SKYREELS_IMAGE: Schema = {**SKYREELS_TEXT, "image_b64": REQUIRED_TEXT}

SKYREELS_V2: Schema = {
    "prompt": REQUIRED_TEXT,
    "fps": Field("integer", 24, minimum=16, maximum=60),
    "seed": SEED,
    "shift": Field("number", 8, minimum=1, maximum=10),
    "ar_step": Field("integer", 0, minimum=0, maximum=5),
    "num_frames": Field("integer", 97, minimum=97, maximum=10000),
    "resolution": Field("string", "540P", choices=("720P", "540P")),
    "img_b64_last": Field("string"),
    "img_b64_first": Field("string"),
    "guidance_scale": Field("number", 6, minimum=1, maximum=7.5),
    "base_num_frames": Field("integer", 97, minimum=97, maximum=10000),
    "inference_steps": Field("integer", 30, minimum=10, maximum=50),
    "negative_prompt": Field("string", _CHINESE_NEGATIVE),
    "overlap_history": Field("integer", 17, maximum=10000),
    "causal_block_size": Field("integer", 1, minimum=0, maximum=50),
    "addnoise_condition": Field("integer", 20, minimum=0, maximum=50),
}
# The schema asks for no image; the README lists image-to-video as "first frame, and optionally a last frame".
SKYREELS_V2_IMAGE: Schema = {**SKYREELS_V2, "img_b64_first": replace(SKYREELS_V2["img_b64_first"], required=True)}

# The document gives no bounds for a picture; these keep a drawing within reason.
_SIDE = Field("integer", 1024, minimum=64, maximum=2048)
QWEN_IMAGE: Schema = {
    "model": Field("string", choices=("qwen-image",), required=True),
    "prompt": REQUIRED_TEXT,
    "negative_prompt": Field("string"),
    "width": _SIDE,
    "height": _SIDE,
    "num_inference_steps": Field("integer", 50, minimum=1),
    "seed": Field("integer"),
    "true_cfg_scale": Field("number", 4, minimum=0),
}


def cogvideox(
    min_frames: int, max_frames: int, default_fps: int, default_steps: int, default_guidance: float
) -> Schema:
    return {
        "prompt": REQUIRED_TEXT,
        "num_frames": Field("integer", minimum=min_frames, maximum=max_frames),
        # Only the lower bounds of sense; the document gives none. 240 keeps the rendered film playable.
        "fps": Field("integer", default_fps, minimum=1, maximum=240),
        "guidance_scale": Field("number", default_guidance, minimum=0),
        "num_inference_steps": Field("integer", default_steps, minimum=1),
    }


# "duration ... in seconds": every example is a whole number. The upper bound depends on the size.
_DURATION = Field("integer", minimum=1, maximum=7)
PIPELET_TEXT: Schema = {
    "prompt": REQUIRED_TEXT,
    "duration": _DURATION,
    "width": Field("integer"),
    "height": Field("integer"),
}
PIPELET_IMAGE: Schema = {
    "prompt": REQUIRED_TEXT,
    "data_uri": REQUIRED_TEXT,
    "duration": _DURATION,
    "height": Field("integer", choices=(720, 480)),
}
