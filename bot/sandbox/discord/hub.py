"""What happens in the world, told to everyone who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .message import Message
    from .world import Channel, Guild


@dataclass(frozen=True)
class Event:
    """`name` is a gateway event, or "BOT" and "COMMANDS" which only the page hears."""

    name: str
    guild: Guild | None = None
    channel: Channel | None = None
    message: Message | None = None
    data: dict[str, Any] = field(default_factory=dict)


class Hub:
    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []
        self._pulse = asyncio.Event()

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Returns what ends the listening."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener(event)
        self.touch()

    def touch(self) -> None:
        """Wakes everyone who waits for a condition."""
        self._pulse.set()
        self._pulse = asyncio.Event()

    async def wait_until(self, condition: Callable[[], Any]) -> object:
        """The first true value of the condition, which is asked again after each change."""
        while True:
            pulse = self._pulse
            if value := condition():
                return value
            await pulse.wait()
