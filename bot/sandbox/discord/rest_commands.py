"""Registering commands, globally and for one guild."""

from __future__ import annotations

from .commands import without_languages
from .routes import Call, Reply, Route


def _scope(call: Call) -> int | None:
    call.own_application()
    return call.guild().id if "guild" in call.params else None


async def listed(call: Call) -> Reply:
    commands = call.core.commands.all(_scope(call))
    if not call.flag("with_localizations"):
        commands = [without_languages(each) for each in commands]
    return Reply(200, commands)


async def replaced(call: Call) -> Reply:
    return Reply(200, call.core.commands.replace(_scope(call), call.array, call.core.complain))


async def upserted(call: Call) -> Reply:
    command, new = call.core.commands.upsert(_scope(call), call.json, call.core.complain)
    return Reply(201 if new else 200, command)


async def one(call: Call) -> Reply:
    return Reply(200, call.core.commands.get(_scope(call), call.id("command")))


async def edited(call: Call) -> Reply:
    command = call.core.commands.edit(_scope(call), call.id("command"), call.json, call.core.complain)
    return Reply(200, command)


async def deleted(call: Call) -> Reply:
    call.core.commands.delete(_scope(call), call.id("command"))
    return Reply()


_PLACES = ("/applications/{application}/commands", "/applications/{application}/guilds/{guild}/commands")
ROUTES = [
    route
    for place in _PLACES
    for route in (
        Route("GET", place, listed, "commands", frozenset({"with_localizations"})),
        Route("PUT", place, replaced, "commands"),
        Route("POST", place, upserted, "commands"),
        Route("GET", place + "/{command}", one, "commands"),
        Route("PATCH", place + "/{command}", edited, "commands"),
        Route("DELETE", place + "/{command}", deleted, "commands"),
    )
]
