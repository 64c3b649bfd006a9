"""Options that a model does not take: command, model, what is asked, and the words of the refusal."""

from typing import Any

WAN, SKYREELS, V2, FAST = "wan2.1-14b", "skyreels", "skyreels-v2-14b-540p", "wan22-fast-t2v"
FAST_I2V = "wan22-fast-i2v"
SEEDS = ("0", str(2**32 - 1))

OUT_OF_BOUNDS: list[tuple[str, str, dict[str, Any], tuple[str, ...]]] = [
    ("video", WAN, {"fps": 15}, ("fps", "16", "60", "15")),
    ("video", WAN, {"fps": 61}, ("fps", "16", "60")),
    ("video", WAN, {"steps": 9}, ("steps", "10", "30")),
    ("video", WAN, {"steps": 31}, ("steps", "10", "30")),
    ("video", WAN, {"guidance": 0.5}, ("guidance", "1", "7.5")),
    ("video", WAN, {"guidance": 7.6}, ("guidance", "1", "7.5")),
    ("video", WAN, {"seed": -1}, ("seed", *SEEDS)),
    ("video", WAN, {"seed": 2**32}, ("seed", *SEEDS, "4294967296")),
    # 81 to 241 frames at 24 a second, and at the fps that was asked for.
    ("video", WAN, {"duration": 3}, ("duration", "3.38", "10.04")),
    ("video", WAN, {"duration": 11}, ("duration", "3.38", "10.04")),
    ("video", WAN, {"duration": 10, "fps": 60}, ("duration", "1.35", "4.01")),
    ("video", WAN, {"duration": -5}, ("duration", "3.38", "10.04")),
    ("video", WAN, {"duration": 1e15}, ("duration", "3.38", "10.04", "1000000000000000")),
    ("video", WAN, {"aspect": "square", "quality": "standard"}, ("square high", "landscape standard")),
    ("video", SKYREELS, {"guidance": 1}, ("guidance", "more than 1", "10")),
    ("video", SKYREELS, {"guidance": 10.1}, ("guidance", "10")),
    ("video", SKYREELS, {"aspect": "square"}, ("portrait standard", "landscape standard")),
    ("video", V2, {"steps": 51}, ("steps", "10", "50")),
    ("video", V2, {"duration": 4}, ("duration", "4.05", "416.66")),
    ("video", "cogvideox", {"duration": 0.1}, ("duration", "0.34", "4.16")),
    ("video", "cogvideox", {"duration": 5}, ("duration", "0.34", "4.16")),
    ("video", FAST, {"duration": 0.5}, ("duration", "1", "7")),
    ("video", FAST, {"duration": 8}, ("duration", "1", "7")),
    ("video", FAST, {"duration": 6, "quality": "high"}, ("duration", "1", "5")),
    ("animate", FAST_I2V, {"duration": 6, "quality": "high"}, ("duration", "1", "5")),
    ("animate", WAN, {"fps": 10}, ("fps", "16", "60")),
    ("image", "qwen-image", {"steps": 0}, ("steps", "1", "100")),
    ("image", "qwen-image", {"steps": 101}, ("steps", "1", "100")),
    ("image", "qwen-image", {"guidance": -0.1}, ("guidance", "0", "20")),
    ("image", "qwen-image", {"seed": 2**53 - 1}, ("seed", *SEEDS)),
]
NOT_OFFERED: list[tuple[str, str, dict[str, Any], str]] = [
    ("video", SKYREELS, {"fps": 24}, WAN),
    ("video", SKYREELS, {"steps": 20}, WAN),
    ("video", SKYREELS, {"duration": 5}, WAN),
    ("video", V2, {"aspect": "portrait"}, WAN),
    ("video", "cogvideox", {"seed": 7}, WAN),
    ("video", "cogvideox", {"negative_prompt": "rain"}, WAN),
    ("video", "cogvideox", {"quality": "high"}, WAN),
    ("video", FAST, {"fps": 24}, WAN),
    ("video", FAST, {"steps": 20}, WAN),
    ("video", FAST, {"guidance": 5}, WAN),
    ("video", FAST, {"seed": 1}, WAN),
    ("video", FAST, {"negative_prompt": "rain"}, WAN),
    ("animate", WAN, {"last_image": True}, V2),
    ("animate", SKYREELS, {"last_image": True}, V2),
    ("animate", FAST_I2V, {"last_image": True}, V2),
    ("animate", WAN, {"aspect": "portrait"}, SKYREELS),
    ("animate", WAN, {"quality": "high"}, V2),
]
