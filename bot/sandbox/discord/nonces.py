"""The nonces of the last minutes: a repeated one makes no second message (enforce_nonce)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .clock import Clock
from .message import Message
from .options import SandboxOptions
from .world import Channel

_Key = tuple[int, str]


@dataclass(frozen=True)
class Remembered:
    forget: Callable[[], None]


class Nonces:
    def __init__(self, clock: Clock, options: SandboxOptions) -> None:
        self._clock = clock
        self._options = options
        self._seen: dict[_Key, Message] = {}

    def earlier(self, channel: Channel, nonce: str | int) -> Message | None:
        """The message that had this nonce, deleted or not; None once the window has passed."""
        found = self._seen.get((channel.id, str(nonce)))
        if found is None or self._clock.now() - found.at > self._options.nonce_window:
            return None
        return found

    def remember(self, channel: Channel, nonce: str | int | None, message: Message) -> Remembered:
        key = (channel.id, str(nonce))
        if nonce is not None:
            self._seen[key] = message
        return Remembered(lambda: self._seen.pop(key, None) and None)
