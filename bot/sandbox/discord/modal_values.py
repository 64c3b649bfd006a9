"""A filled-in modal, checked as the client would before it is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cdn import Cdn
from .components import (
    CHECKBOX,
    CHECKBOXES,
    FILE_UPLOAD,
    LABEL,
    RADIO,
    STRING_SELECT,
    TEXT,
    TEXT_INPUT,
    completed,
)
from .interaction import Modal
from .message import Json, Upload, walk
from .payload import Resolved
from .picker import Refused


class ModalForm:
    def __init__(self, modal: Modal, values: Mapping[str, Any], cdn: Cdn, folder: str, file_limit: int) -> None:
        self._modal = modal
        self._values = values
        self._cdn = cdn
        self._folder = folder
        self._file_limit = file_limit

    async def data(self, resolved: Resolved) -> Json:
        components = completed(self._modal.components)
        known = {each["custom_id"] for each in walk(components) if "custom_id" in each}
        if stray := sorted(set(self._values) - known):
            raise Refused(f"the dialog has no field {stray[0]!r}")
        filled = [await self._top(each, resolved) for each in components]
        return {"custom_id": self._modal.custom_id, "components": filled}

    async def _top(self, component: Json, resolved: Resolved) -> Json:
        place = {"type": component["type"], "id": component["id"]}
        if component["type"] == TEXT:
            return place
        if component["type"] == LABEL:
            return place | {"component": await self._field(component["component"], resolved)}
        return place | {"components": [await self._field(each, resolved) for each in component["components"]]}

    async def _field(self, field: Json, resolved: Resolved) -> Json:
        name, kind = field["custom_id"], field["type"]
        value = self._values.get(name, _preset(field))
        filled = {"type": kind, "id": field["id"], "custom_id": name}
        if kind == TEXT_INPUT:
            return filled | {"value": _text(field, value)}
        if kind == CHECKBOX:
            return filled | {"value": bool(value)}
        if kind == RADIO:
            if value is None and field.get("required", True):
                raise Refused(f"field {name!r} is required")
            return filled | {"value": None if value is None else _option(field, value)}
        values = [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
        _check_count(field, len(values))
        if kind == FILE_UPLOAD:
            return filled | {"values": [await self._file(each, resolved) for each in values]}
        if kind in (STRING_SELECT, CHECKBOXES):
            return filled | {"values": [_option(field, each) for each in values]}
        return filled | {"values": [str(getattr(each, "id", each)) for each in values]}

    async def _file(self, value: object, resolved: Resolved) -> str:
        if not isinstance(value, Upload):
            raise Refused("this field takes files")
        if len(value.data) > self._file_limit:
            raise Refused("Your files are too powerful")
        return resolved.attachment(await self._cdn.store(value, self._folder, ephemeral=True))


def _preset(field: Json) -> object:
    if field["type"] == TEXT_INPUT:
        return field.get("value") or ""
    if field["type"] == CHECKBOX:
        return field.get("default", False)
    chosen = [each["value"] for each in field.get("options", ()) if each.get("default")]
    return chosen[0] if field["type"] == RADIO and chosen else chosen or None


def _text(field: Json, value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"field {field['custom_id']!r} is text")
    if not value and not field.get("required", True):
        return value
    least, most = field.get("min_length") or 0, field.get("max_length") or 4000
    if not max(least, 1) <= len(value) <= most:
        raise Refused(f"field {field['custom_id']!r} must have {max(least, 1)} to {most} characters")
    return value


def _option(field: Json, value: object) -> str:
    for each in field["options"]:
        if value in (each["value"], each["label"]):
            return str(each["value"])
    raise Refused(f"field {field['custom_id']!r} has no option {value!r}")


def _check_count(field: Json, count: int) -> None:
    if not count and not field.get("required", True):
        return
    least = field.get("min_values")
    low = 1 if least is None else least
    high = field.get("max_values") or (len(field.get("options", [1])) if field["type"] == CHECKBOXES else 1)
    if not low <= count <= high:
        raise Refused(f"field {field['custom_id']!r} takes {low} to {high} values")
