"""Plays one stage from its plan to the calm at its end, and looks what has become of everybody's requests."""

import asyncio
import contextlib
import logging
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.discord import Fault
from bot.sandbox.providers import ProviderFault
from tests.proof.chaos import limits, misfortunes
from tests.proof.chaos.crowd import Crowd
from tests.proof.chaos.house import DRAIN, House
from tests.proof.chaos.plan import End, Life, lives, stage_seed
from tests.proof.chaos.report import Figures
from tests.proof.chaos.truth import Truth

_SEARCHED_IN_PEACE = 3
# A kill that came too late is made up for by one so long after the next start.
_SPARE = 1.0
_CALM_SECONDS, _QUIET_SECONDS, _STOP_SECONDS = 60.0, 1.5, DRAIN + 12


def play(seed: int, stage: int, kills: int, jobs: int, until: float, keep: Path | None = None) -> Figures:
    """One stage. `until` (epoch) is when no further life begins; its folder is only left where `keep` names one."""

    # A killed bot leaves requests half answered, which the local servers' library reports as errors.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

    async def on_a_stage() -> Figures:
        with _folder(stage, keep) as folder:
            house = House(folder)
            try:
                async with house:
                    crowd = Crowd(house.discord, random.Random(stage_seed(seed, stage)))
                    crowd.take_seats()
                    playing = _Play(house, crowd, stage)
                    planned = lives(seed, stage, kills, jobs)
                    for life in planned:
                        if time.time() < until:
                            await playing.live(life)
                    for _ in range(kills - playing.kills if time.time() < until else 0):
                        await playing.live(replace(planned[-1], end=End.AT_ANY_TIME, ends_after=_SPARE, point=None))
                    await playing.calm()
                    return playing.judge()
            finally:
                house.close()

    return asyncio.run(on_a_stage())


@contextlib.contextmanager
def _folder(stage: int, keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with TemporaryDirectory(prefix="matinee-chaos-") as folder:
            yield Path(folder)
    else:
        folder_kept = keep / f"stage-{stage}"
        folder_kept.mkdir(parents=True)
        yield folder_kept


class _Play:
    def __init__(self, house: House, crowd: Crowd, stage: int) -> None:
        self._house, self._crowd = house, crowd
        self._figures = Figures(stages=1)
        self._place = f"stage {stage}"
        self._deaths: list[float] = []
        self._stood_still = 0.0
        self._at_providers: dict[int, tuple[str, ProviderFault]] = {}
        self._at_discord: list[tuple[str, Fault, int]] = []

    @property
    def kills(self) -> int:
        return self._figures.kills

    async def live(self, life: Life) -> None:
        house = self._house
        for row in life.rows:
            self._prepare(row)
        await house.begin(life.jump, life.point)
        if life.jump is not None:
            self._figures.faults["process: clock jump"] += 1
        if life.end is End.STARTING:
            await house.ended(life.ends_after)
        elif await house.online_or_ended():
            await self._between(life)
        await self._end(life)

    def _prepare(self, row: str) -> None:
        if row in misfortunes.PROVIDERS:
            fault = misfortunes.at_provider(row)
            self._at_providers[id(fault)] = (row, fault)
            self._house.providers.faults.add(fault)
        elif row not in misfortunes.GATEWAY:
            given = misfortunes.at_discord(row)
            self._at_discord.append((row, given, given.times))
            self._house.discord.faults.add(given)

    async def _between(self, life: Life) -> None:
        """From online to what ends the life, which may end by itself before."""
        house = self._house
        busy = asyncio.create_task(self._crowd.busy(life.jobs, life.presses))
        watching = asyncio.create_task(house.watch(hang_media=life.end is End.AT_MEDIA))
        troubles = asyncio.create_task(self._trouble(life))
        await house.ended(life.ends_after)
        await troubles
        if life.end is End.AT_POINT:
            await busy
        busy.cancel()
        watching.cancel()
        await asyncio.gather(busy, watching, return_exceptions=True)

    async def _trouble(self, life: Life) -> None:
        house, faults = self._house, self._figures.faults
        for row in life.rows:
            if row in misfortunes.GATEWAY:
                house.discord.faults.add(misfortunes.at_discord(row))
                faults[row] += 1
        if life.disk_full is not None:
            faults["process: disk full"] += 1
            with house.full_disk():
                await house.ended(life.disk_full)
        if life.stands_still is not None and house.bot is not None and house.bot.returncode is None:
            faults["process: SIGSTOP"] += 1
            self._stood_still = max(self._stood_still, life.stands_still)
            house.send_all(signal.SIGSTOP)
            await asyncio.sleep(life.stands_still)
            house.send_all(signal.SIGCONT)
            await house.ended(0.5)

    async def _end(self, life: Life) -> None:
        house, figures = self._house, self._figures
        assert house.bot is not None
        by_itself = house.bot.returncode is not None
        if not by_itself:
            await self._put_an_end(life)
        code = await house.bot.wait()
        self._deaths.append(house.discord.world.clock.now())
        if by_itself and code == -signal.SIGKILL and life.point is not None:
            figures.points[life.point] += 1
            figures.lives[End.AT_POINT.value] += 1
        else:
            figures.lives[_ended(life, code).value] += 1
        if code == -signal.SIGKILL:
            figures.kills += 1
        elif code != 0 or _ended(life, code).kills:
            figures.manners.append(f"{self._place}, life {life.number} ({life.name}) ended with exit code {code}")
        await house.buried()

    async def _put_an_end(self, life: Life) -> None:
        house = self._house
        match life.end:
            case End.AT_POINT | End.AT_ANY_TIME | End.STARTING | End.AT_MEDIA:
                house.send(signal.SIGKILL)
                house.send_all(signal.SIGCONT)
                return
            case End.DRAINING:
                house.send(signal.SIGTERM)
                if not await house.ended(min(life.ends_after, DRAIN)):
                    house.send(signal.SIGKILL)
                return
            case End.ASKED_TWICE:
                house.send(signal.SIGTERM)
                await house.ended(0.3)
        house.send(signal.SIGTERM)
        if not await house.ended(_STOP_SECONDS):
            self._figures.manners.append(f"{self._place}, life {life.number} did not stop within {_STOP_SECONDS} s")
            house.send(signal.SIGKILL)

    async def calm(self) -> None:
        """Lives without misfortune, until everybody has been told and no row is unfinished."""
        self._count_faults()
        self._house.providers.faults.clear()
        self._house.discord.faults.clear()
        for _ in range(_SEARCHED_IN_PEACE):
            await self._house.begin()
            if await self._house.online_or_ended():
                await self._crowd.answered()
                await self._quiet()
            if (code := await self._house.stop_bot()) != 0:
                self._figures.manners.append(f"{self._place}: the calm life ended with exit code {code}")
            await self._house.buried()
            if not any(Truth(self._house, self._crowd).stuck()):
                return

    async def _quiet(self) -> None:
        """Until nothing is open outside and nothing moves; members who saw no answer at all are told in that time."""
        deadline, still, before = time.monotonic() + _CALM_SECONDS, time.monotonic(), -1
        while time.monotonic() < deadline:
            requests = len(self._house.providers.requests) + len(self._house.discord.transcript.rest())
            if requests != before or Truth(self._house, self._crowd).unsettled:
                still, before = time.monotonic(), requests
            if time.monotonic() - still > _QUIET_SECONDS:
                return
            await asyncio.sleep(0.2)

    def _count_faults(self) -> None:
        for record in self._house.providers.requests:
            row = self._at_providers.get(id(record.fault))
            if row is not None:
                self._figures.faults[row[0]] += 1
        for name, fault, times in self._at_discord:
            self._figures.faults[name] += times - max(0, fault.times)

    def judge(self) -> Figures:
        figures, truth = self._figures, Truth(self._house, self._crowd)
        zeros = {
            "lost": truth.lost(),
            "posted twice": truth.posted_twice(),
            "overpaid": truth.overpaid(),
            "paid after failure shown": truth.paid_after_failure(),
            "stuck": truth.stuck(),
            "limit overshoot": limits.overshoot(truth, self._crowd, self._stood_still),
            "secrets found": truth.secrets_found(),
            "live mentions": truth.live_mentions(),
            "corrupt": truth.corrupt(),
        }
        figures.zeros = {name: [f"{self._place}: {each}" for each in found] for name, found in zeros.items()}
        figures.manners += [f"{self._place}: {each}" for each in self._bad_manners()]
        figures.jobs, figures.asked = len(truth.jobs), len(self._crowd.asks)
        figures.films = sum(bool(told.films) for told in truth.jobs.values())
        uncertain = truth.uncertain()
        figures.uncertain = len(uncertain)
        figures.charged = sum(bool(truth.billed(told.mark)) for _, told in uncertain)
        figures.told_elsewhere_too = truth.told_elsewhere_too()
        figures.undeliverable = truth.undeliverable()
        figures.recovered = truth.recovered(self._deaths)
        return figures

    def _bad_manners(self) -> Iterator[str]:
        yield from self._house.discord.complaints
        if self._house.left_running:
            yield f"{self._house.left_running} media children outlived their bot"


def _ended(life: Life, code: int) -> End:
    """As it was meant, unless no point was met, or a drain was over before its kill."""
    if life.end is End.AT_POINT:
        return End.AT_ANY_TIME
    return End.ASKED if life.end is End.DRAINING and code == 0 else life.end
