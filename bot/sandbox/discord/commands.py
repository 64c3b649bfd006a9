"""The commands that the application has registered, per scope."""

from __future__ import annotations

from collections.abc import Callable

from bot.sandbox.clock import Clock

from .command_rules import CHAT_INPUT, CommandRules
from .errors import ApiError, Problems, refuse
from .hub import Event, Hub
from .message import Json
from .snowflake import Snowflakes

DAY = 86_400.0
_COUNTS = {1: 100, 2: 15, 3: 15}
_LOCALIZED = ("name_localizations", "description_localizations")


class Commands:
    """Scope None is global, a guild's id is that guild."""

    def __init__(self, hub: Hub, ids: Snowflakes, clock: Clock, application_id: int) -> None:
        self._hub = hub
        self._ids = ids
        self._clock = clock
        self._application_id = application_id
        self._scopes: dict[int | None, dict[int, Json]] = {}
        self._creations: dict[int | None, list[float]] = {}
        self.creates_per_day = 200

    def all(self, scope: int | None) -> list[Json]:
        return list(self._scopes.get(scope, {}).values())

    def get(self, scope: int | None, command_id: int) -> Json:
        try:
            return self._scopes[scope][command_id]
        except KeyError:
            raise refuse(10063) from None

    def by_id(self, command_id: int) -> Json | None:
        return next((scope[command_id] for scope in self._scopes.values() if command_id in scope), None)

    def replace(self, scope: int | None, bodies: list[Json], complain: Callable[[str], None]) -> list[Json]:
        problems = Problems(complain)
        if problems.items(bodies, (), 0, 130):
            for index, each in enumerate(bodies):
                CommandRules(problems, guild=scope is not None).check(each, (index,))
        problems.check()
        self._check_counts(scope, bodies, [])
        before = {_key(each): each for each in self.all(scope)}
        self._count_creations(scope, sum(_key(each) not in before for each in bodies))
        kept = {each["id"]: each for each in (self._made(scope, b, before.get(_key(b))) for b in bodies)}
        self._scopes[scope] = {int(key): value for key, value in kept.items()}
        self._hub.publish(Event("COMMANDS"))
        return self.all(scope)

    def upsert(self, scope: int | None, body: Json, complain: Callable[[str], None]) -> tuple[Json, bool]:
        """The command, and whether it is new."""
        problems = Problems(complain)
        CommandRules(problems, guild=scope is not None).check(body)
        problems.check()
        before = next((each for each in self.all(scope) if _key(each) == _key(body)), None)
        if before is None:
            self._check_counts(scope, [body], self.all(scope))
            self._count_creations(scope, 1)
        return self._put(scope, body, before), before is None

    def edit(self, scope: int | None, command_id: int, body: Json, complain: Callable[[str], None]) -> Json:
        before = self.get(scope, command_id)
        merged = before | body
        problems = Problems(complain)
        relevant = {k: v for k, v in merged.items() if scope is None or k not in ("contexts", "integration_types")}
        CommandRules(problems, guild=scope is not None).check(relevant)
        problems.check()
        return self._put(scope, merged, before)

    def delete(self, scope: int | None, command_id: int) -> None:
        self.get(scope, command_id)
        del self._scopes[scope][command_id]
        self._hub.publish(Event("COMMANDS"))

    def _put(self, scope: int | None, body: Json, before: Json | None) -> Json:
        made = self._made(scope, body, before)
        self._scopes.setdefault(scope, {})[int(made["id"])] = made
        self._hub.publish(Event("COMMANDS"))
        return made

    def _made(self, scope: int | None, body: Json, before: Json | None) -> Json:
        permissions = body.get("default_member_permissions")
        made: Json = {
            "id": before["id"] if before else str(self._ids.next()),
            "application_id": str(self._application_id),
            "version": str(self._ids.next()),
            "type": body.get("type", CHAT_INPUT),
            "name": body["name"],
            "name_localizations": body.get("name_localizations"),
            "description": body.get("description") or "",
            "description_localizations": body.get("description_localizations"),
            "default_member_permissions": None if permissions is None else str(permissions),
            "nsfw": bool(body.get("nsfw")),
        }
        if body.get("options"):
            made["options"] = body["options"]
        if scope is not None:
            return made | {"guild_id": str(scope)}
        return made | {
            "contexts": body.get("contexts"),
            "integration_types": body.get("integration_types") or [0],
            "dm_permission": body.get("dm_permission", True),
        }

    def _check_counts(self, scope: int | None, bodies: list[Json], present: list[Json]) -> None:
        every = [*bodies, *present]
        if len({_key(each) for each in every}) != len(every):
            tree = {
                "_errors": [
                    {
                        "code": "APPLICATION_COMMANDS_DUPLICATE_NAME",
                        "message": "Application command names must be unique",
                    }
                ]
            }
            raise ApiError(400, 50035, "Invalid Form Body", tree)
        for kind, most in _COUNTS.items():
            if sum(each.get("type", CHAT_INPUT) == kind for each in every) > most:
                raise refuse(30032)

    def _count_creations(self, scope: int | None, new: int) -> None:
        since = self._clock.now() - DAY
        recent = [each for each in self._creations.get(scope, []) if each > since]
        if len(recent) + new > self.creates_per_day:
            raise refuse(30034)
        self._creations[scope] = recent + [self._clock.now()] * new


def without_languages(command: Json) -> Json:
    """As a list answers when nobody asked for `with_localizations`."""
    return {key: value for key, value in command.items() if key not in _LOCALIZED}


def _key(command: Json) -> tuple[str, int]:
    return command["name"], command.get("type", CHAT_INPUT)
