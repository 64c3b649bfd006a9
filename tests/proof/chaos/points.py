"""The named points at which the shipped code can be made to kill itself, read off its source."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from bot.domain.job import JobState

_STORE = Path(__file__).parents[3] / "storage" / "job_store.py"
# A restore writes it for all unfinished jobs at once, before any of them moves.
WITHOUT_A_COMMIT = frozenset({"held"})
_WRITERS = frozenset({"_write", "_replace"})

# What has to go wrong before a job comes to a state that it does not reach by itself: rows of misfortunes.py.
COMES_WITH: Mapping[str, tuple[str, ...]] = {
    "abandoned": ("acknowledgement: too late",),
    "refused": ("chutes generate: 400", "pipelet create: 400", "cogvideox generate: 400"),
    "ambiguous": ("chutes generate: answer lost", "pipelet create: answer lost", "cogvideox generate: answer lost"),
    "lost_result": ("chutes generate: garbage", "cogvideox generate: garbage"),
    "undeliverable": ("message: filtered",),
}
# How many processes have to die at their work on a job's media before it comes there.
COMES_AFTER: Mapping[str, int] = {"poison": 2}
# What comes of a member's button.
PRESSED = frozenset({"cancelled", "noted"})


def named() -> tuple[str, ...]:
    """Every value of MATINEE_CRASH_AT: the commits of each state, and what else the store writes of a job."""
    names = dict.fromkeys([*(state.value for state in JobState), *sorted(_words_in_writes())])
    for name in WITHOUT_A_COMMIT:
        names.pop(name, None)
    return tuple(f"{when}:{name}" for name in names for when in ("before", "after"))


def name_of(point: str) -> str:
    return point.partition(":")[2]


def _words_in_writes() -> Iterator[str]:
    for call in ast.walk(ast.parse(_STORE.read_text("utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in _WRITERS:
            for argument in call.args:
                for each in ast.walk(argument):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        yield each.value
