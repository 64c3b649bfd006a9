"""The providers' own documents as JSON schemas of the flat bodies, read from the documents themselves."""

import functools
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "providers"

# Which chapter of chutes-video-models.md describes a model's call.
CHAPTERS = {
    ("wan2.1-14b", "t2v"): "## Wan2.1 14b text2video",
    ("wan2.1-14b", "i2v"): "## Wan2.1 14b image2video",
    ("skyreels", "t2v"): "## Skyreels text2video",
    ("skyreels", "i2v"): "## Skyreels image2video",
    ("skyreels-v2-14b-540p", "t2v"): "## Skyreels V2 14b 540p text2video",
    ("skyreels-v2-14b-540p", "i2v"): "## Skyreels V2 14b 540p image2video",
    ("skyreels-v2-1.3b-540p", "t2v"): "## Skyreels V2 1.3b 540p text2video",
    ("skyreels-v2-1.3b-540p", "i2v"): "## Skyreels V2 1.3b 540p image2video",
}
_TYPES = {"float": "number"}


def read(name: str) -> str:
    if not FOLDER.is_dir():
        pytest.skip(f"the providers' documents are not beside the repository ({FOLDER.name})")
    return (FOLDER / name).read_text("utf-8")


def chutes_call(model: str, capability: str) -> dict:
    """`path` and `host` of the call, and the `schema` of its body with the wrapper removed (rulings 1 and 6)."""
    chapter = read("chutes-video-models.md").split(CHAPTERS[model, capability])[1].split("\n## ")[0]
    described = json.loads(re.search(r"```json\n(.*?)\n```", chapter, re.DOTALL)[1])
    definitions = described["input_schema"]["definitions"]
    (body,) = definitions.values()
    schema = {**body, "definitions": body.get("$defs", {}), "additionalProperties": False}
    schema["properties"] = {name: _without_null(rule) for name, rule in body["properties"].items()}
    url = re.search(r"https://\S+", chapter)[0]
    assert url.endswith(described["public_api_path"])
    return {"path": described["public_api_path"], "url": url, "schema": schema}


def _without_null(rule: dict) -> dict:
    """A null documents that a field may be left out; it is never sent."""
    return {"anyOf": [option for option in rule["anyOf"] if option != {"type": "null"}]} if "anyOf" in rule else rule


def image_call() -> dict:
    document = read("chutes-image.md")
    properties = _listed(document, r"^\*   `(\w+)` \((\w+)")
    # Not in the list; both examples send it (ruling 7).
    properties["model"] = {"const": "qwen-image"}
    return {"url": re.search(r"https://\S+/generate", document)[0], "schema": _schema(properties, ["model", "prompt"])}


def cogvideox_schema() -> dict:
    document = read("cogvideox-server.md")
    config = json.loads(re.findall(r"```json\n(.*?)\n```", document, re.DOTALL)[1])["config"]
    properties = _listed(document, r"^- \*\*`(\w+)`\*\* \*\((\w+)")
    properties["num_frames"] |= {"minimum": config["min_frames"], "maximum": config["max_frames"]}
    return _schema(properties, ["prompt"])


def pipelet_schema(model: str) -> dict:
    """Ruling 11 as a schema; names, models and sizes are looked up in the document."""
    document = read("pipelet-queue.md")
    assert f"`{model}`" in document
    for name in ("prompt", "data_uri", "duration", "width", "height"):
        assert f"`{name}`" in document or f'"{name}"' in document
    listed = re.search(r"For text-to-video models, ([\dx, ]+)", document)[1]
    sizes = [tuple(map(int, size.split("x"))) for size in listed.split(", ")]
    text = {"type": "string"}
    if "i2v" in model:
        properties = {"prompt": text, "data_uri": text, "height": {"enum": [720, 480]}}
        cases = [_case({"height": height}, height) for height in (480, 720)]
        required = ["prompt", "data_uri"]
    else:
        properties = {"prompt": text, "width": {"type": "integer"}, "height": {"type": "integer"}}
        cases = [_case({"width": width, "height": height}, min(width, height)) for width, height in sizes]
        required = ["prompt"]
    properties["duration"] = {"type": "integer", "minimum": 1, "maximum": 7}
    none = {"not": {"anyOf": [{"required": ["width"]}, {"required": ["height"]}]}, **_longest(5)}
    return {**_schema(properties, required), "anyOf": [*cases, none]}


def _case(size: dict[str, int], lines: int) -> dict:
    fixed = {name: {"const": value} for name, value in size.items()}
    longest = _longest(7 if lines <= 512 else 5)["properties"]
    return {"properties": {**fixed, **longest}, "required": list(size)}


def _longest(seconds: int) -> dict:
    return {"properties": {"duration": {"maximum": seconds}}}


def _listed(document: str, pattern: str) -> dict[str, dict]:
    return {name: {"type": _TYPES.get(kind, kind)} for name, kind in re.findall(pattern, document, re.MULTILINE)}


def _schema(properties: dict, required: list[str]) -> dict:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def bounds(rule: dict) -> tuple[float, float] | None:
    """The lowest and the highest number of a property; None where the document leaves one out."""
    numbers = rule.get("anyOf", [rule])[0]
    low = numbers.get("minimum", numbers.get("exclusiveMinimum"))
    return None if low is None or "maximum" not in numbers else (low, numbers["maximum"])


@functools.cache
def schema_of(model: str, capability: str) -> dict:
    if model == "qwen-image":
        return image_call()["schema"]
    if model == "cogvideox":
        return cogvideox_schema()
    if model.startswith("wan22"):
        return pipelet_schema(model)
    return chutes_call(model, capability)["schema"]
