"""A disk that tells what was written from what was synced: a power cut takes the difference away.

SQLite writes to it through `vfs.py`. Faults come from here, under SQLite and not above it.
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

SECTOR = 512
PAGE = 4096


class Busy(Exception):
    """Another process has the lock."""


class Full(Exception):
    pass


class Broken(Exception):
    """An I/O error; also what a dead process gets."""


@dataclass
class File:
    """`data` is what a reader sees; `synced` is what survives a power cut, and `waiting` are the writes between."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, offset: int, content: bytes) -> None:
        _put(self.data, offset, content)
        self.waiting.append((offset, content))

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.waiting.append((size, None))

    def sync(self) -> None:
        for offset, content in self.waiting:
            _apply(self.synced, offset, content)
        self.waiting.clear()

    def lose_power(self, chance: random.Random) -> None:
        """Of each write that was not synced some sectors are on the disk, in any order, and the others are not."""
        for offset, content in self.waiting:
            if content is None:
                if chance.random() < 0.5:
                    _apply(self.synced, offset, None)
                continue
            for start in range(0, len(content), SECTOR):
                if chance.random() < 0.5:
                    _put(self.synced, offset + start, content[start : start + SECTOR])
        self.waiting.clear()
        self.data = bytearray(self.synced)


def _put(image: bytearray, offset: int, content: bytes) -> None:
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(content)] = content


def _apply(image: bytearray, offset: int, content: bytes | None) -> None:
    if content is None:
        del image[offset:]
    else:
        _put(image, offset, content)


@dataclass
class Trouble:
    """What is wrong with the storage now. `held`: another process has the write lock."""

    held: bool = False
    full: bool = False
    failing: float = 0.0

    @property
    def any(self) -> bool:
        return self.held or self.full or self.failing > 0


class Disk:
    """`heard` hears of every page that is written and of every sync; `mid_commit` is asked at each of them."""

    def __init__(self, chance: random.Random, heard: Callable[[str], None] = lambda _what: None) -> None:
        self.files: dict[str, File] = {}
        self.trouble = Trouble()
        self.mid_commit: Callable[[], None] = lambda: None
        self.life = 0
        self.met: dict[str, int] = {}
        self._chance, self._heard = chance, heard

    def open(self, name: str) -> File:
        return self.files.setdefault(name, File())

    def kill(self) -> None:
        """The process is gone; what it has written stays in the kernel's memory."""
        self.life += 1

    def cut_power(self) -> None:
        self.life += 1
        for file in self.files.values():
            file.lose_power(self._chance)

    def check_lock(self) -> None:
        if self.trouble.held:
            self._meet("busy")
            raise Busy

    def write(self, name: str, offset: int, content: bytes, life: int) -> None:
        self._alive(life)
        if self.trouble.full and offset + len(content) > len(self.files[name].data):
            self._meet("full")
            raise Full
        if self._fails():
            raise Broken
        if len(content) == PAGE:
            self._heard(f"page {name} {offset} {zlib.crc32(content)}")
        self.open(name).write(offset, content)
        self.mid_commit()
        self._alive(life)

    def sync(self, name: str, life: int) -> None:
        self._alive(life)
        if self._fails():
            raise Broken
        self.open(name).sync()
        self._heard(f"sync {name}")
        self.mid_commit()
        self._alive(life)

    def truncate(self, name: str, size: int, life: int) -> None:
        self._alive(life)
        self.open(name).truncate(size)

    def delete(self, name: str, life: int) -> None:
        self._alive(life)
        self.files.pop(name, None)

    def _alive(self, life: int) -> None:
        if life != self.life:
            raise Broken

    def _fails(self) -> bool:
        if self.trouble.failing and self._chance.random() < self.trouble.failing:
            self._meet("I/O error")
            return True
        return False

    def _meet(self, what: str) -> None:
        self.met[what] = self.met.get(what, 0) + 1
