"""When to ask a queue provider again: often near the end, seldom before."""

from dataclasses import dataclass, field

from bot.domain.job import InProgress, InQueue, RemoteStatus

SHORTEST = 2.0
_LONGEST = 30.0
_LONGEST_BLIND = 10.0
_SHARE_OF_REST = 0.6


@dataclass(slots=True)
class Plan:
    """What is known of one request at its provider. All times are monotonic seconds; `usual` is once it has started."""

    begun: float
    usual: float
    moved_at: float = field(init=False)
    started_at: float | None = None
    last: RemoteStatus | None = None
    failures: int = 0

    def __post_init__(self) -> None:
        self.moved_at = self.begun

    def saw(self, status: RemoteStatus, now: float) -> None:
        """Note an answer. Anything new about the request counts as movement."""
        self.failures = 0
        if status != self.last:
            self.moved_at = now
        if isinstance(status, InProgress) and self.started_at is None:
            self.started_at = now
        self.last = status

    def failed(self) -> None:
        self.failures += 1

    def pause(self, now: float) -> float:
        """Seconds until the next question: it doubles with age, and shrinks to a share of the time that is left."""
        if self.failures:
            return min(SHORTEST * 2.0 ** (self.failures - 1), 15.0)
        age = max(SHORTEST, now - self.begun)
        rest = self._rest(now)
        if rest is None:
            return min(age, _LONGEST_BLIND)
        return min(age, _LONGEST, max(SHORTEST, _SHARE_OF_REST * rest))

    def _rest(self, now: float) -> float | None:
        """Seconds that it will probably still take; None while it has not started or is overdue."""
        if self.started_at is None or isinstance(self.last, InQueue):
            return None
        running = now - self.started_at
        if isinstance(self.last, InProgress) and self.last.done and self.last.total:
            share = min(self.last.done / self.last.total, 1.0)
            by_pace = running * (1 - share) / share if running >= SHORTEST else self.usual * (1 - share)
            return min(by_pace, self.usual)
        return self.usual - running if running < self.usual else None
