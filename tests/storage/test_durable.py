"""A small file is its owner's, whole, and costs nothing that stays open."""

import stat
from pathlib import Path

import pytest

from storage import durable


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_it_is_there_as_a_whole_and_its_owners(tmp_path: Path):
    path = tmp_path / "mark.json"
    for text in ("[1, 2]", "[3]"):
        durable.write(path, text)
        assert path.read_text("utf-8") == text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_stays_open(tmp_path: Path):
    before = open_files()
    for _ in range(3):
        durable.write(tmp_path / "mark.json", "[1]")
    assert open_files() <= before


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "mark.json"
    durable.write(path, "[1]")
    (tmp_path / "mark.json.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        durable.write(path, "[2]")
    assert path.read_text("utf-8") == "[1]"
