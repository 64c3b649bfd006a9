"""Checks a transcript against Discord's own OpenAPI description, where a copy of it is at hand."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from bot.sandbox.discord.transcript import Entry

_ROOT = Path(__file__).parents[2]
_PLACES = (os.environ.get("DISCORD_OPENAPI", ""), str(_ROOT.parent / "shared/discord/openapi.json"))
# discord.py writes these ids as numbers; Discord takes both.
_IDS = frozenset({"id", "message_id", "channel_id", "guild_id", "recipient_id"})


def load() -> dict[str, Any]:
    """Skips the test, saying so, without the description."""
    found = next((Path(each) for each in _PLACES if each and Path(each).is_file()), None)
    if found is None:
        pytest.skip("Discord's openapi.json is not here; DISCORD_OPENAPI may name it")
    description: dict[str, Any] = json.loads(found.read_text())
    return description


class Description:
    def __init__(self, spec: dict[str, Any]) -> None:
        self._components = spec["components"]
        self._paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operations)
            for path, operations in sorted(spec["paths"].items(), key=lambda item: item[0].count("{"))
        ]

    def complaints(self, entry: Entry) -> list[str]:
        """Sentences about the request that was sent and about the sandbox's answer."""
        operation = self._operation(entry)
        if operation is None:
            return [f"{entry.method} {entry.path}: not described"]
        found = []
        wanted = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if wanted and entry.body is not None:
            found += self._check(wanted["schema"], _as_described(entry.body), f"{entry.method} {entry.path} sent")
        answered = operation["responses"].get(str(entry.status), {}).get("content", {}).get("application/json")
        if answered and entry.reply is not None:
            found += self._check(answered["schema"], entry.reply, f"{entry.method} {entry.path} answered")
        if str(entry.status) not in operation["responses"] and entry.status != 429:
            kinds = {f"{str(entry.status)[0]}XX"} & set(operation["responses"])
            found += [] if kinds else [f"{entry.method} {entry.path}: answered {entry.status}"]
        return found

    def _operation(self, entry: Entry) -> dict[str, Any] | None:
        for pattern, operations in self._paths:
            if pattern.fullmatch(entry.path) and entry.method.lower() in operations:
                operation: dict[str, Any] = operations[entry.method.lower()]
                return operation
        return None

    def _check(self, schema: dict[str, Any], value: Any, what: str) -> list[str]:
        validator = Draft202012Validator(schema | {"components": self._components})
        error = best_match(validator.iter_errors(value))
        return [] if error is None else [f"{what}: {error.json_path}: {error.message[:300]}"]


def _as_described(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_described(each) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _as_described(each) for key, each in value.items()}
    for key in _IDS & set(changed):
        if isinstance(changed[key], int) and "type" not in changed:
            changed[key] = str(changed[key])
    if isinstance(reference := changed.get("message_reference"), dict):
        changed["message_reference"] = {key: str(each) if key in _IDS else each for key, each in reference.items()}
    for key in ("users", "roles"):
        if isinstance(changed.get(key), list):
            changed[key] = [str(each) for each in changed[key]]
    if isinstance(changed.get("default_member_permissions"), str):
        changed["default_member_permissions"] = int(changed["default_member_permissions"])
    return changed
