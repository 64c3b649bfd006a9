"""Members' pictures (RELIABILITY, threats 15 to 19): decoded in a child that can open nothing and is used once."""

import asyncio
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence, Set
from pathlib import Path

from bot.domain.errors import BadPicture, PictureProblem, StorageUnavailable
from bot.domain.generation import Frame
from bot.media import _disk
from bot.media._child import ChildFailed, Children, Limits
from bot.ports import Picture

MAX_PIXELS = 25_000_000
LEAST_SIDE = 16
# What a crowded machine says; anything else is the disk.
_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
# 25 MP is 100 MB in Pillow; a decoder and one conversion beside it hold about three times that.
LIMITS = Limits(memory=768 << 20, cpu=8, wall=10, written=64 << 20, nice=5)
_NAME = re.compile(r"[0-9a-f]{32}\.jpg")


class SafePictures:
    """`ports.Pictures` in a folder of its own. `at_once` pictures are decoded side by side; the others wait.

    `max_bytes` and `max_pixels` bound what a member may send. `prepare` works before `start`, only slower.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        max_pixels: int = MAX_PIXELS,
        at_once: int = os.cpu_count() or 1,
        spares: int = 3,
        limits: Limits = LIMITS,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._folder, self._max_bytes, self._max_pixels, self._token = folder.absolute(), max_bytes, max_pixels, token
        self._children = Children("bot.media._picture_work", limits, at_once=at_once, spares=spares)

    async def start(self) -> None:
        """Make the folder and warm the spare children. Raises OSError, or ChildFailed when Pillow cannot be loaded."""
        await asyncio.to_thread(_disk.make, self._folder)
        await self._children.start()

    async def close(self) -> None:
        await self._children.close()

    async def prepare(
        self, data: Path, frames: Sequence[Frame], option: str = "image", *, small: bool = False
    ) -> Picture:
        """As the port says; also raises StorageUnavailable when disk or process table is full, or on closing."""
        name = f"{self._token(16)}.jpg"
        part = self.path(name).with_suffix(".part")
        try:
            return await self._prepare(data, part, name, frames, small)
        except OSError as error:
            raise StorageUnavailable(full=error.errno not in _PASSING) from error
        except _Unfit as unfit:
            raise BadPicture(unfit.problem, self._limit(unfit.problem), option) from unfit
        finally:
            _remove(data, part)

    async def again(self, name: str, frames: Sequence[Frame] = (), *, small: bool = False) -> Picture:
        """As the port says; also raises StorageUnavailable as `prepare` does."""
        copy = self.path(name).with_suffix(f".{self._token(4)}.part")
        try:
            await asyncio.to_thread(shutil.copyfile, self.path(name), copy)
        except FileNotFoundError:
            raise BadPicture(PictureProblem.UNREACHABLE) from None
        except OSError as error:
            _remove(copy)
            raise StorageUnavailable(full=True) from error
        return await self.prepare(copy, frames, small=small)

    async def _prepare(self, data: Path, part: Path, name: str, frames: Sequence[Frame], small: bool) -> Picture:
        order = {
            "source": _checked(data, self._max_bytes),
            "target": str(part),
            "max_bytes": self._max_bytes,
            "max_pixels": self._max_pixels,
            "frames": [(frame.width, frame.height) for frame in frames],
            "small": small,
        }
        try:
            answer = await self._children.ask(order)
        except ChildFailed as error:
            raise _Unfit(PictureProblem.TOO_COSTLY if error.costly else PictureProblem.DAMAGED) from error
        picture = _parse(answer, name, len(frames))
        await asyncio.to_thread(_disk.put, part, self.path(name))
        return picture

    def _limit(self, problem: PictureProblem) -> int | None:
        return {
            PictureProblem.TOO_MANY_BYTES: self._max_bytes,
            PictureProblem.TOO_MANY_PIXELS: self._max_pixels // 1_000_000,
            PictureProblem.TOO_SMALL: LEAST_SIDE,
        }.get(problem)

    def path(self, name: str) -> Path:
        """Raises ValueError for a name that was not given here."""
        if not _NAME.fullmatch(name):
            raise ValueError("no name of a picture")
        return self._folder / name

    def forget(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        await asyncio.to_thread(_disk.forget_strangers, self._folder, _NAME, seconds, known)


def _checked(data: Path, most: int) -> str:
    size = data.stat().st_size
    if not 0 < size <= most:
        raise _Unfit(PictureProblem.TOO_MANY_BYTES if size else PictureProblem.EMPTY)
    return str(data.absolute())


def _remove(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)


class _Unfit(Exception):
    def __init__(self, problem: PictureProblem) -> None:
        super().__init__(problem)
        self.problem = problem


def _parse(answer: dict[str, object], name: str, frames: int) -> Picture:
    """The child has read a stranger's bytes: its answer is believed only as far as it makes sense."""
    match answer:
        case {"problem": str(problem)} if problem in set(PictureProblem):
            raise _Unfit(PictureProblem(problem))
        case {"errno": int(number)}:
            raise OSError(number, os.strerror(number))
        case {"width": int(width), "height": int(height), "frame": int(frame)} if (
            0 < width <= 65535 and 0 < height <= 65535 and 0 <= frame < max(frames, 1)
        ):
            return Picture(name, width, height, frame)
    raise _Unfit(PictureProblem.DAMAGED)
