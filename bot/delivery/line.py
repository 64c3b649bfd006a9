"""The line to Discord that all deliveries share: it waits out what passes and names what does not."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, count, repeat
from typing import TypeVar

from bot.age import Age, TooOld
from bot.delivery.answers import FAILURES, Answer, Refused, read
from bot.domain.errors import DeliveryRevoked
from bot.invalid import Invalid
from bot.ports import Clock

T = TypeVar("T")
# What was found, None for nothing, and how old that is. It is given the age of what was known before, if anything was.
Look = Callable[[Age | None], Awaitable[tuple[T | None, Age]]]

# Five tries in two minutes, then slowly: Discord has been down for hours.
_FIRST_WAITS = (1.0, 4.0, 15.0, 40.0, 60.0)
_SLOW_WAIT = 300.0
_DEAD = "Discord refuses the bot's token"


class Line:
    """`revoked` is called once, when Discord refuses the bot's token; nothing is sent after that."""

    def __init__(self, clock: Clock, invalid: Invalid, revoked: Callable[[], None] = lambda: None) -> None:
        self._clock, self._invalid, self._revoked = clock, invalid, revoked
        self._dead = False

    async def open(self) -> None:
        """Returns when Discord may be called at all."""
        while (wait := self._invalid.closed_until - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)

    async def once(self, call: Callable[[], Awaitable[T]]) -> T:
        """Raises Refused, or DeliveryRevoked when the bot's token is dead."""
        await self.open()
        if self._dead:
            raise DeliveryRevoked(_DEAD)
        try:
            return await call()
        except FAILURES as error:
            refused = read(error)
            self._note(refused)
            if refused.answer is Answer.REVOKED:
                raise DeliveryRevoked(_DEAD) from error
            raise refused from error

    async def patiently(self, call: Callable[[], Awaitable[T]], *, tries: int | None = None) -> T:
        """Repeat a `call` that may be repeated while its refusal may pass.

        Raises Refused for what will not pass, and after `tries`; DeliveryRevoked.
        """
        for number, wait in zip(count(1), _waits(), strict=False):
            try:
                return await self.once(call)
            except Refused as refused:
                if not refused.answer.passing or number == tries:
                    raise
                least = refused.wait
            await self._clock.sleep(max(wait, least))
        raise AssertionError("the waits never end")

    async def post(self, call: Callable[[], Awaitable[T]], look: Look[T], age: Age) -> T:
        """Make a `call` that must have its effect once: after any doubt `look` tells whether it had (R7, R8).

        `age` is that of the knowledge that it was not made yet. Raises what `look` does, Refused, DeliveryRevoked.
        """
        waits = _waits()
        while True:
            before = age.sends
            try:
                with age.limits():
                    return await self.once(call)
            except TooOld:
                pass
            except Refused as refused:
                # discord.py repeats a call on its own; what is refused then is the last one, not the first.
                if not refused.answer.passing and age.sends - before < 2:
                    raise
                await self._clock.sleep(max(next(waits), refused.wait))
            found, age = await look(age)
            if found is not None:
                return found

    def _note(self, refused: Refused) -> None:
        if refused.answer is Answer.REVOKED and not self._dead:
            self._dead = True
            self._revoked()


def _waits() -> Iterator[float]:
    return chain(_FIRST_WAITS, repeat(_SLOW_WAIT))
