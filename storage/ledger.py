"""What a guild has spent or may still owe (R13), counted from its attempts.

An attempt reserves its price in the transaction that starts it, and counts until 24 hours after it was settled. It is
released at once when it was never sent (E0), when the provider said that it did not start (E1), and when the provider
itself confirmed that it was withdrawn before it began; nothing else proves that nothing was charged.
"""

import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.database import load_queries

DAY = 86400.0
# Sums of prices are exact in these parts.
_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Budget:
    """`left` of the cap, in parts; `spent` is (price in parts, steady second at which it was settled), oldest first."""

    left: float
    spent: Sequence[tuple[int, float]]

    def fits_at(self, price: int) -> float:
        """The steady second from which on `price` is left, zero when it is now; infinity while that is not known."""
        left = self.left
        if price <= left:
            return 0.0
        for each, settled in self.spent:
            left += each
            if price <= left:
                return settled + DAY
        return math.inf


class Ledger:
    def __init__(self, prices: Mapping[str, float]) -> None:
        """`prices` of one attempt by model; the others cost nothing."""
        self._queries = load_queries("claims.sql")
        self._prices = prices

    def price(self, model: str) -> float:
        return self._prices.get(model, 0)

    def parts(self, model: str) -> int:
        return round(self.price(model) * _PARTS)

    def above(self, price: float) -> frozenset[str]:
        """The models of which one attempt costs more."""
        return frozenset(model for model, each in self._prices.items() if each > price)

    def budget(self, connection: sqlite3.Connection, guild_id: int, cap: float, now: float) -> Budget:
        """`now` in steady seconds."""
        if cap == math.inf:
            return Budget(math.inf, ())
        rows = self._queries.spent(connection, guild_id=guild_id, since=now - DAY)
        spent = [(round(row["price"] * _PARTS), row["settled_steady"]) for row in rows]
        return Budget(round(cap * _PARTS) - sum(price for price, _ in spent), spent)
