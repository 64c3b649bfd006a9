"""How often Discord has refused us lately: it bans an address after 10,000 refusals in ten minutes.

Counted where answers arrive, so that what a client library repeats on its own counts too, as it does at Discord:
`heard` is for `aiohttp.TraceConfig.on_request_end` (topics/rate-limits#invalid-request-limit-aka-cloudflare-bans).
"""

from collections import deque

import aiohttp

from bot.ports import Clock

_STATUSES = frozenset({401, 403, 429})
_WINDOW_SECONDS = 600.0


class Invalid:
    def __init__(self, clock: Clock, limit: int = 1_000) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=limit)

    @property
    def closed_until(self) -> float:
        """In the clock's monotonic seconds; nothing that can wait should be sent before."""
        return self._times[0] + _WINDOW_SECONDS if len(self._times) == self._times.maxlen else 0.0

    async def heard(self, _: object, __: object, answer: aiohttp.TraceRequestEndParams) -> None:
        # A limit that all bots share is not held against one.
        shared = answer.response.headers.get("X-RateLimit-Scope") == "shared"
        if answer.response.status in _STATUSES and not shared:
            self._times.append(self._clock.monotonic())
