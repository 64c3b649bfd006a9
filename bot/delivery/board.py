"""The queue messages' live edits: few, never out of order, and the ending last."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

import discord

from bot.delivery.answers import Refused
from bot.delivery.line import Line
from bot.domain.errors import DeliveryRevoked
from bot.domain.job import Job
from bot.domain.messages import Message
from bot.ports import Clock
from bot.ui import sendable

log = logging.getLogger(__name__)

_EVERY_SECONDS = 3.0
_ENDING_TRIES = 5
_REMEMBERED_ENDINGS = 10_000


@dataclass(slots=True, eq=False)
class _Post:
    """A queue message: what it shall show, and what was last tried."""

    channel_id: int
    message_id: int
    wanted: Message
    tried: Message | None = None
    ending: bool = False
    given_up: bool = False
    next_at: float = 0.0
    task: asyncio.Task[None] | None = None


class _Turn:
    """Edits in one channel go one after the other, endings first; a text is chosen when its turn has come."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting: set[_Post] = set()

    @asynccontextmanager
    async def of(self, post: _Post) -> AsyncIterator[None]:
        while True:
            self._waiting.add(post)
            try:
                await self._lock.acquire()
            finally:
                self._waiting.discard(post)
            if post.ending or not any(other.ending for other in self._waiting):
                break
            # Back to the end of the line.
            self._lock.release()
        try:
            yield
        finally:
            self._lock.release()


class Board:
    def __init__(self, client: discord.Client, line: Line, clock: Clock) -> None:
        self._client, self._line, self._clock = client, line, clock
        self._posts: dict[str, _Post] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._turns: WeakValueDictionary[int, _Turn] = WeakValueDictionary()

    def show(self, job: Job, message: Message) -> None:
        """Bring the queue message up to date soon. Ignored for a job that has ended or has no queue message.

        One that has moved on since its end lives again: a moderator released it.
        """
        if self._closed or job.ack_message_id is None or job.state.rests:
            return
        if job.epoch <= self._ended.get(job.id, -1):
            return
        self._ended.pop(job.id, None)
        post = self._posts.get(job.id)
        if post is None:
            post = self._posts[job.id] = _Post(job.to.channel_id, job.ack_message_id, message)
        post.wanted = message
        self._start(post)

    async def end(self, job: Job, message: Message) -> None:
        """The last edit; nothing older can overtake it. Raises Refused, DeliveryRevoked."""
        if job.ack_message_id is None:
            return
        post = self._ending(job) or _Post(job.to.channel_id, job.ack_message_id, message)
        post.wanted, post.tried, post.ending, post.given_up = message, None, True, False
        # An edit under way is not cancelled: Discord might still take it, after this one.
        await asyncio.shield(self._start(post))

    async def leave(self, job: Job) -> None:
        """No more edits; returns when none is under way."""
        post = self._ending(job)
        if post is not None:
            post.given_up = True
            async with self._turn(post):
                pass

    def _ending(self, job: Job) -> _Post | None:
        self._ended[job.id] = job.epoch
        if len(self._ended) > _REMEMBERED_ENDINGS:
            self._ended.popitem(last=False)
        return self._posts.pop(job.id, None)

    async def close(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, post: _Post) -> asyncio.Task[None]:
        if post.task is None or post.task.done():
            post.task = asyncio.create_task(self._run(post))
            self._tasks.add(post.task)
            post.task.add_done_callback(self._tasks.discard)
        return post.task

    async def _run(self, post: _Post) -> None:
        try:
            await self._keep(post)
        except Exception:
            if post.ending:
                raise  # `end` waits for it
            post.given_up = True
            log.exception("queue message not edited", extra={"message_id": post.message_id})

    async def _keep(self, post: _Post) -> None:
        while post.wanted != post.tried and not post.given_up:
            if (wait := post.next_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(wait)
            async with self._turn(post):
                await self._line.open()
                await self._edit(post)

    def _turn(self, post: _Post) -> AbstractAsyncContextManager[None]:
        return self._turns.setdefault(post.channel_id, _Turn()).of(post)

    async def _edit(self, post: _Post) -> None:
        # Read only now: while we waited for our turn, the message may have moved on.
        if post.given_up:
            return
        if post.ending:
            await self._edit_last(post)
            return
        message = post.tried = post.wanted
        try:
            await self._line.once(lambda: self._patch(post, message))
        except Refused as refused:
            # What passes is not repeated: the next change brings it, and the ending is told in any case.
            post.given_up |= not (refused.answer.passing or post.ending)
            post.next_at = self._clock.monotonic() + max(_EVERY_SECONDS, refused.wait)
            log.info("queue message not edited", extra={"message_id": post.message_id, "why": str(refused)})
        except DeliveryRevoked:
            post.given_up |= not post.ending
            log.error("queue message not edited: the bot's token is refused", extra={"message_id": post.message_id})  # noqa: TRY400
        else:
            post.next_at = self._clock.monotonic() + _EVERY_SECONDS

    async def _edit_last(self, post: _Post) -> None:
        message = post.tried = post.wanted
        await self._line.patiently(lambda: self._patch(post, message), tries=_ENDING_TRIES)

    async def _patch(self, post: _Post, message: Message) -> None:
        channel = self._client.get_partial_messageable(post.channel_id)
        await channel.get_partial_message(post.message_id).edit(**sendable(message))
