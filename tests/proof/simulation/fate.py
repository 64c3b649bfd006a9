"""When what goes wrong: storms, broken storage, clocks that jump, closed channels, and deaths at every point."""

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

from tests.proof.simulation.crowd import GUILDS, channels
from tests.proof.simulation.disk import Trouble
from tests.proof.simulation.hall import Channel
from tests.proof.simulation.process import guild_payload
from tests.proof.simulation.weather import STORMS

if TYPE_CHECKING:
    from tests.proof.simulation.day import Theatre

_TROUBLES = {
    "busy": Trouble(held=True), "full": Trouble(full=True),
    "I/O error": Trouble(failing=0.5), "dead": Trouble(failing=1),
}  # fmt: skip


def _open(channel: Channel) -> None:
    channel.may_send = channel.may_view = True
    channel.may_read = not channel.blind


class Fate:
    def __init__(self, theatre: "Theatre", chance: random.Random) -> None:
        self._theatre, self._chance = theatre, chance
        self.met: Counter[str] = Counter()
        self._until_kill: int | None = None
        # Often passed or seldom, each point that was ever passed is as likely to be the next.
        self._known: set[str] = set()
        self._wanted: str | None = None
        self._power = False

    def tasks(self, until: float) -> list["asyncio.Task[None]"]:
        every = {
            self._storm: 900, self._storage: 2400, self._kill: 4000, self._clocks: 5400, self._closed: 4800,
            self._loop: 43200, self._stop: 16000,
        }  # fmt: skip
        works = [asyncio.create_task(self._again(work, pause, until)) for work, pause in every.items()]
        return [*works, asyncio.create_task(self._leave(until))]

    async def _again(self, work, pause: float, until: float) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / pause))
            if self._theatre.clock.world() > until:
                return
            await work()

    async def relent(self) -> None:
        """From now on all is well."""
        theatre = self._theatre
        theatre.weather.change({})
        theatre.disk.trouble = Trouble()
        self._until_kill, self._wanted, theatre.disk.mid_commit = None, None, lambda: None
        for channel in theatre.hall.channels.values():
            _open(channel)
        await asyncio.sleep(400)
        for guild in GUILDS:
            await theatre.crowd.resume(guild)

    # Weather

    async def _storm(self) -> None:
        chosen = self._chance.sample(sorted(STORMS), self._chance.randint(1, 3))
        self._theatre.weather.change({step: faults for name in chosen for step, faults in STORMS[name].items()})
        # When nothing at all gets through, little is learned by waiting.
        dead = {"down", "outage"} & set(chosen)
        await asyncio.sleep(self._chance.expovariate(1 / (150 if dead else 1200)))
        self._theatre.weather.change({})

    async def _storage(self) -> None:
        name = self._chance.choice(sorted(_TROUBLES))
        self._theatre.disk.trouble = _TROUBLES[name]
        await asyncio.sleep(self._chance.expovariate(1 / 40))
        self._theatre.disk.trouble = Trouble()

    async def _clocks(self) -> None:
        size = self._chance.choice((1.0, 20.0, 400.0, 7200.0, 36000.0))
        match self._chance.randrange(3):
            case 0:
                self.met["clock: forward"] += 1
                self._theatre.clock.set_wall_clock(size)
            case 1:
                self.met["clock: back"] += 1
                self._theatre.clock.set_wall_clock(-size)
            case _:
                self.met["clock: suspended"] += 1
                self._theatre.clock.leap(size)

    async def _closed(self) -> None:
        """A channel in which the bot may not write, or not even look; at times one that is deleted."""
        guild = self._chance.choice(sorted(GUILDS))
        hall = self._theatre.hall
        channel = hall.channels[self._chance.choice(channels(guild))]
        what = self._chance.choice(("send", "send", "view", "history", "direct"))
        self.met[f"channel: no {what}"] += 1
        if what == "direct":
            channel = hall.direct(guild * 100)
        channel.may_send = what == "history"
        channel.may_view, channel.may_read = what != "view", what != "history" and not channel.blind
        await asyncio.sleep(self._chance.expovariate(1 / 600))
        _open(channel)

    async def _leave(self, until: float) -> None:
        """One guild sends the bot away, and takes it back some time later; one channel is deleted."""
        await asyncio.sleep(self._chance.uniform(0.2, 0.8) * until)
        hall, guild = self._theatre.hall, 13
        doomed = hall.channels[channels(12)[1]]
        doomed.gone = True
        self.met["channel: gone"] += 1
        for channel in channels(guild):
            hall.channels[channel].refused = True
        del hall.guilds[guild]
        self.met["guild: removed"] += 1
        self._tell("GUILD_DELETE", {"id": str(guild)})
        await asyncio.sleep(self._chance.uniform(0.05, 0.2) * until)
        hall.guilds[guild] = set(channels(guild))
        self._tell("GUILD_CREATE", guild_payload(guild))

    def _tell(self, event: str, payload: dict[str, object]) -> None:
        process = self._theatre.process
        if process is not None and process.ready:
            process.hear(event, payload)

    # Deaths

    async def _kill(self) -> None:
        """Soon, at a point, or between the writes of a commit, or just now."""
        self._power = self._chance.random() < 0.4
        match self._chance.randrange(4):
            case 0:
                self._die("any time")
            case 1:
                countdown = self._chance.randint(0, 40)
                self._theatre.disk.mid_commit = lambda: self._count_writes()
                self._writes_left = countdown
            case 2 if self._known:
                self._wanted = self._chance.choice(sorted(self._known))
            case _:
                self._until_kill = self._chance.randint(0, 25)

    def _count_writes(self) -> None:
        self._writes_left -= 1
        if self._writes_left < 0:
            self._theatre.disk.mid_commit = lambda: None
            self._die("within a commit")

    def reached(self, point: str) -> None:
        self._known.add(point)
        if point == self._wanted:
            self._wanted = None
            self._die(point)
        if self._until_kill is None:
            return
        self._until_kill -= 1
        if self._until_kill < 0:
            self._until_kill = None
            self._die(point)

    def _die(self, point: str) -> None:
        process = self._theatre.process
        if process is None or process.died.is_set():
            return
        self._theatre.points.add(point)
        self._theatre.kills["power cut" if self._power else "killed"] += 1
        process.die(power=self._power)

    async def _loop(self) -> None:
        """Dead again as soon as it lives."""
        self.met["restart loop"] += 1
        for _ in range(self._chance.randint(2, 5)):
            self._until_kill, self._power = self._chance.randint(0, 3), False
            await asyncio.sleep(self._chance.uniform(20, 60))

    async def _stop(self) -> None:
        """SIGTERM, at times twice."""
        process = self._theatre.process
        if process is None or not process.ready:
            return
        self.met["stopped"] += 1
        process.jobs.close()
        if self._chance.random() < 0.5:
            hurry = asyncio.get_running_loop().call_later(2, process.runner.hurry)
            stopping = process.tasks.start(process.runner.stop(8))
            await asyncio.wait([stopping], timeout=30)
            hurry.cancel()
        else:
            await asyncio.wait([process.tasks.start(process.runner.stop(8))], timeout=30)
        self._power = False
        self._die("stopped")
