import json
import math
from collections.abc import Iterator, Mapping

from bot.sandbox.providers.schemas import Field, Kind, Scalar, Schema

Body = dict[str, Scalar]

_TYPES: Mapping[Kind, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


class Refused(Exception):
    """Answered with this HTTP status and a JSON body; nothing was started and nothing is billed."""

    def __init__(self, status: int, *problems: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__("; ".join(problems))
        self.status = status
        self.problems = problems
        self.headers = dict(headers or {})


def parse_object(data: bytes) -> dict[str, object]:
    """Strict JSON: one object, UTF-8, no name twice, no NaN or Infinity."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused(400, "the body must be a JSON object")
    return value


def check(schema: Schema, body: Mapping[str, object]) -> Body:
    """The body itself, typed. Raises `Refused` (400) naming every problem; a field left out stays left out."""
    problems = [f"{name}: unknown field" for name in body if name not in schema]
    problems += [f"{name}: required" for name, field in schema.items() if field.required and name not in body]
    checked: Body = {}
    for name in schema.keys() & body.keys():
        value = body[name]
        found = list(_problems(schema[name], value))
        problems += [f"{name}: {problem}" for problem in found]
        if not found and isinstance(value, str | int | float | bool):
            checked[name] = value
    if problems:
        raise Refused(400, *sorted(problems))
    return {name: checked[name] for name in body}


def with_defaults(schema: Schema, body: Body) -> Body:
    return {name: field.default for name, field in schema.items() if field.default is not None} | body


def _problems(field: Field, value: object) -> Iterator[str]:
    if value is None:
        yield "null; leave out what is not asked for"
        return
    # In JSON true is not 1, though Python's bool is an int.
    if not isinstance(value, _TYPES[field.kind]) or isinstance(value, bool) != (field.kind == "boolean"):
        yield f"not of type {field.kind}"
        return
    if field.choices and value not in field.choices:
        yield f"not one of {', '.join(map(str, field.choices))}"
    if isinstance(value, int | float):
        yield from _out_of_bounds(field, value)


def _out_of_bounds(field: Field, value: float) -> Iterator[str]:
    if not math.isfinite(value):
        yield "not finite"
    if field.minimum is not None and value < field.minimum:
        yield f"less than {field.minimum}"
    if field.exclusive_minimum is not None and value <= field.exclusive_minimum:
        yield f"not greater than {field.exclusive_minimum}"
    if field.maximum is not None and value > field.maximum:
        yield f"greater than {field.maximum}"


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _not_a_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")
