"""Results on disk (R12, rulings 8 and 17): checked before they count as made, and made to play before they are kept."""

import asyncio
import logging
import os
import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bot.domain.generation import Capability
from bot.domain.job import MOST_CRASHES, Artifact, Job, MediaKind
from bot.media import _disk
from bot.media._child import AtWork, ChildFailed, Children, Limits, TooSlow
from bot.media._formats import HEAD_BYTES, sniff
from bot.ports import UnusableMedia

log = logging.getLogger(__name__)

SECONDS = 300
MEMORY = 2 << 30
WRITTEN = 512 << 20
STILLS = ("JPEG", "PNG", "WEBP")
_JOB_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NAME = re.compile(r"[vi]-[0-9A-Za-z_-]{1,64}(\.\d+)?\.(mp4|jpg|png|webp)")


@dataclass(frozen=True, slots=True)
class _Found:
    """What the check saw. `task`: what is to be done before it can be kept."""

    kind: MediaKind
    width: int
    height: int
    codec: str
    frames: int | None
    seconds: float | None
    task: str | None


class CheckedArtifacts:
    """`ports.Artifacts` in a folder of its own. `at_once` children work side by side, each for at most `seconds`."""

    def __init__(self, folder: Path, *, at_once: int = 2, seconds: float = SECONDS) -> None:
        self._folder = folder.absolute()
        cpu = int(seconds * (os.cpu_count() or 1)) + 1
        limits = Limits(memory=MEMORY, cpu=cpu, wall=seconds, written=WRITTEN, nice=10)
        self._films = Children("bot.media._film_work", limits, at_once=at_once)
        self._stills = Children("bot.media._still_work", limits, at_once=at_once)

    async def start(self) -> None:
        """Make the folder, try a child. Raises OSError, or ChildFailed when PyAV or Pillow cannot be loaded."""
        await asyncio.to_thread(_disk.make, self._folder)
        await self._films.start()
        await self._stills.start()

    async def close(self) -> None:
        await self._films.close()
        await self._stills.close()

    def part(self, job: Job) -> Path:
        part = self._folder / f"{_checked(job)}.part"
        part.unlink(missing_ok=True)
        return part

    def left_over(self, job: Job) -> Path | None:
        part = self._folder / f"{_checked(job)}.part"
        for kind in MediaKind:
            whole = self._folder / _name(job, kind)
            if whole.exists():
                whole.replace(part)
        return part if part.exists() else None

    def crashes(self, job: Job) -> int:
        return self._crashes(_checked(job))

    def _crashes(self, job_id: str) -> int:
        working = self._working(job_id)
        return working.stat().st_size if working.exists() else 0

    def give_up(self, job: Job) -> None:
        _remove(self._working(_checked(job)), self.part(job))

    def _working(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.working"

    @contextmanager
    def _counted(self, job_id: str) -> Iterator[None]:
        """One byte more in the job's own file while a child works on it; a process that is killed leaves it (R15).

        Not while it waits for its turn: a kill says nothing about those.
        """
        working, before = self._working(job_id), self._crashes(job_id)
        # Not fsynced: the kernel keeps it when this process is killed, and a child's limits keep media from taking the
        # machine along. A power cut may lose the count, and then one process more has a try.
        with working.open("ab") as file:
            file.write(b".")
        try:
            yield
        finally:
            os.truncate(working, before)

    @contextmanager
    def _forgotten_after(self, job_id: str) -> Iterator[None]:
        """However the work ends, in good order, it took no process with it."""
        try:
            yield
        finally:
            _remove(self._working(job_id))

    async def keep(self, job: Job, part: Path) -> Artifact:
        """As the port says. `part` is gone afterwards, except after an OSError (Closing is one): then keep it again."""
        with self._forgotten_after(_checked(job)):
            return await self._keep(job, part)

    async def _keep(self, job: Job, part: Path) -> Artifact:
        fixed = self._folder / f"{_checked(job)}.fixed.part"
        try:
            found = first = _as_asked(job, await self._check(job.id, part))
            if first.task is not None:
                await self._ask(job.id, part, task=first.task, target=str(fixed))
                found = await self._finished(job.id, fixed)
            artifact = await self._put(fixed if first.task else part, _name(job, found.kind), found)
        except UnusableMedia:
            _remove(part)
            raise
        finally:
            _remove(fixed)
        _remove(part)
        return replace(artifact, compressed=first.task == "encode")

    async def fit(self, artifact: Artifact, limit: int) -> Artifact:
        """As the port says; `artifact` itself when it is small enough. Costs CPU time."""
        if artifact.size <= limit:
            return artifact
        whole = self.path(artifact)
        stem = whole.name.split(".")[0]
        if self._crashes(stem[2:]) >= MOST_CRASHES:
            raise UnusableMedia("processes have ended while it was made to fit")
        with self._forgotten_after(stem[2:]):
            smaller = await self._fit(whole, stem, limit)
        if smaller.size > limit:
            raise UnusableMedia(f"cannot be made to fit {limit} bytes")
        return replace(smaller, compressed=True)

    async def _fit(self, whole: Path, stem: str, limit: int) -> Artifact:
        part = self._folder / f"{whole.stem}.{limit}.part"
        try:
            await self._ask(stem[2:], whole, task="fit", target=str(part), limit=limit)
            found = await self._finished(stem[2:], part)
            return await self._put(part, f"{stem}.{limit}.{found.kind}", found)
        finally:
            _remove(part, *self._folder.glob(f"{part.stem}.x264*"))

    async def _check(self, job_id: str, path: Path) -> _Found:
        return _parse(await self._ask(job_id, path, task="check"))

    async def _finished(self, job_id: str, path: Path) -> _Found:
        found = await self._check(job_id, path)
        if found.task is not None:
            raise UnusableMedia(f"still wants {found.task} after it was written again")
        return found

    async def _ask(self, job_id: str, source: Path, **order: object) -> dict[str, object]:
        kind = await asyncio.to_thread(_sniffed, source)
        if kind not in ("film", *STILLS):
            raise UnusableMedia("is no film and no picture")
        children = self._films if kind == "film" else self._stills
        try:
            answer = await _twice(children, {"source": str(source), **order}, partial(self._counted, job_id))
        except ChildFailed as error:
            raise UnusableMedia(f"its decoder gave up: {error}") from error
        match answer:
            case {"unusable": str(why)}:
                raise UnusableMedia(why)
            case {"errno": int(number)}:
                raise OSError(number, os.strerror(number))
        return answer

    async def _put(self, part: Path, name: str, found: _Found) -> Artifact:
        final = self._folder / name
        sha256 = await asyncio.to_thread(_disk.digest, part)
        await asyncio.to_thread(_disk.put, part, final)
        return Artifact(
            name=name,
            kind=found.kind,
            size=_size(final),
            sha256=sha256,
            width=found.width,
            height=found.height,
            codec=found.codec,
            frames=found.frames,
            seconds=found.seconds,
        )

    def path(self, artifact: Artifact) -> Path:
        """Raises ValueError for a name that was not given here."""
        if not _NAME.fullmatch(artifact.name):
            raise ValueError("no name of an artifact")
        return self._folder / artifact.name

    def forget(self, artifact: Artifact) -> None:
        """Remove it; with a whole one go those that were made smaller from it."""
        path = self.path(artifact)
        stem, *rest = path.name.split(".")
        _remove(path, *(self._folder.glob(f"{stem}.*.*") if len(rest) == 1 else ()))

    async def forget_strangers(self, seconds: float, known: Set[str]) -> None:
        await asyncio.to_thread(_disk.forget_strangers, self._folder, _NAME, seconds, known)


async def _twice(children: Children, order: dict[str, object], at_work: AtWork) -> dict[str, object]:
    """A result may have been paid for: a child that was ended from outside, for memory say, is no verdict on it."""
    try:
        return await children.ask(order, at_work)
    except TooSlow:
        raise
    except ChildFailed as error:
        log.warning("a media child failed, asking another", extra={"task": order["task"], "how": str(error)})
        return await children.ask(order, at_work)


def _as_asked(job: Job, found: _Found) -> _Found:
    film = found.kind is MediaKind.FILM
    if film == (job.request.capability is Capability.TEXT_TO_IMAGE):
        raise UnusableMedia("is a film, not a picture" if film else "is no film")
    return found


def _checked(job: Job) -> str:
    if not _JOB_ID.fullmatch(job.id):
        raise ValueError("no id that can be a file's name")
    return job.id


def _name(job: Job, kind: MediaKind) -> str:
    return f"{'v' if kind is MediaKind.FILM else 'i'}-{job.id}.{kind}"


def _sniffed(path: Path) -> str | None:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def _size(path: Path) -> int:
    return path.stat().st_size


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _parse(answer: dict[str, object]) -> _Found:
    match answer:
        case {
            "kind": "mp4" | "jpg" | "png" | "webp" as kind,
            "width": int(width),
            "height": int(height),
            "codec": str(codec),
            "task": None | "remux" | "encode" | "bare" as task,
        } if width > 0 and height > 0:
            frames, seconds = answer.get("frames"), answer.get("seconds")
            return _Found(
                MediaKind(kind),
                width,
                height,
                codec[:32],
                frames if isinstance(frames, int) else None,
                seconds if isinstance(seconds, float) else None,
                task,
            )
    raise UnusableMedia("its decoder gave no answer")
