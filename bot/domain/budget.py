"""What a guild may still spend within any 24 hours: sums of prices that are exact."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DAY = 86400.0
_PARTS = 1_000_000


def parts(price: float) -> int:
    """A price in the millionths that sums are made of."""
    return round(price * _PARTS)


@dataclass(frozen=True, slots=True)
class Budget:
    """`left` in parts; `spent` is (parts, when it was settled), oldest first, infinity for what is under way; `prices`
    are parts by model, the others are free."""

    left: float = math.inf
    spent: Sequence[tuple[int, float]] = ()
    prices: Mapping[str, int] = field(default_factory=dict)

    def fits_at(self, *models: str) -> float:
        """When one attempt of each fits, if nothing else is spent: 0 when it does now, infinity while nobody knows."""
        left, price = self.left, sum(self.prices.get(model, 0) for model in models)
        if price == 0 or price <= left:
            return 0.0
        for each, settled in self.spent:
            left += each
            if price <= left:
                return settled + DAY
        return math.inf
