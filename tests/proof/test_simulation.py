"""Ring B: four hundred virtual hours of the real core, and whether the simulation would notice what it looks for."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import ProviderError
from tests.proof.simulation.day import Theatre, play
from tests.proof.simulation.disk import Disk, File
from tests.proof.simulation.hall import Hall, Post
from tests.proof.simulation.process import OPERATOR
from tests.proof.simulation.studios import Studio
from tests.proof.simulation.weather import Chances, Weather

# The machine may be busy with other things.
pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).resolve().parents[2]


def simulated(*arguments: str, hashes: str = "0") -> "subprocess.Popen[str]":
    """In a process of its own: nothing that measures these tests slows it down."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.proof.simulation", *arguments],
        cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def block(running: "subprocess.Popen[str]") -> tuple[int, str]:
    told, _ = running.communicate()
    return running.returncode, told


def event_hash(told: str) -> str:
    (line,) = [line for line in told.splitlines() if line.startswith("event hash")]
    return line


@pytest.fixture(scope="module")
def four_hundred_hours() -> tuple[int, str]:
    return block(simulated())


def test_in_four_hundred_hours_every_zero_is_zero(four_hundred_hours):
    code, told = four_hundred_hours
    print(told)
    assert code == 0, told
    assert "virtual hours  400" in told


def test_most_estimates_of_a_normal_day_are_right_within_a_factor_of_two(four_hundred_hours):
    _, told = four_hundred_hours
    close, whole = re.search(r"estimates +(\d+) of (\d+)", told).groups()
    assert int(whole) >= 30
    assert int(close) / int(whole) >= 0.85


def test_the_same_seed_gives_the_same_events_and_another_seed_others():
    day = "--seeds", "1", "--hours", "6", "--seed"
    _, first = block(simulated(*day, "3"))
    _, second = block(simulated(*day, "3", hashes="4711"))
    _, other = block(simulated(*day, "4"))
    assert event_hash(first) == event_hash(second)
    assert event_hash(first) != event_hash(other)


# What follows takes something away, and the row of zeros has to show it.


class LyingDisk(Disk):
    """Says that it has synced, and has not: as with synchronous=OFF."""

    def open(self, name: str) -> File:
        file = super().open(name)
        file.sync = lambda: None  # type: ignore[method-assign]
        return file


class ForgetfulHall(Hall):
    """Discord without its memory: a nonce makes a second message, and the channel's history shows none."""

    def post(self, channel_id: int, payload: dict[str, Any], files: dict[str, bytes]) -> Post:
        return super().post(channel_id, payload | {"enforce_nonce": False}, files)

    def history(self, channel_id: int, after: int, before: int | None, limit: int) -> list[Post]:
        return []


class LostReplies(Weather):
    """Every third message is taken, and nobody hears of it."""

    def change(self, chances: Chances) -> None:
        super().change({"post": {"lost reply": 0.33}})


class CountlessStudio(Studio):
    """A provider that bills what it refuses."""

    def refuse(self, name: str, fault: str) -> ProviderError:
        for work in self.works[-3:]:
            work.billed = True
            self.works.append(work)
        return super().refuse(name, fault)


def found(theatre: type[Theatre], seeds: range) -> set[str]:
    days = [play(seed, 6, theatre_of=theatre) for seed in seeds]
    return {name for day in days for name, what in day.finding.zeros.items() if what}


def test_a_disk_that_does_not_sync_is_noticed():
    assert found(type("Lying", (Theatre,), {"disk_of": LyingDisk}), range(1, 3)) & {"lost", "corrupt", "stuck"}


def test_a_discord_without_memory_is_noticed():
    parts = {"hall_of": ForgetfulHall, "weather_of": LostReplies}
    assert "posted twice" in found(type("Forgetful", (Theatre,), parts), range(1, 2))
    assert found(type("Remembering", (Theatre,), parts | {"hall_of": Hall}), range(1, 2)) == set()


def test_starts_beyond_a_limit_are_noticed():
    generous = replace(OPERATOR, jobs_per_hour=300, burst=50, active_per_guild=30, active_per_member=30)
    assert found(type("Generous", (Theatre,), {"operator": generous}), range(1, 3)) == {"limit overshoot"}


def test_bills_for_what_was_refused_are_noticed():
    kinds = found(type("Countless", (Theatre,), {"studio_of": CountlessStudio}), range(1, 3))
    assert kinds & {"overpaid", "paid after failure shown"}
