"""How old the knowledge may be on which something is sent that must not be sent twice (RELIABILITY, R8).

A process can be suspended between looking and sending, and a client library waits and repeats inside one call. So the
age is checked where the bytes leave: `check_age` is for `aiohttp.TraceConfig.on_request_headers_sent`, which is called
in the sender's own context when a connection stands and nothing of the request is written yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from bot.ports import Clock

# Discord answers a repeated nonce with the first message for "the past few minutes"; nobody says how many.
_SECONDS = 60.0
_in_force: ContextVar["Age | None"] = ContextVar("age", default=None)


class TooOld(Exception):
    """The request was not sent. An earlier one of the same call may have been: look."""


class Age:
    """Of what is known now, or was known at `known_at` (epoch). `sends` counts the requests that went out on it.

    Both clocks count: boot time knows how long this machine slept, the wall clock how long a virtual one was paused.
    """

    def __init__(self, clock: Clock, known_at: float | None = None) -> None:
        self._clock = clock
        self._boot, self._wall = clock.monotonic(), clock.now() if known_at is None else known_at
        self.sends = 0

    @property
    def over(self) -> bool:
        return max(self._clock.monotonic() - self._boot, self._clock.now() - self._wall) > _SECONDS

    @contextmanager
    def limits(self) -> Iterator[Self]:
        """Within the block, and in tasks that it starts, no request leaves once the age is over."""
        before = _in_force.set(self)
        try:
            yield self
        finally:
            _in_force.reset(before)


async def check_age(*_: object) -> None:
    """Raises TooOld."""
    age = _in_force.get()
    if age is None:
        return
    if age.over:
        raise TooOld
    age.sends += 1
