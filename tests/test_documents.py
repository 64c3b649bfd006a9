"""The documents an operator reads cannot drift from the code."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

import cogs
from bot.config import ConfigurationError, Discord, Guild, Model, Settings, load

ROOT = Path(__file__).parents[1]
EXAMPLE = (ROOT / "config.example.toml").read_text("utf-8")


def _uncommented() -> str:
    """The example with its commented keys and tables put in force; sentences stay comments."""
    return re.sub(r"^# (?=(\[[\w.\"-]+\]|\"?[\w.-]+\"? = ))", "", EXAMPLE, flags=re.MULTILINE)


def _leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, field in model.model_fields.items():
        inner = [part for part in (field.annotation, *getattr(field.annotation, "__args__", ())) if part is not None]
        nested = [part for part in inner if isinstance(part, type) and issubclass(part, BaseModel)]
        # A table for each model or guild: any of them shows the keys.
        each = ("*",) if nested and getattr(field.annotation, "__origin__", None) is Mapping else ()
        found |= _leaves(nested[0], (*path, name, *each)) if nested else {(*path, name)}
    return found


def _filled_in(folder: Path, text: str) -> Settings:
    file = folder / "matinee.toml"
    file.write_text(re.sub('^token = ".*"$', 'token = "t"', text, flags=re.MULTILINE), "utf-8")
    return load(file)


def test_the_example_is_a_configuration_once_its_tokens_are_filled_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.example\.toml: discord\.token: .* \(and 3 more\)"):
        load(ROOT / "config.example.toml")
    _filled_in(tmp_path, EXAMPLE)


def test_the_example_shows_every_key_and_its_default(tmp_path: Path) -> None:
    shown, plain = _filled_in(tmp_path, _uncommented()), _filled_in(tmp_path, EXAMPLE)
    documented = tomllib.loads(_uncommented())
    for path in _leaves(Settings):
        if path[-1] == "token_file":
            continue
        place = documented
        for key in path:
            part = next(iter(place)) if key == "*" else key
            assert part in place, f"{'.'.join(path)} is not in config.example.toml"
            place = place[part]
    for section in ("discord", "storage", "media", "limits", "defaults", "jobs"):
        assert getattr(shown, section) == getattr(plain, section), f"a default of [{section}] is not what the code says"
    assert [*shown.models.values(), *shown.guilds.values()] == [Model(), Guild()]
    assert shown.providers.pipelet == plain.providers.pipelet
    assert shown.providers.cogvideox == plain.providers.cogvideox


def test_the_readme_has_the_commands_as_they_are() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(/[^`]+)` \| (.*?) \| (.*?) \|$", readme, flags=re.MULTILINE)
    written = [(name, " ".join(re.findall(r"`([^`]+)`", options)), said) for name, options, said in rows]
    assert written == cogs.command_table()


@pytest.mark.parametrize("file", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_the_documents_name_only_keys_and_commands_that_exist(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    keys = {(path[0], path[-1]) for path in _leaves(Settings)}
    named = set(re.findall(r"`\[(\w+)[^\]`]*\] ([a-z_]+)", text))
    assert named <= keys, f"{file} names {named - keys}"
    commands = {part for name, _, _ in cogs.command_table() for part in (name, name.rpartition(" ")[0])}
    asked = set(re.findall(r"`(/(?:admin|queue|cancel|models|show|video|animate|image)[a-z ]*)`", text))
    assert asked <= commands, f"{file} names {asked - commands}"


def test_the_operators_page_tells_the_defaults() -> None:
    text, defaults = (ROOT / "docs/operating.md").read_text("utf-8"), Settings.model_fields
    jobs, discord = defaults["jobs"].default, Discord.model_fields
    for words in (
        f"`[jobs] wait_minutes` ({jobs.wait_minutes:g})",
        f"`[jobs] max_paid_attempts` is {jobs.max_paid_attempts}:",
        f"The default of {jobs.drain_seconds:g} seconds",
    ):
        assert words in text
    assert discord["identifies_per_hour"].default == 10
    assert "at most ten times for each shard" in text


@pytest.mark.parametrize("file", ["README.md", "docs/architecture.md", "docs/protocol.md", "docs/operating.md"])
def test_links_between_the_documents_lead_somewhere(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / file).parent / target).exists(), f"{file} links {target}"


def test_the_container_has_a_data_folder_that_its_user_may_write() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    (user,), (volume,) = re.findall("^USER (.+)$", text, re.MULTILINE), re.findall("^VOLUME (.+)$", text, re.MULTILINE)
    made = re.search(rf"install --directory --owner {user} .*{volume}$", text, re.MULTILINE)
    assert made is not None, "a volume over a folder that is not in the image belongs to root"
    assert made.start() < text.index("\nUSER ")
    assert f"data:{volume}" in (ROOT / "compose.yaml").read_text("utf-8")
