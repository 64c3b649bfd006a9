"""Scripted misfortune."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal


@dataclass
class Fault:
    """`where` is a method and a path below /api/v10; `*` stands for one path segment.

    status, code   answer this instead of doing anything
    retry_after    answer 429 with that scope; seconds
    drop           close the socket "before" or "after" the request took effect
    answer_after   do it, but answer that many seconds later
    effect_then_status  do it, then answer this status
    gateway        at once, not matched: "drop", "reconnect" (op 7), "invalid" (op 9 false),
                   "invalid_resumable" (op 9 true), "garbage" (a frame that is not JSON)
    """

    where: str = ""
    times: int = 1
    status: int | None = None
    code: int = 0
    message: str = ""
    retry_after: float | None = None
    scope: Literal["user", "shared", "global"] = "user"
    drop: Literal["before", "after"] | None = None
    answer_after: float | None = None
    effect_then_status: int | None = None
    gateway: Literal["drop", "reconnect", "invalid", "invalid_resumable", "garbage"] | None = None

    def __post_init__(self) -> None:
        chosen = (self.status, self.retry_after, self.drop, self.answer_after, self.effect_then_status)
        if sum(each is not None for each in (*chosen, self.gateway)) != 1:
            raise ValueError("a fault does exactly one thing")
        if self.gateway is None and " " not in self.where:
            raise ValueError('a fault needs a place such as "POST /channels/*/messages"')

    def matches(self, method: str, path: str) -> bool:
        wanted, pattern = self.where.split(" ", 1)
        parts, given = pattern.split("/"), path.split("/")
        return fnmatchcase(method, wanted) and len(parts) == len(given) and all(map(fnmatchcase, given, parts))


class FaultBook:
    def __init__(self, on_gateway: Callable[[Fault], None]) -> None:
        self._waiting: list[Fault] = []
        self._on_gateway = on_gateway

    def add(self, fault: Fault) -> Fault:
        if fault.gateway is not None:
            self._on_gateway(fault)
        else:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault that fits, used up by one."""
        for fault in self._waiting:
            if fault.matches(method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
                return fault
        return None
