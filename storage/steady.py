"""The time that limits are counted in, kept across restarts by the last attempt's row."""

import math
import sqlite3

from bot.domain.limits import Moment
from bot.ports import Clock
from storage.database import load_queries


class SteadyClock:
    def __init__(self, clock: Clock) -> None:
        self._queries, self._clock = load_queries("claims.sql"), clock
        self._last: Moment | None = None

    def tick(self, connection: sqlite3.Connection) -> Moment:
        """Now. What passed since the tick before is judged by both clocks, so a jump between two ticks counts once."""
        self._last = self.read(connection)
        return self._last

    def read(self, connection: sqlite3.Connection) -> Moment:
        """Now, for those who only look."""
        wall, boot = self._clock.now(), self._clock.monotonic()
        return (self._last or self._of_the_last_attempt(connection, wall, boot)).at(wall, boot)

    def _of_the_last_attempt(self, connection: sqlite3.Connection, wall: float, boot: float) -> Moment:
        row = self._queries.last_attempt(connection)
        if row is None:
            return Moment(wall, wall, boot)
        # Rows of a version that did not note it know nothing of the machine's uptime.
        return Moment(row["started_steady"], row["started_at"], -math.inf if row["boot"] is None else row["boot"])
