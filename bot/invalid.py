"""How often Discord has refused us lately: it bans an address after 10,000 refusals in ten minutes.

Counted where answers arrive, whatever was asked: what a client library repeats by itself counts at Discord too. `heard`
is for `aiohttp.TraceConfig.on_request_end` (topics/rate-limits#invalid-request-limit-aka-cloudflare-bans).
"""

from collections import deque

import aiohttp

from bot.ports import Clock

_TOO_MANY = 429
_STATUSES = frozenset({401, 403, _TOO_MANY})
_WINDOW_SECONDS = 600.0


class Invalid:
    def __init__(self, clock: Clock, limit: int = 1_000) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=limit)
        self._banned_until = 0.0

    @property
    def closed_until(self) -> float:
        """In the clock's monotonic seconds; nothing that can wait should be sent before."""
        full = len(self._times) == self._times.maxlen
        return max(self._banned_until, self._times[0] + _WINDOW_SECONDS if full else 0.0)

    async def heard(self, _: object, __: object, answer: aiohttp.TraceRequestEndParams) -> None:
        response, now = answer.response, self._clock.monotonic()
        # A limit that all bots share is not held against one.
        if response.status in _STATUSES and response.headers.get("X-RateLimit-Scope") != "shared":
            self._times.append(now)
        # What Discord itself wrote has this header: without it, the ban has come.
        if response.status == _TOO_MANY and "Via" not in response.headers:
            self._banned_until = now + _WINDOW_SECONDS
