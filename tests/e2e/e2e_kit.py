"""The shipped bot as its own process on a local Discord and local providers, and what must be true at every end."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.demo.stage import Stage
from bot.sandbox.discord import Channel, Guild, Interaction, MemberDriver, Message
from bot.sandbox.discord.transcript import Entry
from bot.sandbox.providers import SandboxProviderOptions, SandboxProviders
from tests.sandbox.openapi_kit import Description, load
from tests.support.media import small_film

T = TypeVar("T")
Play = Callable[..., Coroutine[Any, Any, None]]
Meanwhile = dict[Play, asyncio.Task[None]]

ROOMY = {
    "jobs_per_hour": 6000, "burst": 200, "active_per_guild": 50, "active_per_member": 50, "queued_per_member": 50,
    "queued_per_guild": 100,
}  # fmt: skip
_OPENING = ("POST", "PATCH", "PUT")


async def eventually(condition: Callable[[], T | None], timeout: float = 20, what: str = "") -> T:
    """For what other processes do, where nobody rings a bell. The first true value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what or condition}")
        await asyncio.sleep(0.05)
    return value


class Scene:
    """One guild, its members, and the bot. `environment` goes with every start of it."""

    def __init__(self, stage: Stage, guild: Guild, log: Path, environment: Mapping[str, str]) -> None:
        self.stage, self.guild, self.log = stage, guild, log
        self.environment = dict(environment)
        self.discord, self.providers = stage.discord, stage.providers
        self.channel: Channel = guild.channels[0]
        self.alice, self.ben, self.chen, self.mara = (
            stage.discord.member(name, guild) for name in ("alice", "ben", "chen", "mara")
        )

    def elsewhere(self, name: str) -> Scene:
        """The same bot and the same people in another guild."""
        guild = self.discord.world.add_guild(name)
        for channel in ("general", "films"):
            guild.add_channel(channel)
        for driver in (self.alice, self.ben, self.chen):
            guild.add_member(driver.user, permissions=self.discord.PERMS_MEMBER)
        guild.add_member(self.mara.user, permissions=self.discord.PERMS_MODERATOR)
        return Scene(self.stage, guild, self.log, self.environment)

    @property
    def database(self) -> Path:
        return self.stage.folder / "matinee.db"

    async def start(self, **environment: str) -> None:
        await self.stage.start_bot({**self.environment, **environment})

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        code = await self.stage.stop_bot(number)
        await self.offline()
        return code

    async def offline(self) -> None:
        await self.discord.until(lambda: not self.discord.gateway.online, timeout=20)

    async def died(self, timeout: float = 30) -> int:
        """The exit code of a bot that ends by itself."""
        assert self.stage.bot is not None
        async with asyncio.timeout(timeout):
            code = await self.stage.bot.wait()
        await self.offline()
        return code

    @property
    def alive(self) -> bool:
        return self.stage.bot is not None and self.stage.bot.returncode is None

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    def jobs(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM jobs ORDER BY created_at, id")

    def job(self, job_id: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM jobs WHERE id = ?", job_id)
        return row

    async def ask(
        self, command: str = "video", member: MemberDriver | None = None, channel: Channel | None = None, **options: Any
    ) -> str:
        """The id of the job that was acknowledged in public."""
        reply = await (member or self.alice).slash(channel or self.channel, command, **{"prompt": "a cat"} | options)
        return job_of(reply)

    async def reaches(self, job_id: str, *states: str, timeout: float = 30) -> dict[str, Any]:
        """The job's row, once it is in one of these states."""

        def there() -> dict[str, Any] | None:
            row = self.job(job_id)
            return row if row["state"] in states else None

        return await eventually(there, timeout, f"{job_id} {states}, {self.job(job_id)['state']}")

    async def told(self, job_id: str, timeout: float = 30) -> dict[str, Any]:
        """The job's row, once its member has seen its end."""
        return await eventually(lambda: row if (row := self.job(job_id))["told"] else None, timeout, f"{job_id} told")

    async def film(self, job_id: str, timeout: float = 30) -> Message:
        await self.discord.until(lambda: self.films(job_id), timeout=timeout)
        (message,) = self.films(job_id)
        return message

    def said(self, channel: Channel | None = None) -> list[Message]:
        """The bot's public messages, oldest first."""
        messages = (channel or self.channel).messages.values()
        return [each for each in messages if each.author.bot and not each.ephemeral and not each.deleted]

    def films(self, job_id: str = "") -> list[Message]:
        return [each for each in self.everywhere() if each.attachments and job_id in each.attachments[0].filename]

    def notices(self, job_id: str = "") -> list[Message]:
        """Messages without a file that mention somebody."""
        return [each for each in self.everywhere() if not each.attachments and each.mentions and job_id in each.content]

    def everywhere(self) -> list[Message]:
        return [each for each in self.discord.world.messages if each.author.bot and not each.ephemeral]

    def queue_message(self, job_id: str) -> Message | None:
        found = [each for each in self.said() if each.content.startswith("Job") and f"`{job_id}`" in each.content]
        assert len(found) <= 1
        return found[0] if found else None

    def asked(self, step: str, model: str) -> int:
        """How many requests of that kind a provider has had."""
        return len([each for each in self.providers.requests if (each.step, each.model) == (step, model)])

    def events(self, level: str = "") -> list[dict[str, Any]]:
        """The log of every run so far, a dictionary for each line."""
        lines = [json.loads(line) for line in self.log.read_text("utf-8").splitlines() if line.startswith("{")]
        return [line for line in lines if level in ("", line["level"])]


def job_of(reply: Interaction) -> str:
    assert reply.message is not None, reply.refusal
    assert not reply.ephemeral, reply.message.text
    return reply.message.content.split("`")[1]


def private(reply: Interaction) -> str:
    """What only the member read; an unanswered or public reply fails."""
    assert reply.refusal is None
    assert reply.message is not None
    assert reply.ephemeral, reply.message.text
    return reply.message.text


@asynccontextmanager
async def scene(
    folder: Path,
    *,
    speed: float = 300,
    limits: Mapping[str, float] | None = None,
    start: bool = True,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Scene]:
    """`options` are those of the providers. Whatever was played, the end is checked by `check_manners`."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "bot.log"
    with log.open("ab") as stream:
        stage = Stage(folder, limits=ROOMY | dict(limits or {}), log=stream)
        options = {"film_bytes": small_film()} | options
        stage.providers = SandboxProviders(SandboxProviderOptions(speed=speed, **options))
        async with stage:
            playing = Scene(stage, stage.add_guild("Film Club"), log, environment or {})
            if start:
                await playing.start()
            try:
                yield playing
            except BaseException:
                print(log.read_text("utf-8")[-3000:])
                raise
            check_manners(playing)


FAILURES = ("abandoned", "refused", "ambiguous", "lost_result", "undeliverable")


async def everyone_was_told(it: Scene, timeout: float = 40) -> None:
    """Every job that is not waiting has ended once: a film, or a short message, where its member reads it."""
    await eventually(lambda: all(row["told"] for row in it.jobs() if row["state"] != "queued"), timeout, "all are told")
    for row in it.jobs():
        films, notices = len(it.films(row["id"])), len(it.notices(row["id"]))
        assert films <= (row["state"] == "done"), (row["id"], row["state"])
        in_place = row["result_message_id"] is not None and row["result_message_id"] == row["ack_message_id"]
        assert notices <= (in_place or row["state"] in (*FAILURES, "cancelled")), (row["id"], row["state"])
        message = it.queue_message(row["id"])
        if message is not None and row["state"] != "queued":
            word = {"done": "done", "cancelled": "cancelled"}.get(row["state"], "failed")
            assert word in message.content, message.content
            assert not any("Cancel" in button["label"] for button in message.buttons)
    assert it.rows("SELECT * FROM attempts WHERE evidence IS NULL") == []


def check_manners(it: Scene) -> None:
    """What holds after anything: Discord had nothing to complain of, no secret leaked, nobody was pinged in vain."""
    assert it.discord.complaints == []
    assert leaks(it) == []
    assert rude_mentions(it) == []
    assert undescribed(it) == []


def undescribed(it: Scene) -> list[str]:
    """What the bot sent otherwise than Discord's own description has it; each kind of body is held against it once."""
    if (description := _description()) is None:
        return []
    bodies = {_shape(entry.body) + _route(entry): entry
              for entry in it.discord.transcript.rest() if entry.body is not None}  # fmt: skip
    return [words for entry in bodies.values() for words in description.complaints(entry) if " sent: " in words]


def _route(entry: Entry) -> str:
    return f"{entry.method} {re.sub('/[^/]{20,}', '/token', re.sub('[0-9]{9,}', '0', entry.path))}"


@cache
def _description() -> Description | None:
    """None where no copy of it is at hand; test_contract.py says so."""
    try:
        return Description(load())
    except pytest.skip.Exception:
        return None


def _shape(value: Any) -> str:
    """What distinguishes bodies for a schema: their keys, the kinds of their values, and numbers that name a kind."""
    if isinstance(value, dict):
        return str({key: value[key] if key in ("type", "style") else _shape(value[key]) for key in sorted(value)})
    if isinstance(value, list):
        return str(sorted({_shape(each) for each in value}))
    return type(value).__name__


def leaks(it: Scene) -> list[str]:
    """Where a token stands that should not."""
    tokens = [it.discord.bot_token, *it.providers.tokens.values()]
    tokens += [each.token for each in it.discord.interactions]
    seen = {path.name: path.read_bytes() for path in [it.log, *it.stage.folder.glob("matinee.db*")]}
    seen["Discord"] = json.dumps([entry.body for entry in it.discord.transcript.rest()], default=str).encode()
    seen["a provider"] = json.dumps([dict(each.body or {}) for each in it.providers.requests], default=str).encode()
    return [f"{token[:8]} in {place}" for place, text in seen.items() for token in tokens if token.encode() in text]


def rude_mentions(it: Scene) -> list[str]:
    """Messages that could have pinged, or did ping, anybody but the one member whom they tell something."""
    found = []
    for entry in it.discord.transcript.rest():
        message = _message_body(entry.method, entry.path, entry.body)
        if message is None or "content" not in message:
            continue
        allowed = message.get("allowed_mentions")
        if allowed is None or allowed.get("parse") or allowed.get("roles") or allowed.get("replied_user"):
            found.append(f"{entry}: {allowed}")
        elif len(allowed.get("users") or []) > 1:
            found.append(f"{entry}: may ping {allowed['users']}")
    for message in it.everywhere():
        opening = message.content.split(" ", 1)[0]
        expected = {opening} if opening.startswith("<@") else set()
        if {user.mention for user in message.notified} - expected:
            found.append(f"pinged {message.notified}: {message.content}")
    return found


def _message_body(method: str, path: str, body: Any) -> dict[str, Any] | None:
    if method not in _OPENING or not isinstance(body, dict):
        return None
    if path.endswith("/callback"):
        data = body.get("data")
        return data if body.get("type") in (4, 7) and isinstance(data, dict) else None
    return body if "/messages" in path or path.startswith("/webhooks/") else None
