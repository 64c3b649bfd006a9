"""Whether a provider, or one of its models, is to be asked now: a fold over its attempts, one breaker for each.

closed     jobs go
open       nobody is asked until a pause is over
half-open  one attempt goes; a result closes the breaker, or, unless attempts kept failing, that a provider takes it
           to make it later; a failure opens it again for twice as long
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from bot.domain.errors import Evidence
from bot.domain.job import Cause

# In the place of a model: the breaker of all that a provider has.
WHOLE = ""

MOST_FAILURES, WINDOW = 5, 600.0
# Who waits for a provider waits for half an hour; a try that costs nothing is made in time for that.
FIRST_PAUSE, LONGEST_FREE_PAUSE, LONGEST_PAUSE = 60.0, 300.0, 1800.0
LONGEST_HOLD = 600.0

_OF_THE_PROVIDER = {401: Cause.UNAUTHORIZED, 402: Cause.NO_CREDIT, 403: Cause.UNAUTHORIZED}
_OF_THE_MODEL = {404: Cause.MODEL_GONE}
_FAILURES = {
    Evidence.NOT_SENT: Cause.UNREACHABLE,
    Evidence.AMBIGUOUS: Cause.FAILING,
    Evidence.CHARGED_UNUSABLE: Cause.FAILING,
}
_OURS = frozenset({Cause.RESTARTED, Cause.CRASHED, Cause.STORAGE_FULL, Cause.RESTORED, Cause.GUILD_LEFT})


def is_providers_doing(evidence: Evidence, cause: Cause | None) -> bool:
    """Whether an attempt that ended so says anything of its provider: we may have cut, dropped or never sent it."""
    return cause is Cause.UNREACHABLE if evidence is Evidence.NOT_SENT else cause not in _OURS


@dataclass(frozen=True, slots=True)
class Trial:
    """A settled attempt. `newest` is the id of the last attempt that had begun by then; times are epoch seconds."""

    id: int
    newest: int
    settled_at: float
    evidence: Evidence
    status: int | None = None
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Breaker:
    """`openings` since the last result, 0 when closed, the first of them `since`; `failures` are counted while closed.

    Attempts above `newest` began after it had opened. No model is asked before `held_until`: its provider said so.
    """

    failures: tuple[float, ...] = ()
    openings: int = 0
    cause: Cause | None = None
    since: float = 0
    opened_at: float = 0
    newest: int = 0
    held_until: float = 0

    @property
    def pause(self) -> float:
        longest = LONGEST_PAUSE if self.cause is Cause.FAILING else LONGEST_FREE_PAUSE
        return min(FIRST_PAUSE * 2.0 ** (min(self.openings, 16) - 1), longest)

    @property
    def until(self) -> float:
        return self.opened_at + self.pause

    def after(self, trial: Trial, scope: str) -> Self:
        """The breaker of `scope`, a model or WHOLE, once this attempt has settled."""
        probing = trial.id > self.newest
        if trial.evidence is Evidence.MADE:
            return self._closed() if self.openings and probing else self
        held = self if scope == WHOLE else replace(self, held_until=max(self.held_until, trial.retry_at or 0))
        final = (_OF_THE_PROVIDER if scope == WHOLE else _OF_THE_MODEL).get(trial.status or 0)
        cause = final or (None if scope == WHOLE else _FAILURES.get(trial.evidence))
        if cause is None or (self.openings and not probing):
            return held
        recent = (*(at for at in self.failures if 0 <= trial.settled_at - at < WINDOW), trial.settled_at)
        if final is None and not self.openings and len(recent) < MOST_FAILURES:
            return replace(held, failures=recent)
        return replace(
            held,
            failures=(),
            openings=self.openings + 1,
            cause=cause,
            since=self.since if self.openings else trial.settled_at,
            opened_at=trial.settled_at,
            newest=trial.newest,
        )

    def accepted(self, attempt: int) -> Self:
        """Once its provider has taken an attempt to make it later: it does not refuse us, and it has the model. Whether
        it keeps failing, only a result tells."""
        over = self.openings and attempt > self.newest and self.cause is not Cause.FAILING
        return self._closed() if over else self

    def _closed(self) -> Self:
        return replace(self, openings=0, cause=None)

    def shut_until(self, under_way: int, now: float) -> float | None:
        """When to look again, None when a job may go now; infinity: when the attempt that was let through has settled.

        `under_way` is the newest attempt in this scope that has not. A clock that was set back keeps nobody shut out.
        """
        if now < self.held_until <= now + LONGEST_HOLD:
            return self.held_until
        if not self.openings:
            return None
        if self.opened_at <= now < self.until:
            return self.until
        return math.inf if under_way > self.newest else None


@dataclass(frozen=True, slots=True)
class Trouble:
    """An open breaker, for people: of a provider (`model` is WHOLE), or of one model.

    One job is let through from `again_at` on; infinity while one is under way.
    """

    provider: str
    model: str
    cause: Cause
    since: float
    again_at: float

    def concerns(self, provider: str, model: str) -> bool:
        return self.provider == provider and self.model in (WHOLE, model)

    def ends_at(self, queued_at: float, patience: float) -> float:
        """When a job that has been in the queue since then has waited for `patience` seconds without a provider."""
        return max(self.since, queued_at) + patience


def trouble_of(troubles: Iterable[Trouble], provider: str, model: str) -> Trouble | None:
    """What keeps a model from being asked: the oldest of its troubles, until the last of them lets a job through."""
    found = [trouble for trouble in troubles if trouble.concerns(provider, model)]
    if not found:
        return None
    oldest = min(found, key=lambda trouble: trouble.since)
    return replace(oldest, again_at=max(trouble.again_at for trouble in found))
