"""How Discord says no: a status, a code, a sentence, and for bad forms a tree of reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

Path = tuple[str | int, ...]

# topics/opcodes-and-status-codes#json; the status is the one the API answers with.
KNOWN: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10014: (404, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    30015: (400, "Maximum number of attachments in a message reached (10)"),
    30032: (400, "Maximum number of application commands reached"),
    30034: (400, "Max number of daily application command creates has been reached (200)"),
    30046: (400, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "This interaction has reached the maximum number of follow-up messages"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    160002: (400, "Cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
}


class ApiError(Exception):
    def __init__(self, status: int, code: int, message: str, errors: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


def refuse(code: int) -> ApiError:
    status, message = KNOWN[code]
    return ApiError(status, code, message)


def unauthorized() -> ApiError:
    return ApiError(401, 0, "401: Unauthorized")


class Problems:
    """Gathers the reasons against one form, then raises them all at once as 50035.

    `complain` hears of everything that real Discord would silently ignore and this one refuses.
    """

    def __init__(self, complain: Callable[[str], None], root: Path = ()) -> None:
        self._complain = complain
        self._root = root
        self._tree: dict[str, Any] = {}

    def add(self, path: Path, code: str, message: str) -> None:
        node = self._tree
        for step in (*self._root, *path):
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    @property
    def clean(self) -> bool:
        return not self._tree

    def check(self) -> None:
        if self._tree:
            raise ApiError(400, 50035, "Invalid Form Body", self._tree)

    def fields(self, value: object, allowed: frozenset[str], path: Path = ()) -> TypeGuard[dict[str, Any]]:
        """False, with a reason, when the value is no object; an unknown key is a reason too."""
        if not isinstance(value, dict):
            self.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
            return False
        for key in sorted(set(value) - allowed):
            self._complain(f"unknown field {'.'.join(map(str, (*self._root, *path, key)))}")
            self.add((*path, key), "SANDBOX_UNKNOWN_FIELD", "This field is not in the documents")
        return True

    def required(self, path: Path) -> None:
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def text(self, value: object, path: Path, least: int, most: int) -> TypeGuard[str]:
        if not isinstance(value, str):
            self.add(path, "STRING_TYPE_CONVERT", "Could not interpret as string.")
            return False
        if not least <= len(value) <= most:
            self._length(path, least, most)
            return False
        return True

    def number(self, value: object, path: Path, least: float, most: float, *, whole: bool = True) -> TypeGuard[int]:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            self.add(path, "NUMBER_TYPE_COERCE", f'Value "{str(value)[:50]}" is not a number.')
            return False
        if not least <= value <= most:
            code, word = (
                ("NUMBER_TYPE_MIN", f"greater than or equal to {least}")
                if value < least
                else ("NUMBER_TYPE_MAX", f"less than or equal to {most}")
            )
            self.add(path, code, f"Value should be {word}.")
            return False
        return True

    def items(self, value: object, path: Path, least: int, most: int) -> TypeGuard[list[Any]]:
        if not isinstance(value, list):
            self.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return False
        if not least <= len(value) <= most:
            self._length(path, least, most)
            return False
        return True

    def boolean(self, value: object, path: Path) -> None:
        if not isinstance(value, bool):
            self.add(path, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")

    def _length(self, path: Path, least: int, most: int) -> None:
        if least == 0:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        else:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
