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


@pytest.mark.parametrize(
    ("section", "line", "said"),
    [
        ("storage", 'url = "sqlite:///:memory:"', "storage.url: must name a file"),
        ("storage", 'url = "sqlite:///."', "storage.url: must name a file"),
        ("storage", 'url = "sqlite:////"', "storage.url: must name a file"),
        ("storage", "url = 5", "storage.url: must be text, in quotes"),
        ("media", 'directory = ""', "media.directory: must not be empty"),
        ("web", 'host = ""', "web.host: must not be empty"),
        ("web", 'host = "a..b"', "web.host: must be the name or the address of a host"),
        ("defaults", 'image = ""', "defaults.image: must not be empty"),
        ('"a\\nb"', "x = 1", "a\\nb: is no key that Matinee knows"),
        ("limits", f"burst = {'9' * 5000}", "is not TOML: "),
        ("providers", 'chutes = "no table"', "providers.chutes: must be a table"),
    ],
)
def test_what_no_start_could_use_is_refused_in_one_line(tmp_path: Path, section: str, line: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, f"[{section}]\n{line}\n")
    assert f"matinee.toml: {said}" in str(refused.value)
    assert "; fix: " in str(refused.value)
    assert "\n" not in str(refused.value)


TOKENS = '[discord]\ntoken = {discord}\n[providers.pipelet]\ntoken_file = "{file}"\n'


@pytest.mark.parametrize("token", ['""', '"   "', '"hush\\nhush"', '"hush\\u0000"', '"hush hush"', '"hushé"', "5"])
def test_a_token_that_no_request_could_carry_is_refused_and_not_repeated(tmp_path: Path, token: str) -> None:
    file = tmp_path / "matinee.toml"
    file.write_text(TOKENS.format(discord=token, file="/dev/null"), "utf-8")
    with pytest.raises(ConfigurationError, match=r"discord\.token: must ") as refused:
        load(file)
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_space_around_a_token_is_none_of_it_and_a_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    file, secret = tmp_path / "matinee.toml", tmp_path / "secret"
    secret.write_text(" p\r\n", "utf-8-sig")
    file.write_text(TOKENS.format(discord='"t\\n"', file=secret), "utf-8-sig")
    settings = load(file)
    assert settings.providers.pipelet is not None
    tokens = [section.token.get_secret_value() for section in (settings.discord, settings.providers.pipelet)]
    assert tokens == ["t", "p"]
    secret.write_text("\n")
    with pytest.raises(ConfigurationError, match=r"providers\.pipelet: token_file is empty; fix: "):
        load(file)
