"""What goes wrong now: chances by cell (step and fault), drawn from a seed and counted when they happen."""

import random
from collections import Counter
from collections.abc import Mapping

Chances = Mapping[str, Mapping[str, float]]


class Weather:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now: Chances = {}
        self.met: Counter[str] = Counter()

    def change(self, chances: Chances) -> None:
        self._now = chances

    def draw(self, step: str) -> str | None:
        """The fault that this step meets, if any."""
        faults = self._now.get(step)
        if not faults:
            return None
        dice = self._chance.random()
        for fault, share in faults.items():
            dice -= share
            if dice < 0:
                self.met[f"{step}: {fault}"] += 1
                return fault
        return None


# By step. Each storm is a few of these at once.
STORMS: dict[str, Chances] = {
    "refusals": {
        "submit": {"E0": 0.15, "E1 400": 0.05, "E1 404": 0.02, "E1 401": 0.02, "E1 402": 0.02, "E1 403": 0.02,
                   "E1 429": 0.2, "E1 503": 0.2},
    },
    "doubt": {"submit": {"E2 before": 0.12, "E2 after": 0.12, "E2 500": 0.05, "E3": 0.08, "hang": 0.03}},
    "down": {"submit": {"E0": 0.9}, "poll": {"outage": 0.9}, "fetch": {"outage": 0.9}},
    "flaky": {
        "poll": {"outage": 0.25, "401": 0.03, "404": 0.05, "nonsense": 0.1, "unknown word": 0.1, "backwards": 0.1},
        "fetch": {"outage": 0.2, "404": 0.05, "truncated": 0.15, "nonsense": 0.1},
        "cancel": {"lost answer": 0.4, "outage": 0.2},
        "course": {"failed": 0.15, "stuck": 0.03, "cancelled": 0.05},
        "answer": {"garbage": 0.1},
    },
    "discord": {
        "post": {"lost reply": 0.2, "5xx after": 0.1, "5xx before": 0.15, "429": 0.15, "slow": 0.1, "ban": 0.01},
        "edit": {"lost reply": 0.1, "5xx before": 0.2, "429": 0.15, "slow": 0.1},
        "read": {"5xx before": 0.2, "429": 0.1, "lost reply": 0.1},
        "callback": {"lost reply": 0.2, "5xx after": 0.1, "5xx before": 0.1, "slow": 0.1},
    },
    "outage": {step: {"5xx before": 0.9} for step in ("post", "edit", "read", "callback")},
    "humans": {"channel": {"AutoMod": 0.15, "deleted by a human": 0.2, "queue message deleted": 0.1}},
}  # fmt: skip
