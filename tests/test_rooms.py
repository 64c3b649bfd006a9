"""The rooms of the house: who may import whom, how long a file may be, and where a broad `except` may stand."""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for room in ("bot", "cogs", "storage") for path in (ROOT / room).rglob("*.py"))
MOST_LINES, MOST_OF_A_FUNCTION = 350, 35
ALL = None

# room: (ours that it may import, third parties that it may import). Imports under TYPE_CHECKING count.
ROOMS: dict[str, tuple[frozenset[str] | None, frozenset[str] | None]] = {
    room: tuple(ALL if row is ALL else frozenset(row.split()) for row in rows)
    for room, rows in {
        "bot": ("", ""),
        "bot.domain": ("", ""),
        "bot.ports": ("bot.domain", ""),
        "bot.age": ("bot.ports", ""),
        "bot.clock": ("", ""),
        "bot.discord_time": ("bot.ports", "aiohttp"),
        "bot.identifies": ("bot.domain bot.ports", ""),
        "bot.invalid": ("bot.ports", "aiohttp"),
        "bot.logs": ("", "structlog"),
        "bot.texts": ("bot.domain bot.ports", ""),
        "bot.ui": ("bot.domain", "discord"),
        "bot.config": ("bot.domain", "pydantic pydantic_settings"),
        "bot.jobs": ("bot.age bot.domain bot.ports", ""),
        "bot.media": ("bot.domain bot.ports", "PIL pillow_heif av"),
        "bot.providers": ("bot.age bot.domain bot.ports", "aiohttp pydantic"),
        "bot.delivery": ("bot.age bot.invalid bot.domain bot.ports bot.texts bot.ui", "discord aiohttp yarl"),
        "bot.client": (
            "bot.age bot.discord_time bot.identifies bot.invalid bot.domain bot.ports",
            "discord aiohttp yarl",
        ),
        "bot.web": ("", "aiohttp"),
        "bot.sandbox": ("", "aiohttp PIL av"),
        "storage": ("bot.domain bot.ports", "aiosqlite aiosql"),
        "cogs": ("bot.age bot.domain bot.ports bot.jobs bot.texts bot.ui bot.client", "discord"),
        "bot.models": ("bot.config bot.domain bot.jobs bot.providers", ""),
        "bot.unusable": ("bot.config storage", ""),
        "bot.app": (ALL, ALL),
        "bot.demo": (ALL, ALL),
        "bot.doctor": (ALL, ALL),
        "bot.__main__": (ALL, ALL),
    }.items()
}

# A broad `except` stands at the root of a task, or lets go of what it holds and raises on.
BROAD = {
    "bot/client.py": 2,
    "bot/delivery/board.py": 1,
    "bot/jobs/announcer.py": 2,
    "bot/jobs/asking.py": 1,
    "bot/jobs/housekeeping.py": 1,
    "bot/jobs/runner.py": 2,
    "bot/jobs/warden.py": 2,
    "bot/sandbox/discord/api.py": 1,
    "bot/sandbox/providers/line.py": 1,
    "cogs/jobs.py": 1,
    # Writes that share a commit: each error goes to the caller whose work it is.
    "storage/database.py": 2,
}

# One adapter knows nothing of another; what they share starts with an underscore.
ADAPTERS = [path for path in (ROOT / "bot" / "providers").glob("*.py") if not path.name.startswith("_")]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    top, *rest = module.split(".")
    return f"{top}.{rest[0]}" if top == "bot" and rest else top


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names, in full, wherever in the file the import stands."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module or "") if part)
            # `from bot import texts` names a room, `from bot.texts import inert` a function in one.
            yield from (f"{base}.{alias.name}" if base == "bot" else base for alias in node.names)


def is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in ("bot", "cogs", "storage")


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_room_has_a_row():
    assert {room_of(module_of(path)) for path in FILES} - {"bot.sandbox"} <= set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=names)
def test_a_file_imports_only_what_its_room_may(path: Path):
    room = room_of(module_of(path))
    ours, foreign = ROOMS[room]
    wanted = set(imported(path))
    strangers = {name.split(".")[0] for name in wanted if not is_ours(name)} - set(sys.stdlib_module_names)
    others = {room_of(name) for name in wanted if is_ours(name)} - {room, "bot"}
    assert others <= (others if ours is ALL else ours)
    assert strangers <= (strangers if foreign is ALL else foreign)


@pytest.mark.parametrize("path", ADAPTERS, ids=names)
def test_no_adapter_imports_another(path: Path):
    assert not set(imported(path)) & {module_of(adapter) for adapter in ADAPTERS}


def test_only_the_composition_root_introduces_people():
    introducing = {room for room, (ours, _) in ROOMS.items() if ours is ALL}
    assert introducing == {"bot.app", "bot.demo", "bot.doctor", "bot.__main__"}


@pytest.mark.parametrize("path", FILES, ids=names)
def test_no_file_is_too_long_to_be_read_at_once(path: Path):
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=names)
def test_no_function_is_too_long_to_be_understood_at_once(path: Path):
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > MOST_OF_A_FUNCTION]
    assert long == []


def is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    )


def passes_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize("path", FILES, ids=names)
def test_everything_is_caught_at_roots_of_tasks_only(path: Path):
    handlers = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ExceptHandler)]
    swallowing = [handler for handler in handlers if is_broad(handler) and not passes_on(handler)]
    assert len(swallowing) == BROAD.get(names(path), 0)
