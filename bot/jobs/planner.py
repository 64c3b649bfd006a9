"""When to ask a queue provider again about one request: often near the end, seldom before."""

from dataclasses import dataclass, field

from bot.domain.errors import BadResponse, ProviderError, Rejected
from bot.domain.job import InProgress, RemoteStatus

_NOT_FOUND = 404
_MOST_NOT_FOUND, _NOT_FOUND_PAUSE = 3, 20.0
# A question that the provider calls wrong is a mistake of ours, and is repeated for so long.
_WRONG_SECONDS = 600.0
_MOST_MISTAKES, _MISTAKE_PAUSE = 10, 30.0

# On average nobody is asked more often than this; near the end a little more often, paid for by the time before.
_AVERAGE = 2.0
_SHORTEST = 1.7
_LONGEST = 30.0
_LONGEST_BLIND = 10.0
_AFTER_FAILURE, _LONGEST_AFTER_FAILURE = 2.0, 15.0
# Each question before the end is in sight comes after so many times the age.
_GROWTH = 2.0
# How much of the time that is left is slept, and how much of the time that it is already late.
_SHARE_OF_REST = 0.8
_SHARE_OF_DELAY = 0.1
# However long it stood in the provider's queue, making it takes this much of the usual time.
_SHARE_OF_USUAL = 0.6
# Where between two questions a task was probably done; early, because a late guess costs more than a question.
_EARLY = 0.3


@dataclass(frozen=True, slots=True)
class Gone:
    """The provider knows nothing of the request any more, or it cannot be asked."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """Nothing was heard of it for so many seconds."""

    seconds: float


@dataclass(slots=True)
class Plan:
    """What is known of one request at its provider. All times are monotonic seconds.

    `end` is when it will be ready as far as anybody can tell; None while it has not started.
    """

    begun: float
    moved_at: float = field(init=False)
    end: float | None = None
    last: RemoteStatus | None = None
    failures: int = 0
    # How often in a row it was not found, how often asking itself went wrong, and since when questions are refused.
    _not_found: int = 0
    _mistakes: int = 0
    _wrong_since: float | None = None
    _asked: int = 0
    _asked_at: float = field(init=False)
    # The first count of done tasks that was heard, and when it was probably reached.
    _first: tuple[int, float] | None = None
    _latest: tuple[int, float] | None = None

    def __post_init__(self) -> None:
        self.moved_at = self._asked_at = self.begun

    @property
    def first_at(self) -> float:
        return self.begun + _AVERAGE

    def saw(self, status: RemoteStatus, now: float, usual: float) -> None:
        """Note an answer. Anything new about the request counts as movement."""
        self.failures = self._not_found = self._mistakes = 0
        self._wrong_since = None
        if status != self.last:
            self.moved_at = now
        if isinstance(status, InProgress):
            self._progressed(status, now, usual)
        self.last, self._asked_at = status, now
        self._asked += 1

    def failed(self, now: float, error: Exception) -> None:
        """Note a question that was not answered."""
        self.failures += 1
        self._asked += 1
        status = error.status if isinstance(error, ProviderError) else None
        self._mistakes = 0 if isinstance(error, ProviderError) else self._mistakes + 1
        self._not_found = self._not_found + 1 if isinstance(error, Rejected) and status == _NOT_FOUND else 0
        if not (isinstance(error, BadResponse) and status is not None and 400 <= status < 500):
            self._wrong_since = None
        elif self._wrong_since is None:
            self._wrong_since = now

    def hopeless(self, now: float) -> Gone | Stuck | None:
        """What the last answers have come to, when asking on makes no sense."""
        if self._not_found >= _MOST_NOT_FOUND or self._mistakes >= _MOST_MISTAKES:
            return Gone()
        if self._wrong_since is not None and now - self._wrong_since >= _WRONG_SECONDS:
            return Stuck(_WRONG_SECONDS)
        return None

    def _progressed(self, status: InProgress, now: float, usual: float) -> None:
        if self.end is None:
            self.end = max(self.begun + usual, now + _SHARE_OF_USUAL * usual)
        if status.done is None or not status.total:
            return
        if self._first is None:
            self._first = self._latest = (status.done, self._between(1 - _EARLY, now))
        elif self._latest is None or status.done != self._latest[0]:
            self._latest = (status.done, self._between(_EARLY, now))
        (done, at), (first, since) = self._latest, self._first
        if done > first:
            at_this_pace = at + (status.total - done) * (at - since) / (done - first)
            not_yet = now + (status.total - done - 1) * (now - since) / (done + 1 - first)
            self.end = max(at_this_pace, not_yet)

    def _between(self, share: float, now: float) -> float:
        return self._asked_at + share * (now - self._asked_at)

    def pause(self, now: float) -> float:
        """Seconds until the next question: it grows with age, and shrinks to a share of the time that is left."""
        if self._mistakes:
            return _MISTAKE_PAUSE
        if self.failures:
            return backoff(self.failures, not_found=self._not_found > 0)
        age = max(_AVERAGE, _GROWTH * (now - self.begun))
        due = self.begun + _AVERAGE * (self._asked + 1) - now
        return max(due, min(age, self._by_the_end(now)))

    def _by_the_end(self, now: float) -> float:
        if self.end is None:
            return _LONGEST_BLIND
        rest = self.end - now
        if rest > 0:
            return min(_LONGEST, max(_SHORTEST, _SHARE_OF_REST * rest))
        return min(_LONGEST_BLIND, max(_SHORTEST, _SHARE_OF_DELAY * -rest))


def backoff(failures: int, *, not_found: bool = False) -> float:
    """Seconds to wait after so many failures in a row."""
    return _NOT_FOUND_PAUSE if not_found else min(_AFTER_FAILURE * 2.0 ** min(failures - 1, 9), _LONGEST_AFTER_FAILURE)
