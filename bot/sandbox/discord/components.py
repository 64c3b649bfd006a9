"""The rules of message and modal components (components/reference)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import Path, Problems
from .message import Json, walk

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT = 5, 6, 7, 8
SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR = 9, 10, 11, 12, 13, 14
CONTAINER, LABEL, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX = 17, 18, 19, 21, 22, 23
SELECTS = frozenset({STRING_SELECT, USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT})
_LABELLED = SELECTS | {TEXT_INPUT, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX}
_COMMON = frozenset({"type", "id"})
_SELECT = frozenset({"custom_id", "placeholder", "min_values", "max_values", "disabled", "required"})
_AUTO = _SELECT | {"default_values"}
_CHOICES = frozenset({"custom_id", "options", "required"})


@dataclass(frozen=True)
class Rule:
    """`inside` are the types that may stand in `components`."""

    fields: frozenset[str]
    required: tuple[str, ...] = ()
    inside: frozenset[int] = frozenset()
    children: tuple[int, int] = (1, 40)


RULES: dict[int, Rule] = {
    ROW: Rule(frozenset({"components"}), ("components",), SELECTS | {BUTTON, TEXT_INPUT}, (1, 5)),
    BUTTON: Rule(frozenset({"style", "label", "emoji", "custom_id", "sku_id", "url", "disabled"}), ("style",)),
    STRING_SELECT: Rule(_SELECT | {"options"}, ("custom_id", "options")),
    TEXT_INPUT: Rule(
        frozenset({"custom_id", "style", "label", "min_length", "max_length", "required", "value", "placeholder"}),
        ("custom_id", "style"),
    ),
    USER_SELECT: Rule(_AUTO, ("custom_id",)),
    ROLE_SELECT: Rule(_AUTO, ("custom_id",)),
    MENTIONABLE_SELECT: Rule(_AUTO, ("custom_id",)),
    CHANNEL_SELECT: Rule(_AUTO | {"channel_types"}, ("custom_id",)),
    SECTION: Rule(frozenset({"components", "accessory"}), ("components", "accessory"), frozenset({TEXT}), (1, 3)),
    TEXT: Rule(frozenset({"content"}), ("content",)),
    THUMBNAIL: Rule(frozenset({"media", "description", "spoiler"}), ("media",)),
    GALLERY: Rule(frozenset({"items"}), ("items",)),
    FILE: Rule(frozenset({"file", "spoiler", "name", "size"}), ("file",)),
    SEPARATOR: Rule(frozenset({"divider", "spacing"})),
    CONTAINER: Rule(
        frozenset({"components", "accent_color", "spoiler"}),
        ("components",),
        frozenset({ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR}),
    ),
    LABEL: Rule(frozenset({"label", "description", "component"}), ("label", "component")),
    FILE_UPLOAD: Rule(frozenset({"custom_id", "min_values", "max_values", "required", "file_types"}), ("custom_id",)),
    RADIO: Rule(_CHOICES, ("custom_id", "options")),
    CHECKBOXES: Rule(_CHOICES | {"min_values", "max_values"}, ("custom_id", "options")),
    CHECKBOX: Rule(frozenset({"custom_id", "default"}), ("custom_id",)),
}
_TEXTS = {
    "custom_id": (1, 100),
    "url": (1, 512),
    "placeholder": (0, 150),
    "description": (0, 1024),
    "content": (1, 4000),
    "value": (0, 4000),
}
_NUMBERS = {
    "id": (0, 2**31 - 1),
    "min_values": (0, 25),
    "max_values": (1, 25),
    "min_length": (0, 4000),
    "max_length": (1, 4000),
    "accent_color": (0, 0xFFFFFF),
    "spacing": (1, 2),
}
_BOOLEANS = ("disabled", "spoiler", "divider", "required", "default")
LEGACY_TOP = frozenset({ROW})
V2_TOP = frozenset({ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR, CONTAINER})
MODAL_TOP = frozenset({ROW, TEXT, LABEL})


class ComponentRules:
    """Checks one tree; `media` hears of each media URL with the path at which it stands."""

    def __init__(self, problems: Problems, media: Callable[[str, Path], None]) -> None:
        self._problems = problems
        self._media = media
        self._in_modal = False

    def message(self, value: object, path: Path, *, v2: bool) -> None:
        top, most = (V2_TOP, 40) if v2 else (LEGACY_TOP, 5)
        if self._problems.items(value, path, 0, most):
            for index, each in enumerate(value):
                self._one(each, (*path, index), top)
            if self._problems.clean:
                self._as_a_whole(value, path, v2=v2)

    def modal(self, value: object, path: Path) -> None:
        self._in_modal = True
        if self._problems.items(value, path, 1, 5):
            for index, each in enumerate(value):
                self._one(each, (*path, index), MODAL_TOP)
            if self._problems.clean:
                self._unique(value, path)

    def _one(self, value: object, path: Path, allowed: frozenset[int]) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict) or kind not in allowed or kind not in RULES:
            choices = ", ".join(map(str, sorted(allowed)))
            self._problems.add(
                (*path, "type"), "UNION_TYPE_CHOICES", f'Value of field "type" must be one of ({choices}).'
            )
            return
        rule = RULES[kind]
        self._problems.fields(value, rule.fields | _COMMON, path)
        for name in rule.required:
            if value.get(name) is None:
                self._problems.required((*path, name))
        self._plain_fields(value, path)
        if rule.inside and isinstance(value.get("components"), list):
            self._children(value["components"], (*path, "components"), rule)
        if check := _CHECKS.get(kind):
            check(self, value, path)

    def _plain_fields(self, value: Json, path: Path) -> None:
        for name, (least, most) in _TEXTS.items():
            if name in value and value[name] is not None:
                self._problems.text(value[name], (*path, name), least, most)
        if value.get("label") is not None:
            self._problems.text(value["label"], (*path, "label"), 0, 80 if value["type"] == BUTTON else 45)
        for name, (low, high) in _NUMBERS.items():
            if name in value and value[name] is not None:
                self._problems.number(value[name], (*path, name), low, high)
        for name in _BOOLEANS:
            if value.get(name) is not None:
                self._problems.boolean(value[name], (*path, name))

    def _children(self, children: list[Any], path: Path, rule: Rule) -> None:
        if self._problems.items(children, path, *rule.children):
            for index, each in enumerate(children):
                self._one(each, (*path, index), rule.inside)

    def _row(self, value: Json, path: Path) -> None:
        kinds = [each.get("type") for each in value.get("components") or () if isinstance(each, dict)]
        if len(kinds) > 1 and set(kinds) != {BUTTON}:
            self._problems.add(
                (*path, "components"),
                "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
                "The specified component exceeds the maximum width",
            )
        if TEXT_INPUT in kinds and not self._in_modal:
            self._problems.add((*path, "components"), "UNION_TYPE_CHOICES", "Text inputs belong in modals.")

    def _button(self, value: Json, path: Path) -> None:
        style = value.get("style")
        if style not in (1, 2, 3, 4, 5, 6):
            self._problems.add((*path, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5, 6).")
            return
        needed = {5: "url", 6: "sku_id"}.get(style, "custom_id")
        if not value.get(needed):
            self._problems.required((*path, needed))
        for other in {"url", "sku_id", "custom_id"} - {needed}:
            if value.get(other) is not None:
                self._problems.add(path, "BUTTON_COMPONENT_INVALID", f"A button of style {style} has no {other}")
        if style == 6 and (value.get("label") or value.get("emoji")):
            self._problems.add(path, "BUTTON_COMPONENT_INVALID", "A premium button has neither label nor emoji")
        self._emoji(value.get("emoji"), (*path, "emoji"))
        if style != 6 and not value.get("label") and not value.get("emoji"):
            self._problems.add(path, "BUTTON_COMPONENT_INVALID", "A button needs a label or an emoji")

    def _emoji(self, value: object, path: Path) -> None:
        if value is None or not self._problems.fields(value, frozenset({"id", "name", "animated"}), path):
            return
        if not value.get("id") and str(value.get("name", "")).isascii():
            self._problems.add((*path, "name"), "BUTTON_COMPONENT_INVALID_EMOJI", "Invalid emoji")

    def _options(self, value: Json, path: Path) -> None:
        least, most = {RADIO: (2, 10), CHECKBOXES: (1, 10)}.get(value["type"], (1, 25))
        options = value.get("options")
        if not self._problems.items(options, (*path, "options"), least, most):
            return
        seen: set[str] = set()
        for index, each in enumerate(options or ()):
            where = (*path, "options", index)
            allowed = frozenset({"label", "value", "description", "emoji", "default"})
            if not self._problems.fields(each, allowed, where):
                continue
            for name in ("label", "value"):
                self._problems.text(each.get(name), (*where, name), 1, 100)
            if each.get("description") is not None:
                self._problems.text(each["description"], (*where, "description"), 0, 100)
            self._emoji(each.get("emoji"), (*where, "emoji"))
            if each.get("value") in seen:
                self._problems.add(
                    (*where, "value"),
                    "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                    "The specified option value is already used",
                )
            seen.add(str(each.get("value")))
        if (value.get("min_values") or 0) > len(options or ()):
            self._problems.add((*path, "min_values"), "NUMBER_TYPE_MAX", "More than there are options.")

    def _section(self, value: Json, path: Path) -> None:
        self._one(value.get("accessory"), (*path, "accessory"), frozenset({BUTTON, THUMBNAIL}))

    def _thumbnail(self, value: Json, path: Path) -> None:
        self._medium(value.get("media"), (*path, "media"))

    def _file(self, value: Json, path: Path) -> None:
        self._medium(value.get("file"), (*path, "file"))

    def _gallery(self, value: Json, path: Path) -> None:
        if not self._problems.items(value.get("items"), (*path, "items"), 1, 10):
            return
        for index, each in enumerate(value["items"]):
            where = (*path, "items", index)
            if self._problems.fields(each, frozenset({"media", "description", "spoiler"}), where):
                self._medium(each.get("media"), (*where, "media"))
                if each.get("description") is not None:
                    self._problems.text(each["description"], (*where, "description"), 0, 1024)

    def _medium(self, value: object, path: Path) -> None:
        known = frozenset(
            {"url", "proxy_url", "width", "height", "content_type", "attachment_id", "loading_state", "id",
             "placeholder", "placeholder_version", "flags"}
        )  # fmt: skip
        if self._problems.fields(value, known, path) and self._problems.text(value.get("url"), (*path, "url"), 1, 2048):
            self._media(value["url"], (*path, "url"))

    def _label(self, value: Json, path: Path) -> None:
        if value.get("description") is not None:
            self._problems.text(value["description"], (*path, "description"), 0, 100)
        self._one(value.get("component"), (*path, "component"), _LABELLED)

    def _text_input(self, value: Json, path: Path) -> None:
        if value.get("style") not in (1, 2):
            self._problems.add((*path, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
        if value.get("placeholder") is not None:
            self._problems.text(value["placeholder"], (*path, "placeholder"), 0, 100)

    def _select_in_modal(self, value: Json, path: Path) -> None:
        if value["type"] == STRING_SELECT:
            self._options(value, path)
        if self._in_modal and value.get("disabled"):
            self._problems.add((*path, "disabled"), "BASE_TYPE_CHOICES", "A select in a modal cannot be disabled")
        least, most = value.get("min_values"), value.get("max_values")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            self._problems.add((*path, "min_values"), "NUMBER_TYPE_MAX", "Greater than max_values.")

    def _as_a_whole(self, value: list[Json], path: Path, *, v2: bool) -> None:
        every = list(walk(value))
        if v2 and len(every) > 40:
            self._problems.add(path, "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "There may be 40 components")
        texts = sum(len(str(each.get("content", ""))) for each in every if each.get("type") == TEXT)
        if texts > 4000:
            self._problems.add(path, "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", "There may be 4000 characters of text")
        self._unique(value, path)

    def _unique(self, value: list[Json], path: Path) -> None:
        for name, code in (("custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED"), ("id", "COMPONENT_ID_DUPLICATED")):
            given = [each[name] for each in walk(value) if each.get(name)]
            for twice in sorted({str(each) for each in given if given.count(each) > 1}):
                self._problems.add(path, code, f"Component {name} {twice} cannot be duplicated")


_CHECKS: dict[int, Callable[[ComponentRules, Json, Path], None]] = {
    ROW: ComponentRules._row,
    BUTTON: ComponentRules._button,
    SECTION: ComponentRules._section,
    THUMBNAIL: ComponentRules._thumbnail,
    GALLERY: ComponentRules._gallery,
    FILE: ComponentRules._file,
    LABEL: ComponentRules._label,
    TEXT_INPUT: ComponentRules._text_input,
    RADIO: ComponentRules._options,
    CHECKBOXES: ComponentRules._options,
    **dict.fromkeys(SELECTS, ComponentRules._select_in_modal),
}


_MEDIUM: Json = {"description": None, "spoiler": False}
_DEFAULTS: dict[int, Json] = {
    SEPARATOR: {"divider": True, "spacing": 1},
    CONTAINER: {"accent_color": None, "spoiler": False},
    FILE: {"spoiler": False},
    THUMBNAIL: _MEDIUM,
    **{each: {"min_values": 1, "max_values": 1} for each in SELECTS},
}


def completed(components: list[Json]) -> list[Json]:
    """With what Discord adds to a stored component: an id, from 1 upwards, and defaults."""
    for each in walk(components):
        targets = [(each, _DEFAULTS.get(each["type"], {}))]
        targets += [(item, _MEDIUM) for item in each.get("items", ())]
        for target, defaults in targets:
            target |= {key: value for key, value in defaults.items() if target.get(key) is None}
    return _numbered(components)


def _numbered(components: list[Json]) -> list[Json]:
    taken = {each["id"] for each in walk(components) if each.get("id")}
    following = 1
    for each in walk(components):
        if not each.get("id"):
            while following in taken:
                following += 1
            each["id"] = following
            taken.add(following)
    return components
