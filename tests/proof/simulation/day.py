"""One seed: a day of a bot's life, with everything that happens to it, and the quiet after it."""

import asyncio
import hashlib
import logging
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.proof.simulation.crowd import GUILDS, Crowd
from tests.proof.simulation.disk import Disk
from tests.proof.simulation.fate import Fate
from tests.proof.simulation.hall import Hall
from tests.proof.simulation.loop import SimClock, VirtualLoop
from tests.proof.simulation.process import CONCURRENCY, OPERATOR, Around, Process
from tests.proof.simulation.studios import Studio
from tests.proof.simulation.truth import Finding, examine
from tests.proof.simulation.vfs import mounted
from tests.proof.simulation.weather import Weather

HOUR = 3600.0
# After the day nothing goes wrong any more; every patience is shorter than this.
_LONGEST_QUIET = 40 * HOUR
_LONGEST_START = 2 * HOUR


@dataclass
class Day:
    """What one seed came to."""

    seed: int
    hours: float
    normal: bool
    finding: Finding
    digest: str
    jobs: int
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    points: set[str] = field(default_factory=set)


class Journal:
    """Every commit and every effect outside, in order, as one hash; and the last of them, for whoever replays."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._hash = now, hashlib.blake2b(digest_size=12)
        self.lines: list[str] | None = None

    def __call__(self, what: str) -> None:
        line = f"{self._now():.6f} {what}"
        self._hash.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class LogWatch(logging.Handler):
    """Reads every line that anybody logs, for what must not be in any."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []
        self.mistakes: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        known = [record.getMessage(), *(value for value in vars(record).values() if isinstance(value, str))]
        if record.exc_info:
            known.append(repr(record.exc_info[1]))
            if record.levelno >= logging.ERROR:
                self.mistakes[f"{record.msg}: {record.exc_info[1]!r}"] += 1
        if any("canary-" in each for each in known):
            self.found.append(f"log {record.name}: {record.msg}")


class Theatre:
    """The whole of one seed's world. Its parts can be taken by worse ones, to see whether that is noticed."""

    operator, concurrency = OPERATOR, CONCURRENCY
    disk_of, hall_of, studio_of, weather_of = Disk, Hall, Studio, Weather

    def __init__(self, seed: int, hours: float, folder: Path, loop: VirtualLoop) -> None:
        self.seed, self.hours, self._folder = seed, hours, folder
        # Nothing goes wrong on a normal day; it is for the estimates.
        self.normal = seed % 20 == 0
        self.clock = SimClock(loop)
        self.journal = Journal(self.clock.world)
        chance = self._chance
        self.weather = self.weather_of(chance("weather"))
        self.disk = self.disk_of(chance("disk"), self.journal)
        self.hall = self.hall_of(
            self.clock, self.weather, chance("nonces").uniform(90, 400), self.journal, self._passed
        )
        self.studio = self.studio_of(self.clock, self.weather, chance("studio"), self.journal)
        pace = 1.4 if self.normal else 1.3
        self.crowd = Crowd(self.hall, self.clock, chance("crowd"), lambda: self.process, pace)
        self.process: Process | None = None
        self.kills: Counter[str] = Counter()
        self.deaths: list[float] = []
        self.points: set[str] = set()
        self.quiet = False
        self.log = LogWatch()
        self.fate = Fate(self, chance("fate"))

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {what}")

    async def play(self) -> Day:
        with mounted(self.disk) as vfs:
            around = Around(self.clock, self.studio, self.hall, self.disk, vfs, self._chance("machine"))
            around.operator, around.concurrency = self.operator, self.concurrency
            keeper = asyncio.create_task(self._keep_running(around))
            end = self.hours * HOUR
            people = [asyncio.create_task(self.crowd.live(guild, end)) for guild in GUILDS]
            if not self.normal:
                people += self.fate.tasks(end)
            await self._unless_broken(keeper, asyncio.gather(*people))
            self.quiet = True
            await self.fate.relent()
            await self._unless_broken(keeper, self._until_still())
            assert self.process is not None
            finding = await examine(self, self.process, around.damaged)
            keeper.cancel()
            self.process.die()
            await self.process.bury()
            for mistake in (*vfs.mistakes, *self.hall.mistakes):
                raise mistake
        finding.honest.update({f"a step failed: {what}": count for what, count in self.log.mistakes.items()})
        faults = self.weather.met + Counter({f"storage: {what}": count for what, count in self.disk.met.items()})
        return Day(
            self.seed, self.hours, self.normal, finding, self.journal.digest, finding.jobs,
            self.kills, faults + self.fate.met, self.points,
        )  # fmt: skip

    async def _unless_broken(self, keeper: "asyncio.Task[None]", work: Awaitable[object]) -> None:
        """What the harness itself does wrong ends the day."""
        doing = asyncio.ensure_future(work)
        await asyncio.wait([keeper, doing], return_when=asyncio.FIRST_COMPLETED)
        if keeper.done():
            keeper.result()
        await doing

    async def _keep_running(self, around: Around) -> None:
        """A supervisor: whenever the process has died, the next one is started after a while."""
        pauses = self._chance("supervisor")
        while True:
            self.process = process = Process(self._folder, around, self._reached)
            living = process.tasks.start(process.live())
            dying = asyncio.create_task(process.died.wait())
            await asyncio.wait([living, dying], return_when=asyncio.FIRST_COMPLETED)
            if not process.died.is_set():
                await living
            await dying
            await process.bury()
            self.journal("dead")
            self.deaths.append(self.clock.world())
            await asyncio.sleep(5 if self.quiet else pauses.choice((2, 5, 15, 40, 120, 600, 1800)))

    def _passed(self, point: str) -> None:
        self.fate.reached(point)

    def _reached(self, point: str) -> None:
        """A point at which the process can be killed: each commit, and each effect outside."""
        if not point.startswith("before:"):
            self.journal(point)
        self.fate.reached(point)

    async def _until_still(self) -> None:
        begun = self.clock.world()
        while self.clock.world() < begun + _LONGEST_QUIET:
            await asyncio.sleep(600)
            if self.process is None or not self.process.ready:
                if self.clock.world() > begun + _LONGEST_START:
                    break
                continue
            open_jobs = await self.process.rows("SELECT count(*) FROM jobs WHERE told = 0")
            if open_jobs == [(0,)]:
                break
        await asyncio.sleep(120)


def play(
    seed: int, hours: float, lines: list[str] | None = None, *, theatre_of: Callable[..., Theatre] = Theatre
) -> Day:
    """The same seed gives the same day, to the last byte that is written."""
    state = random.getstate()
    # The storage's own jitter draws from here.
    random.seed(seed)
    loop = VirtualLoop(seed)
    root, level = logging.getLogger(), logging.getLogger().level
    others, root.handlers = root.handlers, []
    try:
        with tempfile.TemporaryDirectory(prefix="matinee-simulation-") as folder:
            theatre = theatre_of(seed, hours, Path(folder), loop)
            theatre.journal.lines = lines
            root.handlers = [theatre.log]
            root.setLevel(logging.DEBUG)
            return loop.run_until_complete(theatre.play())
    finally:
        root.handlers = others
        root.setLevel(level)
        random.setstate(state)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(1))
        loop.close()
