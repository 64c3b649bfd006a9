"""How long a submission that cost nothing is tried again (RELIABILITY, evidence classes and status table)."""

from dataclasses import dataclass

from bot.domain.errors import Evidence, ProviderError, Unavailable
from bot.domain.health import LONGEST_FREE_PAUSE, LONGEST_HOLD

_FIRST_PAUSE = 5.0
# Who says "at once" again and again is asked less and less often all the same.
_LEAST_RETRY_AFTER, _SHARE_OF_AGE = 1.0, 0.1
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Patience:
    """At most `tries` submissions within `seconds` of the first."""

    tries: int
    seconds: float


# Loading a model takes minutes: the pauses grow so that five tries last for most of them.
_BUSY, _BUSY_GROWTH = Patience(5, 300), 3.0
# A 429 uses up no try: the provider names the time, and it is waited for.
_RATE_LIMITED = Patience(1_000_000, 3600)
# Who is down, or refuses us, is left alone by its breaker: after these tries it lets one go every LONGEST_FREE_PAUSE.
# More mean that others are served and this job is not.
_MOST_TRIES_AT_FIRST = 8


def next_try(error: ProviderError, tries: int, first_try_at: float, now: float, wait_seconds: float) -> float | None:
    """When to submit again, in epoch seconds, or None when patience has run out. `tries` counts this one.

    `wait_seconds` is how long a job waits for a provider that is down or refuses us.
    """
    patience, pause = Patience(_MOST_TRIES_AT_FIRST + int(wait_seconds / LONGEST_FREE_PAUSE), wait_seconds), 0.0
    if isinstance(error, Unavailable):
        # The last try comes when patience ends, which is what a member was told.
        pause = min(_FIRST_PAUSE * 2.0 ** (min(tries, 6) - 1), max(0.0, first_try_at + wait_seconds - now))
        if error.status == _TOO_MANY_REQUESTS:
            # No try is used up that could be counted: it is age that makes the pauses longer.
            patience, pause = _RATE_LIMITED, max(_FIRST_PAUSE, now - first_try_at)
            if error.retry_after is not None:
                pause = max(_LEAST_RETRY_AFTER, error.retry_after, _SHARE_OF_AGE * (now - first_try_at))
        elif error.evidence is not Evidence.NOT_SENT:
            patience, left = _BUSY, max(_FIRST_PAUSE, first_try_at + _BUSY.seconds - now)
            # A second, told by whoever stands before it, loads no model either.
            pause = max(error.retry_after or 0.0, min(_FIRST_PAUSE * _BUSY_GROWTH ** (tries - 1), left))
    pause = min(pause, LONGEST_HOLD)
    if tries >= patience.tries or now + pause > first_try_at + patience.seconds:
        return None
    return now + pause
