"""Members and moderators: they type commands and press the buttons that they are shown, and believe what they read."""

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.proof.simulation.hall import APPLICATION, Called, Channel, Hall, Json, Post, user
from tests.proof.simulation.loop import SimClock
from tests.proof.simulation.process import OPERATOR, Process

GUILDS = {11: 6, 12: 4, 13: 2, 14: 1}
MODERATOR = 9
MODELS = ("wan22-fast-t2v", "wan22-fast-t2v-premium", "wan2.1-14b", "skyreels", "cogvideox", None)
_EVIL = ("@everyone", "<@1>", "<@&5>", "[x](https://evil.example)", "`job0000001`", "```", "\u202e")
_MANAGE = 1 << 5 | 1 << 13
_EVERYTHING = str((1 << 50) - 1)
_JOB = re.compile(r"Job `(\w+)`.*\*\*queued\*\*")
_NAMED = re.compile(r"[Jj]ob `(\w+)`")
_READY = re.compile(r"Ready <t:(\d+)")
_STRING, _INTEGER, _NUMBER = 3, 4, 10


@dataclass
class Ask:
    """A request as its member knows it; `promised` is the epoch second that the first queue message named."""

    prompt: str
    guild: int
    member: int
    at: float
    promised: float | None = None


@dataclass
class Change:
    """Limits that a moderator asked for: in force from `at` on, perhaps, and certainly from `certain_from` on."""

    at: float
    limits: dict[str, float]
    certain_from: float | None = None


@dataclass
class Believed:
    """What was said to members, besides the messages themselves."""

    asks: dict[str, Ask] = field(default_factory=dict)
    queued: dict[str, Post] = field(default_factory=dict)
    unanswered: int = 0
    limits: dict[int, list[Change]] = field(default_factory=dict)


class Crowd:
    """`process` is who answers now, if anybody does."""

    def __init__(
        self, hall: Hall, clock: SimClock, chance: random.Random, process: Callable[[], Process | None], pace: float
    ) -> None:
        self._hall, self._clock, self._chance, self._process, self._pace = hall, clock, chance, process, pace
        self.believed = Believed()
        self._number = 0
        for guild in GUILDS:
            hall.add_guild(guild, channels(guild))

    async def live(self, guild: int, until: float) -> None:
        """Calm hours and bursts, in one guild."""
        chance = self._chance
        while self._clock.world() < until:
            burst = chance.random() < 0.06
            await asyncio.sleep(chance.expovariate(self._pace / 3600))
            for _ in range(chance.randint(4, 12) if burst else 1):
                if guild in self._hall.guilds and self._clock.world() < until:
                    asyncio.get_running_loop().create_task(self._act(guild))
                await asyncio.sleep(chance.expovariate(1 / 4))

    async def _act(self, guild: int) -> None:
        member = guild * 100 + self._chance.randrange(GUILDS[guild])
        dice = self._chance.random()
        if dice < 0.72:
            await self._ask(guild, member)
        elif dice < 0.92:
            await self._press(guild, member)
        elif dice < 0.93:
            await self._send(guild, member, "queue")
        elif dice < 0.96:
            await self._show(guild, member)
        else:
            await self._moderate(guild)

    async def _ask(self, guild: int, member: int) -> None:
        self._number += 1
        evil = self._chance.choice(_EVIL) if self._chance.random() < 0.2 else "a paper boat"
        prompt = f"g{guild} m{member} n{self._number} {evil}"
        options: dict[str, Any] = {"prompt": prompt}
        if (model := self._chance.choice(MODELS)) is not None:
            options["model"] = model
        self.believed.asks[prompt] = ask = Ask(prompt, guild, member, self._clock.world())
        called = await self._send(guild, member, "video", options)
        # A queue message may come later than the first answer; members see either.
        await asyncio.sleep(self._chance.choice((1, 30)))
        self._read(ask, called)
        if self._chance.random() < 0.15:
            await asyncio.sleep(self._chance.expovariate(1 / 20))
            await self._press(guild, member, only=called.answer)

    def _read(self, ask: Ask, called: Called) -> None:
        if called.answer is None:
            self.believed.unanswered += 1
            return
        ready = _READY.search(called.answer.texts[0][1])
        ask.promised = float(ready[1]) if ready else None

    async def _press(self, guild: int, member: int, only: Post | None = None) -> None:
        """One of the newest buttons; Discord lets everybody press, and twice."""
        own = f"<@{member}>"
        posts = [only] if only else [p for p in self._hall.posts[-80:] if p.channel.guild == guild]
        shown = [post for post in posts if post.components and not post.deleted]
        mine = [post for post in shown if own in post.content] or shown
        if not mine:
            return
        post = self._chance.choice(mine)
        button = self._chance.choice(post.components[0]["components"])
        by = MODERATOR if self._chance.random() < 0.1 else member
        data = {"custom_id": button["custom_id"], "component_type": 2}
        called = await self._call(guild, by, 3, data, post.channel, post)
        if self._chance.random() < 0.1:
            await self._call(guild, by, 3, data, post.channel, post)
        await asyncio.sleep(self._chance.uniform(5, 30))
        answer = called.answer
        if answer is not None and answer.flags & 64 and answer.components and self._chance.random() < 0.7:
            discard = {"custom_id": answer.components[0]["components"][0]["custom_id"], "component_type": 2}
            await self._call(guild, by, 3, discard, answer.channel, answer)

    async def _show(self, guild: int, member: int) -> None:
        """How one of the latest stands; best one that is kept for whoever asks."""
        texts = [post.content for post in self._hall.posts[-200:] if post.channel.guild == guild]
        named = [(("is kept for" in text), match[1]) for text in texts if (match := _NAMED.search(text))]
        if named:
            _, job = max(named, key=lambda each: (each[0], self._chance.random()))
            await self._send(guild, MODERATOR if self._chance.random() < 0.5 else member, "show", {"job": job})

    async def _moderate(self, guild: int) -> None:
        match self._chance.randrange(4):
            case 0:
                await self._send(guild, MODERATOR, "admin", {}, ["pause"])
                await asyncio.sleep(self._chance.expovariate(1 / 600))
                await self.resume(guild)
            case 1:
                await self._limit(guild)
            case 2:
                await self._send(guild, MODERATOR, "admin", {"model": "skyreels"}, ["models", "deny"])
                await asyncio.sleep(self._chance.expovariate(1 / 600))
                await self._send(guild, MODERATOR, "admin", {"model": "skyreels"}, ["models", "allow"])
            case _:
                await self._send(guild, MODERATOR, "admin", {}, ["jobs"])

    async def resume(self, guild: int) -> None:
        await self._send(guild, MODERATOR, "admin", {}, ["resume"])

    async def _limit(self, guild: int) -> None:
        """Noted from before it was asked until after it was answered: in between either is in force."""
        limits: dict[str, float] = {
            "jobs_per_hour": self._chance.choice((12.0, 20.0, 30.0)), "burst": self._chance.choice((2, 3, 5)),
            "active_per_guild": self._chance.choice((1, 2, 3)), "active_per_member": self._chance.choice((1, 2)),
        }  # fmt: skip
        change = Change(self._clock.world(), limits)
        self.believed.limits.setdefault(guild, []).append(change)
        called = await self._send(guild, MODERATOR, "admin", limits, ["limits", "set"])
        await asyncio.sleep(20)
        said = called.answer.content if called.answer is not None else ""
        change.certain_from = self._clock.world() if "**Limits of this guild**" in said else None

    async def _send(
        self, guild: int, member: int, name: str, options: dict[str, Any] | None = None, path: list[str] | None = None
    ) -> Called:
        given: list[Json] = [
            {"name": key, "value": value, "type": _kind(key, value)} for key, value in (options or {}).items()
        ]
        path = path or []
        for depth, step in enumerate(reversed(path)):
            given = [{"name": step, "type": 1 if depth == 0 else 2, "options": given}]
        data = {"id": "1", "name": name, "type": 1, "options": given}
        return await self._call(guild, member, 2, data, self._hall.channels[self._chance.choice(channels(guild))])

    async def _call(
        self, guild: int, member: int, kind: int, data: Json, channel: Channel, source: Post | None = None
    ) -> Called:
        number = self._hall.snowflake()
        called = Called(number, f"canary-interaction-{number}", channel, self._clock.world())
        self._hall.calls[called.token] = called
        payload = _payload(called, guild, member, kind, data)
        if source is not None:
            payload["message"] = source.as_json()
        await asyncio.sleep(self._chance.uniform(0.02, 0.2))
        if (process := self._process()) is not None and process.ready:
            process.hear("INTERACTION_CREATE", payload)
            if self._chance.random() < 0.02:
                process.hear("INTERACTION_CREATE", payload)
        await asyncio.sleep(6)
        return called


def channels(guild: int) -> list[int]:
    return [guild * 1000 + 1, guild * 1000 + 2]


def _kind(name: str, value: object) -> int:
    if isinstance(value, str):
        return _STRING
    return _NUMBER if name == "jobs_per_hour" else _INTEGER


def _payload(called: Called, guild: int, member: int, kind: int, data: Json) -> Json:
    permissions = _MANAGE if member == MODERATOR else 0
    return {
        "id": str(called.id), "application_id": str(APPLICATION), "type": kind, "token": called.token, "version": 1,
        "guild_id": str(guild), "guild": {"id": str(guild), "locale": "en-US", "features": []},
        "channel_id": str(called.channel.id), "locale": "en-US", "entitlements": [], "context": 0,
        "channel": {
            "id": str(called.channel.id), "type": 0, "guild_id": str(guild), "name": "c", "position": 0,
            "parent_id": None, "topic": None, "nsfw": False, "rate_limit_per_user": 0, "permission_overwrites": [],
            "permissions": _EVERYTHING,
        },
        "authorizing_integration_owners": {"0": str(guild)}, "attachment_size_limit": 20 * 2**20, "data": data,
        "app_permissions": _EVERYTHING,
        "member": {
            "user": user(member), "roles": [], "joined_at": "2026-01-15T08:00:00+00:00", "nick": None, "deaf": False,
            "mute": False, "flags": 0, "permissions": str(permissions),
        },
    }  # fmt: skip


__all__ = ["GUILDS", "MODERATOR", "OPERATOR", "Ask", "Believed", "Change", "Crowd", "channels"]
