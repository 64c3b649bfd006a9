"""Rate limits: per-route buckets, a second bucket that some routes share, and the bot's global one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bot.sandbox.clock import Clock


@dataclass(frozen=True)
class Limit:
    count: int
    seconds: float


# Discord publishes no numbers; these are the ones commonly met.
DEFAULT_LIMITS = {
    "message-create": Limit(5, 5),
    "message-edit": Limit(5, 5),
    "message-delete": Limit(5, 1),
    "old-message-edit": Limit(30, 3600),
    "typing": Limit(5, 5),
    "reaction": Limit(1, 0.25),
    "webhook": Limit(5, 2),
    "webhook-channel": Limit(30, 60),
    "commands": Limit(20, 20),
    "direct": Limit(10, 10),
    "read": Limit(25, 5),
    "login": Limit(50, 5),
}


# What is told is rounded to this; who waits exactly so long must find the door open.
_TICK = 0.001


@dataclass
class _Window:
    ends: float
    used: int


@dataclass(frozen=True)
class Verdict:
    """`retry_after` is None when the request may pass; `headers` belong on the answer either way."""

    headers: dict[str, str]
    retry_after: float | None = None
    scope: str = "user"


class Buckets:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, name: str, resource: str, limit: Limit) -> Verdict:
        now = self._clock.now()
        window = self._windows.get((name, resource))
        if window is None or window.ends - now < _TICK:
            self._forget_ended(now)
            window = self._windows[name, resource] = _Window(now + limit.seconds, 0)
        refused = window.used >= limit.count
        if not refused:
            window.used += 1
        left = window.ends - now
        headers = {
            "X-RateLimit-Limit": str(limit.count),
            "X-RateLimit-Remaining": str(limit.count - window.used),
            "X-RateLimit-Reset": f"{window.ends:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(name.encode()).hexdigest()[:32],
        }
        return Verdict(headers, retry_after=round(left, 3) if refused else None)

    def _forget_ended(self, now: float) -> None:
        if len(self._windows) > 1000:
            self._windows = {key: each for key, each in self._windows.items() if each.ends > now}
