"""Addresses in the configuration: what no request could use is refused at the start, in a line without the secret."""

from pathlib import Path

import pytest

from bot.config import ConfigurationError, load

FILE = """
[discord]
token = "t"
api_url = "{address}"
[providers.pipelet]
token = "p"
"""


@pytest.mark.parametrize(
    "address", ["http://me:hush@discord.test/api", "https://discord.test/api?key=hush", "https://discord.test/#hush"]
)
def test_an_address_with_more_than_host_and_path_is_refused(tmp_path: Path, address: str) -> None:
    refused_in_one_line(tmp_path, address)


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http:///api",
        "http://[::1",
        "http://h:99999",
        "http://h:port",
        "http://h:0",
        "http://a..b",
        "http://a b",
    ],
)
def test_an_address_that_nobody_can_dial_is_refused(tmp_path: Path, address: str) -> None:
    refused_in_one_line(tmp_path, address)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080/api/v10", "http://[::1]:80", "https://discord.com", "http://proxy."]
)
def test_an_address_that_somebody_can_dial_is_taken(tmp_path: Path, address: str) -> None:
    file = tmp_path / "matinee.toml"
    file.write_text(FILE.format(address=f"{address}/"))
    assert load(file).discord.api_url == address


def refused_in_one_line(tmp_path: Path, address: str) -> None:
    file = tmp_path / "matinee.toml"
    file.write_text(FILE.format(address=address))
    with pytest.raises(ConfigurationError) as refused:
        load(file)
    assert "discord.api_url" in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)
