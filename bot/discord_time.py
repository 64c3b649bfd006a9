"""What time it is at Discord, whatever our own clock says (RELIABILITY, S0)."""

from email.utils import parsedate_to_datetime

import aiohttp

from bot.ports import Clock


class DiscordTime:
    """`heard` is for `aiohttp.TraceConfig.on_request_end`: every answer carries its date, in whole seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset: float | None = None

    async def heard(self, _: object, __: object, answer: aiohttp.TraceRequestEndParams) -> None:
        try:
            at = parsedate_to_datetime(answer.response.headers.get("Date", "")).timestamp()
        except (ValueError, OverflowError):
            return
        self._offset = at - self._clock.monotonic()

    def since(self, moment: float) -> float:
        """Seconds since that epoch time, up to a second too few; 0 before Discord has answered anything."""
        return 0.0 if self._offset is None else self._clock.monotonic() + self._offset - moment
