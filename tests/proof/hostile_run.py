"""Hostile pictures and films through the real doors, with everything watched that they might reach for.

`python -m tests.proof.hostile_run` plays all; `--seed` other ones; `--case N` one of a seed, whose file is kept.
"""

import argparse
import asyncio
import gc
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random

import av
import psutil
from PIL import Image

from bot.domain.errors import BadPicture
from bot.domain.generation import Frame
from bot.domain.job import Artifact, MediaKind
from bot.media.artifacts import CheckedArtifacts
from bot.media.pictures import LIMITS, SafePictures
from bot.ports import UnusableMedia
from tests.media import media_kit as kit
from tests.proof import hostile_films as films
from tests.proof import hostile_pictures as pictures
from tests.proof.hostile_pictures import CANARY, Maker

SEED = 1
MEMBER, PROVIDER = "member", "provider"
# Who sends it, what it is, how many, and who makes it: 400 in all.
PLAN: tuple[tuple[str, str, int, Maker], ...] = (
    (MEMBER, "bombs", 24, pictures.bomb),
    (MEMBER, "absurd dimensions", 20, pictures.absurd),
    (MEMBER, "cut", 32, pictures.cut),
    (MEMBER, "bits flipped", 40, pictures.bits),
    (MEMBER, "wrong magic", 20, pictures.wrong_magic),
    (MEMBER, "polyglots", 20, pictures.polyglot),
    (MEMBER, "animated", 14, pictures.animated),
    (MEMBER, "broken metadata", 24, pictures.bad_metadata),
    (MEMBER, "canaries", 20, pictures.canaries),
    (MEMBER, "many scans", 2, pictures.many_scans),
    (MEMBER, "foreign formats", 12, pictures.foreign),
    (PROVIDER, "cut", 24, films.cut),
    (PROVIDER, "bits flipped", 24, films.bits),
    (PROVIDER, "polyglots", 8, films.polyglot),
    (PROVIDER, "playlists", 24, films.playlist),
    (PROVIDER, "pictures elsewhere", 8, films.elsewhere),
    (PROVIDER, "box sizes", 22, films.sizes),
    (PROVIDER, "empty boxes", 8, films.empty_boxes),
    (PROVIDER, "nested boxes", 8, films.nested),
    (PROVIDER, "index bombs", 12, films.index_bomb),
    (PROVIDER, "other codecs", 8, films.other_codecs),
    (PROVIDER, "canaries", 10, films.canaries),
    (PROVIDER, "stills", 16, films.still),
)
FRAMES = (Frame(96, 64), Frame(64, 96))
MOST_BYTES = 8_000_000
WORKERS = 3
WARM_UP = 20
PATIENCE = 60.0  # seconds
FITTED = 3  # accepted films that are also made smaller, which is the dear part


@dataclass(frozen=True, slots=True)
class Case:
    number: int
    sender: str
    kind: str
    maker: Maker

    def body(self, seed: int, lure: str) -> bytes:
        return self.maker(Random(f"{seed} {self.number}"), lure)


def cases() -> list[Case]:
    rows = [(sender, kind, maker) for sender, kind, count, maker in PLAN for _ in range(count)]
    return [Case(number, *row) for number, row in enumerate(rows)]


@dataclass(slots=True)
class Findings:
    """`outcomes` counts by (sender, kind) and outcome; `wrong` has whatever must not be, each with its case."""

    seed: int
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lag: float = 0.0
    grown: int = 0
    asked: int = 0
    sockets: int = 0
    left: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    def report(self) -> Iterator[str]:
        took = f"{self.seconds:.0f} s, {self.processor:.0f} s of CPU"
        yield f"Hostile media: seed {self.seed}, {self.outcomes.total()} files in {took}"
        yield f"{'from':9} {'kind':20} accepted  refused"
        for sender, kind in dict.fromkeys((sender, kind) for sender, kind, _, _ in PLAN):
            counts = (self.outcomes[sender, kind, outcome] for outcome in ("accepted", "refused"))
            yield f"{sender:9} {kind:20} {next(counts):8} {next(counts):8}"
        yield "refused as: " + ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common(12))
        yield (
            f"wrong {len(self.wrong)}, connections {self.asked - 1}, sockets in children {self.sockets}, "
            f"children left {self.left}, memory {self.grown / 2**20:+.1f} MiB, longest lag {self.lag * 1000:.0f} ms"
        )
        yield from self.wrong


class Play:
    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        # Their own limits of CPU time and memory; only a busy machine may take longer over it.
        self._pictures = SafePictures(folder / "pictures", max_bytes=MOST_BYTES, limits=replace(LIMITS, wall=PATIENCE))
        self._artifacts = CheckedArtifacts(folder / "artifacts", at_once=WORKERS, seconds=PATIENCE)
        self._found = Findings(seed)
        self._kept: list[tuple[Case, Path]] = []
        self._fits = 0

    async def run(self, chosen: list[Case]) -> Findings:
        lure = await asyncio.start_server(self._bitten, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{lure.sockets[0].getsockname()[1]}"
        bodies = {case: await asyncio.to_thread(self._write, case, address) for case in chosen}
        others = set(psutil.Process().children(recursive=True))
        await self._pictures.start()
        await self._artifacts.start()
        begun, worked = time.monotonic(), _processor()
        with Watch() as watch:
            await self._all(bodies)
        self._found.seconds, self._found.processor = time.monotonic() - begun, _processor() - worked
        await self._pictures.close()
        await self._artifacts.close()
        self._found.lag, self._found.sockets = watch.lag, watch.sockets
        self._found.left = len(set(psutil.Process().children(recursive=True)) - others)
        # One knock of our own: a lure that counts nobody would prove nothing.
        _, own = await asyncio.open_connection(*lure.sockets[0].getsockname())
        own.close()
        lure.close()
        await lure.wait_closed()
        for case, path in self._kept:
            self._examine(case, path)
        return self._found

    async def _bitten(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._found.asked += 1
        writer.close()

    def _write(self, case: Case, lure: str) -> Path:
        path = self._folder / f"{case.number}.body"
        path.write_bytes(case.body(self._seed, lure))
        return path

    async def _all(self, bodies: dict[Case, Path]) -> None:
        waiting = iter(bodies.items())

        async def work() -> None:
            for case, path in waiting:
                await self._one(case, path)

        for case, path in islice(waiting, WARM_UP):
            await self._one(case, path)
        gc.collect()
        before = psutil.Process().memory_info().rss
        await asyncio.gather(*(work() for _ in range(WORKERS)))
        gc.collect()
        self._found.grown = psutil.Process().memory_info().rss - before

    async def _one(self, case: Case, path: Path) -> None:
        try:
            await (self._as_member if case.sender == MEMBER else self._as_provider)(case, path)
        except BadPicture as refused:
            self._refused(case, refused.problem.value)
        except UnusableMedia as refused:
            self._refused(case, str(refused).split(":")[0])
        else:
            self._found.outcomes[case.sender, case.kind, "accepted"] += 1

    def _refused(self, case: Case, reason: str) -> None:
        self._found.outcomes[case.sender, case.kind, "refused"] += 1
        self._found.reasons[reason] += 1

    async def _as_member(self, case: Case, path: Path) -> None:
        arrived = path.with_suffix(".arrived")
        arrived.hardlink_to(path)
        try:
            picture = await self._pictures.prepare(arrived, FRAMES)
        finally:
            if arrived.exists():
                self._wrong(case, "the upload is still there")
        self._kept.append((case, self._pictures.path(picture.name)))

    async def _as_provider(self, case: Case, path: Path) -> None:
        job = kit.job_of(path.read_bytes(), f"j{case.number}")
        part = self._artifacts.part(job)
        part.hardlink_to(path)
        artifact = await self._artifacts.keep(job, part)
        self._kept.append((case, self._artifacts.path(artifact)))
        await self._fit(case, artifact)

    async def _fit(self, case: Case, artifact: Artifact) -> None:
        if artifact.kind is MediaKind.FILM:
            self._fits += 1
            if self._fits > FITTED:
                return
        limit = max(artifact.size * 2 // 3, 3000)
        try:
            smaller = await self._artifacts.fit(artifact, limit)
        except UnusableMedia:
            return
        if smaller.size > limit:
            self._wrong(case, f"{smaller.size} bytes do not fit {limit}")
        self._kept.append((case, self._artifacts.path(smaller)))

    def _examine(self, case: Case, path: Path) -> None:
        """What was accepted plays, and holds nothing but pictures and sound."""
        try:
            kit.facts(path) if path.suffix == ".mp4" else Image.open(path).load()
        except (OSError, SyntaxError, AssertionError, IndexError, av.FFmpegError) as error:
            self._wrong(case, f"{path.name} does not play: {error!r}")
        if CANARY[:12] in path.read_bytes():
            self._wrong(case, f"{path.name} still has the canary")

    def _wrong(self, case: Case, what: str) -> None:
        replay = f"python -m tests.proof.hostile_run --seed {self._seed} --case {case.number}"
        self._found.wrong.append(f"WRONG: {case.sender}, {case.kind}: {what}; replay: {replay}")


class Watch:
    """The event loop's longest pause, and any socket that a child has."""

    def __init__(self) -> None:
        self.lag, self.sockets = 0.0, 0
        self._over = threading.Event()

    def __enter__(self) -> "Watch":
        self._pulse = asyncio.create_task(self._feel())
        self._eye = threading.Thread(target=self._look)
        self._eye.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pulse.cancel()
        self._over.set()
        self._eye.join()

    async def _feel(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.lag = max(self.lag, time.monotonic() - before - 0.01)

    def _look(self) -> None:
        while not self._over.wait(0.7):
            for child in psutil.Process().children(recursive=True):
                try:
                    # Before its exec a child shows what is its parent's.
                    if "bot.media._worker" in " ".join(child.cmdline()):
                        self.sockets += len(child.net_connections("inet"))
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue


def _processor() -> float:
    """Seconds, those of children that have ended included."""
    return sum(psutil.Process().cpu_times()[:4])


def play(seed: int = SEED, only: int | None = None) -> Findings:
    """All of a seed's cases, or one of them, whose file is kept."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        return asyncio.run(Play(folder, seed).run([case for case in cases() if only in (None, case.number)]))
    finally:
        if only is None:
            shutil.rmtree(folder)
        else:
            print(folder / f"{only}.body")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.hostile_run")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--case", type=int)
    asked = parser.parse_args()
    found = play(asked.seed, asked.case)
    print(*found.report(), sep="\n")
    raise SystemExit(bool(found.wrong))


if __name__ == "__main__":
    main()
