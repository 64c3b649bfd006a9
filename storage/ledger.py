"""What a guild has spent or may still owe (R13), counted from its attempts.

An attempt reserves its price in the transaction that starts it, and counts until 24 hours after it was settled. It is
released at once when it was never sent (E0), when the provider said that it did not start (E1), and when the provider
itself confirmed that it was withdrawn before it began; nothing else proves that nothing was charged.
"""

import math
import sqlite3
from collections.abc import Mapping

from bot.domain.budget import DAY, Budget, parts
from storage.database import load_queries


class Ledger:
    def __init__(self, prices: Mapping[str, float]) -> None:
        """`prices` of one attempt by model; the others cost nothing."""
        self._queries = load_queries("claims.sql")
        self._prices = prices
        self._parts = {model: parts(price) for model, price in prices.items()}

    def price(self, model: str) -> float:
        return self._prices.get(model, 0)

    def above(self, price: float) -> frozenset[str]:
        """The models of which one attempt costs more."""
        return frozenset(model for model, each in self._prices.items() if each > price)

    def budget(self, connection: sqlite3.Connection, guild_id: int, cap: float, now: float) -> Budget:
        """Its times and `now` are steady seconds."""
        if cap == math.inf:
            return Budget()
        rows = self._queries.spent(connection, guild_id=guild_id, since=now - DAY)
        spent = [(parts(row["price"]), row["settled_steady"]) for row in rows]
        return Budget(parts(cap) - sum(price for price, _ in spent), spent, self._parts)
