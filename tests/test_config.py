"""Values in the configuration: what pydantic would bend into a number is refused, in one line that names its key."""

from pathlib import Path

import pytest

from bot.config import ConfigurationError, load

FILE = """
[discord]
token = "t"
sync_guild_ids = [{ids}]
[providers.pipelet]
token = "p"
"""


def loaded(folder: Path, more: str = "", ids: str = "7"):
    file = folder / "matinee.toml"
    file.write_text(FILE.format(ids=ids) + more)
    return load(file)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("jobs", "max_paid_attempts"),
        ("jobs", "drain_seconds"),
        ("limits", "burst"),
        ("limits", "spend_per_day"),
        ("web", "port"),
        ('models."skyreels"', "price"),
    ],
)
@pytest.mark.parametrize("value", ["true", "false"])
def test_a_yes_or_no_is_no_number(tmp_path: Path, section: str, key: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, f"[{section}]\n{key} = {value}\n")
    said = str(refused.value)
    assert f"{section.replace(chr(34), '')}.{key}: must not be true or false; fix: " in said
    assert "\n" not in said


def test_nor_in_a_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"discord\.sync_guild_ids: must not be true or false"):
        loaded(tmp_path, ids="7, true")
    assert loaded(tmp_path).discord.sync_guild_ids == (7,)
