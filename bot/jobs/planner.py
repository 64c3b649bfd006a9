"""When to ask a queue provider again about one request: seldom, then often around its end."""

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate

from bot.domain.errors import BadResponse, ProviderError, Rejected
from bot.domain.job import InProgress, InQueue, RemoteStatus
from bot.jobs.estimate import Estimate, Pace

_NOT_FOUND = 404
_MOST_NOT_FOUND, _NOT_FOUND_PAUSE = 3, 20.0
_OURS = range(300, 500)
_MOST_MISTAKES, _MISTAKE_PAUSE = 10, 30.0
_AFTER_FAILURE, _LONGEST_AFTER_FAILURE = 2.0, 15.0

WRONG_SECONDS = 600.0
FIRST = 2.0
SHORTEST, LONGEST, LONGEST_IN_QUEUE = 0.8, 90.0, 240.0
# Hardly any is made faster than in so much of the usual time; and half of the way to its turn is slept.
_SHARE_OF_RUN, _SHARE_OF_WAIT = 0.6, 0.5
# As long as the end is not known to within so many seconds, so much of the rest is waited to know it better.
_SURE_ENOUGH, _SHARE_OF_REST = 3.0, 0.7
# Where only a document says how long it takes, no pause is longer than so many times the age.
_GROWTH = 8.0
# What is later than anybody expected is asked after less and less.
_SHARE_OF_DELAY = 0.1
# How many questions one second of delay is worth; an end that is known worse than to so many seconds costs no more.
_WORTH, _WIDEST = 8.0, 8.0
_STEP, _EARLIEST, _LATEST = 0.05, -5.0, 8.0


def _chance(deviations: float) -> float:
    """The chance per standard deviation that what is normally distributed, and has not come, comes now."""
    return math.exp(-(deviations**2) / 2) / math.sqrt(math.pi / 2) / math.erfc(deviations / math.sqrt(2))


# Costs of questions and of delay are least when the questions are as dense as the root of that chance: their number up
# to each moment, for one question a second at a chance of one.
_MOMENTS = [_EARLIEST + _STEP * number for number in range(round((_LATEST - _EARLIEST) / _STEP) + 1)]
_QUESTIONS = list(accumulate(_STEP * math.sqrt(_chance(moment)) for moment in _MOMENTS))


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

    `begun`: when it was submitted; `moved_at`: since when it has come no further, at first since it is watched.
    """

    begun: float
    moved_at: float
    estimate: Estimate = field(init=False)
    _furthest: tuple[int, float] = (0, 0.0)
    _asked_at: float | None = None
    questions: int = 0
    failures: int = 0
    # How often in a row it was not found, how often asking itself went wrong, and since when questions are refused.
    _not_found: int = 0
    _mistakes: int = 0
    _wrong_since: float | None = None

    def __post_init__(self) -> None:
        self.estimate = Estimate(self.begun)

    def saw(self, status: RemoteStatus, now: float, pace: Pace) -> None:
        """Note an answer. Who is further than ever before has moved."""
        self.questions += 1
        self.failures = self._not_found = self._mistakes = 0
        self._wrong_since = None
        if (reached := _reached(status)) > self._furthest:
            self._furthest, self.moved_at = reached, now
        self._asked_at = now
        self.estimate.saw(status, now, pace)

    def failed(self, now: float, error: Exception) -> None:
        """Note a question that was not answered."""
        self.questions += 1
        self.failures += 1
        self._mistakes = 0 if isinstance(error, ProviderError) else self._mistakes + 1
        not_found = isinstance(error, Rejected) and error.status == _NOT_FOUND
        self._not_found = self._not_found + 1 if not_found else 0
        if not called_wrong(error):
            self._wrong_since = None
        elif self._wrong_since is None:
            self._wrong_since = now

    def hopeless(self, now: float) -> Gone | Stuck | None:
        """What the last answers have come to, when asking on makes no sense."""
        if self._not_found >= _MOST_NOT_FOUND or self._mistakes >= _MOST_MISTAKES:
            return Gone()
        if self._wrong_since is not None and now - self._wrong_since >= WRONG_SECONDS:
            return Stuck(WRONG_SECONDS)
        return None

    def ran(self, now: float) -> float | None:
        """How long it was made, `now` that it is ready; None when nobody saw enough of it to tell."""
        since = self.begun if self._asked_at is None else self._asked_at
        run = self.estimate.ran((since + now) / 2)
        return run if run is not None and now - since <= _SHARE_OF_DELAY * run else None

    def pause(self, now: float, pace: Pace) -> float:
        """Seconds until the next question."""
        if self._mistakes:
            return _MISTAKE_PAUSE
        if self.failures:
            return backoff(self.failures, not_found=self._not_found > 0)
        if self.estimate.end is None:
            pause = max(FIRST, _SHARE_OF_RUN * pace.run, _SHARE_OF_WAIT * self.estimate.wait(now))
            pause = min(pause, LONGEST_IN_QUEUE)
        else:
            pause = max(SHORTEST, min(self._until_likely(now, self.estimate.end), LONGEST))
        return pause if pace.seen else min(pause, max(FIRST, _GROWTH * (now - self.begun)))

    def _until_likely(self, now: float, end: float) -> float:
        rest, spread = end - now, self.estimate.spread
        pause = rest + spread * _next(-rest / spread, math.sqrt(2 / (_WORTH * min(spread, _WIDEST))))
        if rest > 0 and spread > _SURE_ENOUGH and self.estimate.silent < 2:
            return min(pause, _SHARE_OF_REST * rest)
        # The end moves on with a count that stands still, or goes back and forth.
        since = min(end, self.moved_at) if self.estimate.counts else end
        return max(pause, _SHARE_OF_DELAY * (now - since - 2 * spread))


def _next(moment: float, cost: float) -> float:
    """The moment, in standard deviations from the end, up to which questions of that cost are worth one more."""
    begun = max(0, min(len(_MOMENTS) - 1, round((moment - _EARLIEST) / _STEP)))
    found = bisect_left(_QUESTIONS, _QUESTIONS[begun] + cost)
    return _MOMENTS[min(found, len(_MOMENTS) - 1)]


def _reached(status: RemoteStatus) -> tuple[int, float]:
    """How far it is; of two the greater is further."""
    match status:
        case InQueue(position):
            return 1, -position
        case InProgress(done, total):
            return 2, done / total if done and total else 0.0
    return 0, 0.0


def called_wrong(error: Exception) -> bool:
    """Whether the provider calls the question wrong, or sends us elsewhere: a mistake of ours, which is repeated for
    WRONG_SECONDS in case somebody mends it."""
    return isinstance(error, BadResponse | Rejected) and error.status in _OURS and error.status != _NOT_FOUND


def backoff(failures: int, *, not_found: bool = False) -> float:
    """Seconds to wait after so many failures in a row."""
    return _NOT_FOUND_PAUSE if not_found else min(_AFTER_FAILURE * 2.0 ** min(failures - 1, 9), _LONGEST_AFTER_FAILURE)
