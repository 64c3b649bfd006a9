"""What one stage plays: lives of the bot, each with its end and its misfortunes, drawn from a seed beforehand."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from tests.proof.chaos import misfortunes, points

_SHARE_AT_POINTS = 0.5
_SHARE_WHILE_STARTING = 0.2
_SHARE_OF_SIGNALS = 0.12
_SHARE_OF_CLOSING = 0.5
_SHARE_OF_GATEWAY = 0.25
# Once in so many stages the bot is stopped for longer than what it knows may be trusted (a minute).
_LONG_STOP_EVERY, _LONG_STOP = 7, (62.0, 66.0)


class End(Enum):
    """How a life ends; those that kill are counted as kills."""

    AT_POINT = "SIGKILL at a named point"
    AT_ANY_TIME = "SIGKILL at a random instant"
    STARTING = "SIGKILL while it starts"
    AT_MEDIA = "SIGKILL while media children hang"
    DRAINING = "SIGKILL while it drains"
    ASKED = "SIGTERM"
    ASKED_TWICE = "double SIGTERM"

    @property
    def kills(self) -> bool:
        return self not in (End.ASKED, End.ASKED_TWICE)


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock of the bot moves by `seconds`, so long after its start."""

    after: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Life:
    """Times are seconds: of `stands_still` and `disk_full` the length, of `ends_after` since it is online.

    A life that ends while starting counts `ends_after` from its start, one that drains from the signal.
    """

    number: int
    end: End
    ends_after: float
    point: str | None
    rows: tuple[str, ...]
    jobs: int
    presses: int
    stands_still: float | None
    disk_full: float | None
    jump: Jump | None

    @property
    def name(self) -> str:
        return f"{self.end.value} {self.point or ''}".strip()


def stage_seed(seed: int, stage: int) -> str:
    return f"{seed}/{stage}"


def lives(seed: int, stage: int, kills: int, jobs: int) -> list[Life]:
    """As many lives as it takes for `kills` kills; `jobs` are asked for in each, about."""
    dice = random.Random(stage_seed(seed, stage))
    deck = Deck(seed, stage, kills)
    planned: list[Life] = []
    while (left := kills - sum(life.end.kills for life in planned)) > 0:
        end = _end(dice)
        for how, point in deck.deaths(left) if end is End.AT_POINT else ((end, None),):
            # What closes a provider for a while comes late, or nothing else would be played.
            planned.append(_life(dice, deck, len(planned), how, point, jobs, closing=left < kills / 3))
    if stage % _LONG_STOP_EVERY == _LONG_STOP_EVERY - 1:
        where = max(life.number for life in planned if life.end is End.AT_ANY_TIME)
        planned[where] = replace(planned[where], stands_still=dice.uniform(*_LONG_STOP))
    return planned


class Deck:
    """Points and rows in one order for all stages, each stage going on where the one before leaves off, about."""

    def __init__(self, seed: int, stage: int, kills: int) -> None:
        dice, before = random.Random(seed), stage * kills
        self.points = _dealt(dice, points.named(), round(before * _SHARE_AT_POINTS))
        self.provider = _dealt(dice, sorted({*misfortunes.PROVIDERS} - misfortunes.CLOSING), before)
        self.closing = _dealt(dice, sorted(misfortunes.CLOSING), before // 5)
        self.discord = _dealt(dice, misfortunes.DISCORD, before)
        self.gateway = _dealt(dice, list(misfortunes.GATEWAY), before // 5)

    def deaths(self, most: int) -> Sequence[tuple[End, str | None]]:
        """The next point, after the deaths that lead to it; the one after it where these are more than `most`."""
        point = next(self.points)
        before = points.COMES_AFTER.get(points.name_of(point), 0)
        deaths = [(End.AT_MEDIA, None)] * before + [(End.AT_POINT, point)]
        return deaths if len(deaths) <= most else self.deaths(most)

    def rows(self, dice: random.Random, closing: bool) -> Iterator[str]:
        yield from itertools.islice(self.provider, dice.choice([0, 1, 1, 2]))
        yield from itertools.islice(self.discord, dice.choice([0, 1, 1, 2]))
        if closing and dice.random() < _SHARE_OF_CLOSING:
            yield next(self.closing)
        if dice.random() < _SHARE_OF_GATEWAY:
            yield next(self.gateway)


def _dealt(dice: random.Random, cards: Sequence[str], begin: int) -> Iterator[str]:
    shuffled = dice.sample(cards, len(cards))
    return itertools.islice(itertools.cycle(shuffled), begin % len(cards), None)


def _end(dice: random.Random) -> End:
    if dice.random() < _SHARE_OF_SIGNALS:
        return dice.choice([End.ASKED, End.ASKED_TWICE, End.DRAINING])
    if dice.random() < _SHARE_AT_POINTS:
        return End.AT_POINT
    return End.STARTING if dice.random() < _SHARE_WHILE_STARTING else End.AT_ANY_TIME


def _life(
    dice: random.Random, deck: Deck, number: int, end: End, point: str | None, jobs: int, *, closing: bool
) -> Life:
    needs = points.COMES_WITH.get(points.name_of(point), ()) if point else ()
    pressed = point is not None and points.name_of(point) in points.PRESSED
    odd = dice.random()
    return Life(
        number=number,
        end=end,
        ends_after=_ends_after(dice, end),
        point=point,
        rows=(*needs, *deck.rows(dice, closing)),
        jobs=max(1, round(dice.uniform(0.5, 1.5) * jobs)),
        presses=6 if pressed else dice.choice([0, 0, 1, 2]),
        stands_still=dice.uniform(3.2, 5.0) if odd < 0.05 and end is not End.STARTING else None,
        disk_full=dice.uniform(0.6, 1.5) if 0.05 <= odd < 0.15 else None,
        jump=Jump(dice.uniform(0, 3), dice.choice([-1, 1]) * dice.uniform(2, 9)) if odd >= 0.88 else None,
    )


def _ends_after(dice: random.Random, end: End) -> float:
    match end:
        case End.AT_POINT:
            return 5.0
        case End.STARTING:
            return dice.uniform(0.3, 1.8)
        case End.AT_MEDIA:
            return 3.0
        case _:
            return dice.uniform(0.2, 2.2)
