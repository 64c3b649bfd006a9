"""Our own transcription of the Chutes schemas says what the provider's document says."""

import json
import re
from pathlib import Path

import pytest

from bot.sandbox.providers.chutes import FILM_ENDPOINTS
from bot.sandbox.providers.schemas import Field

DOCUMENT = Path(__file__).parents[2].parent / "shared" / "providers" / "chutes-video-models.md"
HEADING = re.compile(r"^## .*?\((?P<model>[^)]+)\)\n.*?```json\n(?P<json>.*?)```", re.DOTALL | re.MULTILINE)
needs_document = pytest.mark.skipif(not DOCUMENT.exists(), reason=f"the provider's document is not at {DOCUMENT}")


def documented_field(definitions, schema, *, required: bool) -> Field:
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    assert len(options) == 1
    option = options[0]
    if "$ref" in option:
        option = definitions[option["$ref"].rpartition("/")[2]]
    return Field(
        kind=option["type"],
        default=schema.get("default"),
        minimum=option.get("minimum"),
        maximum=option.get("maximum"),
        exclusive_minimum=option.get("exclusiveMinimum"),
        choices=tuple(option.get("enum", ())),
        required=required,
    )


def documented():
    for found in HEADING.finditer(DOCUMENT.read_text(encoding="utf-8")):
        endpoint = json.loads(found["json"])
        (definition,) = endpoint["input_schema"]["definitions"].values()
        fields = {
            name: documented_field(definition.get("$defs", {}), schema, required=name in definition["required"])
            for name, schema in definition["properties"].items()
        }
        yield (found["model"], endpoint["public_api_path"]), (endpoint["output_content_type"], fields)


@needs_document
def test_every_documented_endpoint_is_here_and_no_other():
    assert {(row.model, row.path) for row in FILM_ENDPOINTS} == {key for key, _ in documented()}


@needs_document
@pytest.mark.parametrize("row", FILM_ENDPOINTS, ids=lambda row: row.model + row.path)
def test_a_body_has_the_documented_fields_bounds_and_defaults(row):
    content_type, fields = dict(documented())[row.model, row.path]
    if row.path == "/image2video" and "img_b64_first" in fields:
        # The schema leaves the first frame open; the README's table asks for it.
        assert row.schema["img_b64_first"].required
        fields["img_b64_first"] = Field("string", required=True)
    assert dict(row.schema) == fields
    assert row.content_type == (content_type or "application/octet-stream")
