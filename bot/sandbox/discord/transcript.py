"""Everything that went over the wire, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class SentFile:
    name: str
    size: int
    sha256: str


@dataclass
class Entry:
    """One REST request with its reply, or one gateway frame (`kind` says which).

    `status` is None while a request is open and 0 when the socket was closed instead of answered.
    """

    kind: Literal["rest", "to_bot", "from_bot", "cdn"]
    at: float
    method: str = ""
    path: str = ""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    files: list[SentFile] = field(default_factory=list)
    status: int | None = None
    reply: Any = None
    event: str = ""

    def __str__(self) -> str:
        status = "" if self.status is None else self.status
        return f"{self.kind} {self.event or self.method} {self.path} {status}".rstrip()


_KEPT = 20_000


class Transcript(list[Entry]):
    """The last entries, some ten thousand of them."""

    def append(self, entry: Entry) -> None:
        super().append(entry)
        if len(self) > _KEPT:
            del self[: _KEPT // 2]

    def tail(self, count: int) -> str:
        return "\n".join(map(str, self[-count:]))

    def rest(self, method: str = "", path: str = "") -> list[Entry]:
        """Requests whose method and path (without /api/v10) contain what is given."""
        return [entry for entry in self if entry.kind == "rest" and method in ("", entry.method) and path in entry.path]
