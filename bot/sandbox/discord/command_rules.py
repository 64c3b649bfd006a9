"""What an application command may look like (interactions/application-commands)."""

from __future__ import annotations

import unicodedata

from .errors import Path, Problems
from .message import Json

SUB, GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11
CHAT_INPUT, USER_COMMAND, MESSAGE_COMMAND = 1, 2, 3
GLOBAL_ONLY = frozenset({"contexts", "integration_types", "dm_permission"})
_FIELDS = frozenset(
    {"id", "application_id", "guild_id", "version", "type", "name", "name_localizations", "description",
     "description_localizations", "options", "default_member_permissions", "dm_permission",
     "default_permission", "nsfw", "integration_types", "contexts", "handler"}
)  # fmt: skip
_OPTION_FIELDS = frozenset(
    {"type", "name", "name_localizations", "description", "description_localizations", "required", "choices",
     "options", "channel_types", "min_value", "max_value", "min_length", "max_length", "autocomplete",
     "file_types"}
)  # fmt: skip
_ONLY_FOR: dict[str, frozenset[int]] = {
    "choices": frozenset({STRING, INTEGER, NUMBER}),
    "options": frozenset({SUB, GROUP}),
    "channel_types": frozenset({CHANNEL}),
    "min_value": frozenset({INTEGER, NUMBER}),
    "max_value": frozenset({INTEGER, NUMBER}),
    "min_length": frozenset({STRING}),
    "max_length": frozenset({STRING}),
    "autocomplete": frozenset({STRING, INTEGER, NUMBER}),
    "file_types": frozenset({ATTACHMENT}),
}
_MOST = 2**53
LOCALES = frozenset(
    {"id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl",
     "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja",
     "zh-TW", "ko"}
)  # fmt: skip


class CommandRules:
    def __init__(self, problems: Problems, *, guild: bool) -> None:
        self._problems = problems
        self._guild = guild

    def check(self, command: object, path: Path = ()) -> None:
        if not self._problems.fields(command, _FIELDS, path):
            return
        kind = command.get("type", CHAT_INPUT)
        if kind not in (CHAT_INPUT, USER_COMMAND, MESSAGE_COMMAND):
            self._problems.add((*path, "type"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3).")
            return
        self._named(command, path, chat=kind == CHAT_INPUT)
        self._settings(command, path)
        if kind != CHAT_INPUT:
            for name in ("options", "description"):
                if command.get(name):
                    self._problems.add(
                        (*path, name), "APPLICATION_COMMAND_INVALID", f"Context menu commands cannot have {name}"
                    )
            return
        self._options(command.get("options"), path, depth=0)
        if self._problems.clean and size(command) > 8000:
            self._problems.add(path, "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")

    def _named(self, value: Json, path: Path, *, chat: bool = True) -> None:
        name = value.get("name")
        if name is None:
            self._problems.required((*path, "name"))
        elif self._problems.text(name, (*path, "name"), 1, 32) and chat and not is_name(name):
            self._problems.add((*path, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
        if chat and value.get("description") is None:
            self._problems.required((*path, "description"))
        elif chat:
            self._problems.text(value["description"], (*path, "description"), 1, 100)
        for key, most in (("name_localizations", 32), ("description_localizations", 100)):
            for locale, text in (value.get(key) or {}).items():
                if locale not in LOCALES:
                    self._problems.add((*path, key, locale), "BASE_TYPE_CHOICES", "Unknown locale")
                self._problems.text(text, (*path, key, locale), 1, most)

    def _settings(self, value: Json, path: Path) -> None:
        permissions = value.get("default_member_permissions")
        if permissions is not None and not (isinstance(permissions, int) or str(permissions).isdigit()):
            self._problems.add((*path, "default_member_permissions"), "NUMBER_TYPE_COERCE", "Not a set of permissions")
        for name, allowed in (("contexts", (0, 1, 2)), ("integration_types", (0, 1))):
            given = value.get(name)
            if given is None:
                continue
            if self._guild:
                self._problems.add(
                    (*path, name), "APPLICATION_COMMANDS_GUILD_SCOPE", f"{name} is for global commands only"
                )
            elif not isinstance(given, list) or not given or set(given) - set(allowed):
                self._problems.add((*path, name), "BASE_TYPE_CHOICES", f"Values must be among {allowed}.")

    def _options(self, options: object, path: Path, *, depth: int) -> None:
        if options is None or not self._problems.items(options, (*path, "options"), 0, 25):
            return
        seen: set[str] = set()
        optional = False
        for index, each in enumerate(options):
            where = (*path, "options", index)
            if not self._problems.fields(each, _OPTION_FIELDS, where):
                continue
            self._option(each, where, depth)
            if each.get("name") in seen:
                self._problems.add(where, "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATED", "Option names must be unique")
            seen.add(str(each.get("name")))
            if each.get("required") and optional:
                self._problems.add(
                    where,
                    "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                    "Required options must be placed before non-required options",
                )
            optional = optional or not each.get("required")
        kinds = {each.get("type") in (SUB, GROUP) for each in options if isinstance(each, dict)}
        if len(kinds) > 1:
            self._problems.add(
                (*path, "options"),
                "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                "Sub-commands and options cannot be mixed",
            )

    def _option(self, option: Json, path: Path, depth: int) -> None:
        kind = option.get("type")
        if kind not in range(1, 12):
            self._problems.add((*path, "type"), "BASE_TYPE_CHOICES", "Value must be one of (1 ... 11).")
            return
        self._named(option, path)
        for name, kinds in _ONLY_FOR.items():
            if option.get(name) and kind not in kinds:
                self._problems.add(
                    (*path, name),
                    "APPLICATION_COMMAND_OPTIONS_FIELD_INVALID",
                    f"An option of type {kind} has no {name}",
                )
        if (kind == GROUP and depth != 0) or (kind == SUB and depth > 1):
            self._problems.add(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Nested too deeply")
        if kind == GROUP and any(each.get("type") != SUB for each in option.get("options") or ()):
            self._problems.add(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "A group holds sub-commands only")
        if kind == SUB and any(each.get("type") in (SUB, GROUP) for each in option.get("options") or ()):
            self._problems.add(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "A sub-command holds options only")
        if kind in (SUB, GROUP):
            self._options(option.get("options"), path, depth=depth + 1)
        self._bounds(option, path)
        self._choices(option, path)

    def _bounds(self, option: Json, path: Path) -> None:
        for name, least in (("min_length", 0), ("max_length", 1)):
            if option.get(name) is not None:
                self._problems.number(option[name], (*path, name), least, 6000)
        for name in ("min_value", "max_value"):
            if option.get(name) is not None:
                self._problems.number(option[name], (*path, name), -_MOST, _MOST, whole=option["type"] == INTEGER)
        for low, high in (("min_length", "max_length"), ("min_value", "max_value")):
            if self._problems.clean and (option.get(low) or 0) > (option.get(high) or _MOST):
                self._problems.add((*path, high), "NUMBER_TYPE_MIN", f"{high} is below {low}")

    def _choices(self, option: Json, path: Path) -> None:
        choices = option.get("choices")
        if not choices:
            return
        if option.get("autocomplete"):
            self._problems.add(
                (*path, "autocomplete"),
                "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES",
                "Choices and autocomplete exclude each other",
            )
        if not self._problems.items(choices, (*path, "choices"), 0, 25):
            return
        for index, each in enumerate(choices):
            check_choice(self._problems, each, option["type"], (*path, "choices", index))
        names = [each.get("name") for each in choices if isinstance(each, dict)]
        if len(set(names)) != len(names):
            self._problems.add(
                (*path, "choices"), "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_DUPLICATED", "Choice names must be unique"
            )


def check_choice(problems: Problems, choice: object, kind: int, path: Path) -> None:
    if not problems.fields(choice, frozenset({"name", "name_localizations", "value"}), path):
        return
    problems.text(choice.get("name"), (*path, "name"), 1, 100)
    if kind == STRING:
        problems.text(choice.get("value"), (*path, "value"), 1, 100)
    else:
        problems.number(choice.get("value"), (*path, "value"), -_MOST, _MOST, whole=kind == INTEGER)


def is_name(name: str) -> bool:
    """The documented expression, with lower case where the script has it."""
    if name != name.lower():
        return False
    return all(each in "-_'" or unicodedata.category(each)[0] in "LN" or _is_mark(each) for each in name)


def _is_mark(letter: str) -> bool:
    return "\u0900" <= letter <= "\u097f" or "\u0e00" <= letter <= "\u0e7f"


def size(value: Json) -> int:
    """Characters that count for the 8000: for each field its longest language."""
    total = 0
    for key in ("name", "description"):
        said = [value.get(key) or "", *(value.get(f"{key}_localizations") or {}).values()]
        total += max(map(len, said))
    total += len(str(value["value"])) if "value" in value else 0
    inner = [*(value.get("options") or ()), *(value.get("choices") or ())]
    return total + sum(map(size, inner))
