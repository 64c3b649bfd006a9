"""The nonces of the last minutes: a repeated one makes no second message (enforce_nonce)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.clock import Clock

from .hub import Hub
from .message import Message
from .options import SandboxOptions
from .world import Channel

_Key = tuple[int, str]


@dataclass(frozen=True)
class Remembered:
    forget: Callable[[], None]


class Nonces:
    def __init__(self, hub: Hub, clock: Clock, options: SandboxOptions) -> None:
        self._hub = hub
        self._clock = clock
        self._options = options
        self._seen: dict[_Key, Message] = {}

    async def earlier(self, channel: Channel, nonce: str | int) -> Message | None:
        """The message that had this nonce, deleted or not; None once the window has passed.

        One whose files are still being taken in is waited for.
        """
        key = (channel.id, str(nonce))
        await self._hub.wait_until(lambda: self._settled(key))
        found = self._seen.get(key)
        if found is None or self._clock.now() - found.at > self._options.nonce_window:
            return None
        return found

    def _settled(self, key: _Key) -> bool:
        message = self._seen.get(key)
        return message is None or message.deleted or message.id in message.channel.messages

    def remember(self, channel: Channel, nonce: str | int | None, message: Message) -> Remembered:
        key = (channel.id, str(nonce))
        if nonce is not None:
            self._seen[key] = message
        return Remembered(lambda: self._forget(key))

    def _forget(self, key: _Key) -> None:
        self._seen.pop(key, None)
        self._hub.touch()
