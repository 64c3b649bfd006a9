"""Asks one provider after the requests that wait there: a task only while a question is under way."""

import asyncio
import logging
import math
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bot.domain.errors import ProviderError, Unauthorized, Unavailable
from bot.domain.health import LONGEST_HOLD
from bot.domain.job import Act, Cancelled, Cause, Completed, Failed, InProgress, Job, RemoteHandle, RemoteStatus
from bot.jobs.agenda import Agenda
from bot.jobs.bell import Bell
from bot.jobs.estimate import Pace
from bot.jobs.paces import Paces
from bot.jobs.planner import FIRST, Gone, Plan, Stuck
from bot.ports import Clock, QueueProvider

log = logging.getLogger(__name__)

_NO_CREDIT, _REFUSED_PAUSE = 402, 60.0
_TOO_MANY, _TOO_MANY_PAUSE = 429, 5.0
_FETCHES_AT_ONCE = 16
# Three quarters of a minute of them, in which a network comes back.
_AN_OUTAGE = 6
_JITTER = 0.1

# What ends the waiting.
End = Completed | Failed | Cancelled | Gone | Stuck


@dataclass(slots=True, eq=False)
class Watch:
    """A request that waits at its provider. `wished`: somebody asked for its end, a moderator by `act`; `end`: what the
    wait has come to."""

    job: Job
    handle: RemoteHandle
    plan: Plan
    wished: Cause | None = None
    act: Act | None = None
    end: End | None = None
    dropped: bool = False
    # Its provider was seen at work on it, so nothing can be withdrawn any more.
    begun: bool = False
    # Our key was refused when its provider was last asked.
    refused: bool = False

    def saw(self, status: RemoteStatus) -> None:
        self.begun = self.begun or isinstance(status, InProgress)
        self.refused = False


class Desk:
    """The questions to one provider. `heard` is called with every answer, but for those of a start that has not asked
    after everybody yet; `ended` once a watch has its end."""

    def __init__(
        self,
        provider: QueueProvider,
        paces: Paces,
        clock: Clock,
        stuck_seconds: float,
        heard: Callable[[Watch, RemoteStatus], None],
        ended: Callable[[Watch], None],
    ) -> None:
        self.provider = provider
        self._paces, self._clock, self._stuck_seconds = paces, clock, stuck_seconds
        self._heard, self._ended = heard, ended
        self._agenda: Agenda[Watch] = Agenda()
        self._fetches = asyncio.Semaphore(_FETCHES_AT_ONCE)
        self._bell = Bell(clock)
        self._wakes_at = math.inf
        self._patient_from = -math.inf
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._serve(), f"follow {provider.name}")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, watch: Watch, *, at_once: bool) -> None:
        """`at_once`: a process has just started, and nobody knows how the request stands."""
        if at_once:
            self._agenda.put_first(watch)
            self._bell.ring()
        else:
            # Its provider has just taken it from us.
            self.taken()
            self._put(watch, FIRST)

    def note(self, error: ProviderError, *, refused_before: bool) -> None:
        """What one answer says about the provider as a whole.

        `refused_before`: so was the last one to this question. If others were answered since, our key is good.
        """
        now = self._clock.monotonic()
        if isinstance(error, Unauthorized):
            if refused_before and not self._agenda.refused:
                return
            log.error("%s refuses our key: jobs there wait", error.provider)
            self._agenda.refused = True
        elif error.status is not None:
            self.taken()
        if error.status == _NO_CREDIT:
            self._patient_from = now
        if self._agenda.refused:
            self._agenda.close(now, _REFUSED_PAUSE)
        wait = min(error.retry_after or 0.0, LONGEST_HOLD) if isinstance(error, Unavailable) else 0.0
        if error.status == _TOO_MANY:
            self._agenda.slow_down(now, wait or _TOO_MANY_PAUSE)
        elif wait:
            self._agenda.close(now, wait)

    def taken(self) -> None:
        """Our key is good."""
        if self._agenda.refused:
            self._agenda.refused = False
            self._patient_from = self._clock.monotonic()

    def patience_is_over(self, since: float, failures: int) -> bool:
        """Whether nothing has moved `since`; a time in which our key or account was refused is nobody's standstill.

        `failures` in a row, the last of them now: few are no outage, as the machine may have slept between them.
        """
        now = self._clock.monotonic()
        waits = self._agenda.refused or 0 < failures < _AN_OUTAGE
        return not waits and now - max(since, self._patient_from) > self._stuck_seconds

    @asynccontextmanager
    async def fetching(self) -> AsyncIterator[None]:
        """A place for fetching a film, once the provider wants to hear something; of a refused key one finds out."""
        async with self._fetches:
            while (wait := self._agenda.opens_in(self._clock.monotonic())) > 0:
                await self._clock.sleep(wait)
            if self._agenda.refused:
                self._agenda.close(self._clock.monotonic(), _REFUSED_PAUSE)
            yield

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _put(self, watch: Watch, pause: float) -> None:
        due = self._clock.monotonic() + pause * _jitter(watch)
        self._agenda.put(watch, due, near=watch.plan.estimate.end is not None)
        if due < self._wakes_at:
            self._bell.ring()

    async def _serve(self) -> None:
        while True:
            now = self._clock.monotonic()
            watch = self._agenda.take(now)
            if watch is not None:
                self._start(self._work(watch), f"follow {watch.job.id}")
                continue
            wait = self._agenda.wait(now)
            self._wakes_at = math.inf if wait is None else now + wait
            await self._bell.rest(wait)

    async def _work(self, watch: Watch | None) -> None:
        """One question after the other, as long as somebody is due."""
        while watch is not None:
            try:
                if not watch.dropped:
                    await self._ask(watch)
            finally:
                self._agenda.done()
            watch = self._agenda.take(self._clock.monotonic())
        self._bell.ring()

    async def _ask(self, watch: Watch) -> None:
        plan, pace = watch.plan, Pace(0.0)
        try:
            pace = await self._paces.of(watch.job.request)
            self._answered(watch, await self.provider.poll(watch.handle), pace)
        except ProviderError as error:
            log.warning("status not known: %s", error, extra={"job": watch.job.id, "status": error.status})
            self.note(error, refused_before=watch.refused)
            watch.refused = watch.refused or isinstance(error, Unauthorized)
            plan.failed(self._clock.monotonic(), error)
        except Exception as mistake:  # the root of this task
            log.exception("asking failed", extra={"job": watch.job.id})
            plan.failed(self._clock.monotonic(), mistake)
        self._go_on(watch, pace)

    def _answered(self, watch: Watch, status: RemoteStatus, pace: Pace) -> None:
        now = self._clock.monotonic()
        self._agenda.answered()
        self.taken()
        watch.saw(status)
        if isinstance(status, Completed | Failed | Cancelled):
            watch.end = status
            if isinstance(status, Completed) and (run := watch.plan.ran(now)) is not None:
                self._paces.learn(watch.job.request, run)
            return
        watch.plan.saw(status, now, pace)
        # Ten thousand messages brought up to date would take the time in which a start asks: theirs is the next answer.
        if not (watch.dropped or self._agenda.starting):
            self._heard(watch, status)

    def _go_on(self, watch: Watch, pace: Pace) -> None:
        plan, now = watch.plan, self._clock.monotonic()
        if watch.end is None:
            stuck = Stuck(self._stuck_seconds) if self.patience_is_over(plan.moved_at, plan.failures) else None
            watch.end = plan.hopeless(now) or stuck
        if watch.dropped:
            return
        if watch.end is not None:
            self._ended(watch)
            return
        self._put(watch, plan.pause(now, pace))


def _jitter(watch: Watch) -> float:
    """So that jobs that were submitted together are not asked after together; the same in every run."""
    return 1 + _JITTER * zlib.crc32(f"{watch.job.id} {watch.plan.questions}".encode()) / 2**32
