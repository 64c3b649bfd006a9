"""Models and stand-ins in the configuration: a mistake stops the start with one line."""

from pathlib import Path

import pytest

from bot.config import ConfigurationError, load
from bot.models import build_providers, check_models, stand_ins_of

TOKENS = """
[discord]
token = "d"
[providers.chutes]
token = "c"
"""


def checked(folder: Path, text: str):
    file = folder / "matinee.toml"
    file.write_text(TOKENS + text)
    settings = load(file)
    check_models(settings, build_providers(settings))
    return settings


def test_stand_ins_may_belong_to_a_provider_that_is_not_configured(tmp_path: Path):
    settings = checked(tmp_path, '[models."wan2.1-14b"]\nfall_back = ["wan22-fast-t2v", "skyreels"]\n')
    assert stand_ins_of(settings) == {"wan2.1-14b": ("wan22-fast-t2v", "skyreels")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[models."wan3"]\nprice = 1\n', "models.wan3: 'wan3' is no model"),
        ('[models.skyreels]\nfall_back = ["wan3"]\n', "'wan3' is no stand-in for skyreels"),
        ('[models.skyreels]\nfall_back = ["skyreels"]\n', "'skyreels' is no stand-in for skyreels"),
        ('[models.skyreels]\nfall_back = ["qwen-image"]\n', "'qwen-image' is no stand-in for skyreels"),
        (
            '[models.skyreels]\nfall_back = ["wan2.1-14b"]\n[models."wan2.1-14b"]\nfall_back = ["skyreels"]\n',
            "models.skyreels.fall_back: goes round, from skyreels to wan2.1-14b to skyreels; fix:",
        ),
    ],
)
def test_a_stand_in_that_cannot_be_one_is_named_in_one_line(tmp_path: Path, text: str, words: str):
    with pytest.raises(ConfigurationError) as refused:
        checked(tmp_path, text)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["0", "6", "1.5"])
def test_paid_attempts_are_one_to_five(tmp_path: Path, value: str):
    with pytest.raises(ConfigurationError, match=r"jobs\.max_paid_attempts"):
        checked(tmp_path, f"[jobs]\nmax_paid_attempts = {value}\n")


def test_the_defaults_pay_once_and_wait_for_half_an_hour(tmp_path: Path):
    jobs = checked(tmp_path, "").jobs
    assert (jobs.max_paid_attempts, jobs.wait_minutes) == (1, 30)
