"""What a REST route is, and what its handler is given."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from .core import Core
from .errors import ApiError, Problems, refuse
from .message import Json, Upload
from .multipart import Body
from .world import Channel, Guild

_BOOLEANS = {"1": True, "true": True, "True": True, "0": False, "false": False, "False": False}
_ID = "[0-9]{1,20}"
_TOP_LEVEL = ("channel", "guild", "token")


@dataclass(frozen=True)
class Reply:
    status: int = 204
    json: Any = None


Handler = Callable[["Call"], Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """`path` has {name} for an id, {name:text} for one segment of anything.

    A route without `bot_token` is authorised by the token in its path and does not count for the
    bot's global limit. `limit` names a row of the options' limits; `shared` a second one, per channel.
    """

    method: str
    path: str
    handler: Handler
    limit: str = "read"
    query: frozenset[str] = frozenset()
    bot_token: bool = True
    form: bool = False
    shared: str | None = None
    pattern: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", rf"(?P<\1>{_ID})", self.path)
        pattern = re.sub(r"\{(\w+):text\}", r"(?P<\1>[^/]+)", pattern)
        object.__setattr__(self, "pattern", re.compile(pattern))

    def resource(self, params: dict[str, str]) -> str:
        """The top-level resource that has a bucket of its own."""
        return "/".join(params[each] for each in _TOP_LEVEL if each in params)


@dataclass(frozen=True)
class Call:
    core: Core
    route: Route
    params: dict[str, str]
    query: dict[str, str]
    body: Body

    @property
    def json(self) -> Json:
        if not isinstance(self.body.json, dict):
            raise ApiError(400, 50109, "The request body contains invalid JSON.")
        return self.body.json

    @property
    def array(self) -> list[Any]:
        if not isinstance(self.body.json, list):
            raise ApiError(400, 50109, "The request body contains invalid JSON.")
        return self.body.json

    @property
    def files(self) -> dict[int, Upload]:
        return self.body.files

    def id(self, name: str) -> int:
        return int(self.params[name])

    def problems(self) -> Problems:
        return Problems(self.core.complain)

    def flag(self, name: str) -> bool:
        value = self.query.get(name, "false")
        if value not in _BOOLEANS:
            problems = self.problems()
            problems.add((name,), "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
            problems.check()
        return _BOOLEANS[value]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        given = self.query.get(name)
        if given is None:
            return default
        problems = self.problems()
        value = int(given) if given.isdigit() else -1
        problems.number(value, (name,), least, most)
        problems.check()
        return value

    def own_application(self) -> None:
        if self.id("application") != self.core.world.bot.id:
            raise refuse(50001)

    def guild(self) -> Guild:
        """The guild of the path; one that the bot is not in is unknown to it."""
        guild = self.core.world.guilds.get(self.id("guild"))
        if guild is None or guild.bot is None:
            raise refuse(10004)
        return guild

    def channel(self) -> Channel:
        channel = self.core.world.channels.get(self.id("channel"))
        if channel is None:
            raise refuse(10003)
        return channel
