"""discord.py's HTTP session, with the hall at its other end: what aiohttp would give it, and at times an error."""

import asyncio
import json
import random
import re
from types import TracebackType
from typing import Any

import aiohttp

from tests.proof.simulation.hall import APPLICATION, Hall, Json, Post, Refusal, user
from tests.proof.simulation.loop import outside
from tests.proof.simulation.weather import Weather

_API = re.compile(r"https://discord\.com/api/v\d+")
_JSON = {"content-type": "application/json", "Via": "1.1 google"}


class Reply:
    """As much of aiohttp.ClientResponse as discord.py looks at."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.reason = status, "said by the hall"
        self.headers = _JSON if headers is None else headers
        self._body = body

    async def text(self, encoding: str = "utf-8") -> str:
        return "" if self._body is None else json.dumps(self._body)


class _Call:
    def __init__(self, session: "Session", method: str, url: str, arguments: dict[str, Any]) -> None:
        self._asked = session, method, url, arguments

    async def __aenter__(self) -> Reply:
        session, method, url, arguments = self._asked
        return await session.call(method, _API.sub("", url).partition("?")[0], arguments)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Session:
    """One process's connection. What it has sent takes its effect whether or not the process lives to hear of it."""

    def __init__(self, hall: Hall, weather: Weather, chance: random.Random) -> None:
        self._hall, self._weather, self._chance = hall, weather, chance
        self.trace: aiohttp.TraceConfig | None = None
        self.dead = False

    def request(self, method: str, url: str, **arguments: Any) -> _Call:
        return _Call(self, method, url, arguments)

    async def close(self) -> None:
        pass

    async def call(self, method: str, path: str, arguments: dict[str, Any]) -> Reply:
        if self.dead:
            await asyncio.Event().wait()
        for listener in self.trace.on_request_headers_sent if self.trace is not None else ():
            await listener(None, None, None)  # type: ignore[arg-type]
        body, files = _content(arguments)
        answer = await outside(self._serve(method, path, arguments.get("params") or {}, body, files))
        if self.dead:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _serve(self, method: str, path: str, query: Json, body: Json, files: dict[str, bytes]) -> Any:
        fault = self._weather.draw(_step(method, path))
        await asyncio.sleep(self._chance.uniform(0.03, 0.25))
        if fault == "slow":
            await asyncio.sleep(self._chance.uniform(2, 40))
        if fault == "5xx before":
            return Reply(self._chance.choice((500, 502, 503, 504)), None, {})
        if fault == "429":
            return Reply(429, {"retry_after": self._chance.uniform(0.5, 90), "global": self._chance.random() < 0.2})
        if fault == "ban":
            return Reply(429, "banned", {})
        try:
            answer = Reply(200, self._do(method, path, query, body, files))
        except Refusal as refusal:
            return Reply(refusal.status, {"code": refusal.code, "message": "no"})
        except (LookupError, TypeError, ValueError) as mistake:
            self._hall.mistakes.append(mistake)
            raise
        if fault == "lost reply":
            return (
                aiohttp.ServerDisconnectedError() if self._chance.random() < 0.5 else ConnectionResetError(104, "reset")
            )
        if fault == "5xx after":
            return Reply(502, None, {})
        await asyncio.sleep(self._chance.uniform(0.01, 0.1))
        return answer

    def _do(self, method: str, path: str, query: Json, body: Json, files: dict[str, bytes]) -> Any:
        hall = self._hall
        match method, path.strip("/").split("/"):
            case "POST", ["channels", channel, "messages"]:
                return hall.post(int(channel), body, files).as_json()
            case "PATCH", ["channels", channel, "messages", message]:
                return hall.edit(int(channel), int(message), body, files).as_json()
            case "GET", ["channels", channel, "messages"]:
                before = int(query["before"]) if "before" in query else None
                found = hall.history(int(channel), int(query.get("after", 0)), before, int(query.get("limit", 50)))
                return [post.as_json() for post in found]
            case "GET", ["channels", channel, "messages", message]:
                return hall.read(int(channel), int(message)).as_json()
            case "POST", ["users", "@me", "channels"]:
                member = int(body["recipient_id"])
                return {"id": str(hall.direct(member).id), "type": 1, "recipients": [user(member)]}
            case "POST", ["interactions", number, token, "callback"]:
                return _callback(number, body, hall.answer(token, body["type"], body.get("data") or {}))
            case "GET", ["webhooks", _, token, "messages", "@original"]:
                return hall.original(token).as_json()
            case "PATCH", ["webhooks", _, token, "messages", "@original"]:
                return hall.edit_original(token, body, files).as_json()
            case "POST", ["webhooks", _, token]:
                return hall.follow_up(token, body, files).as_json()
        raise LookupError(f"the hall has no {method} {path}")


def _callback(number: str, body: Json, post: Post | None) -> Json:
    shown = post.as_json() if post is not None else None
    return {
        "interaction": {"id": number, "type": 2, "response_message_id": shown and shown["id"]},
        "resource": {"type": body["type"], "message": shown},
    }


def _step(method: str, path: str) -> str:
    if path.endswith("/callback"):
        return "callback"
    if method == "POST" and path.startswith("/channels"):
        return "post"
    return {"GET": "read", "PATCH": "edit"}.get(method, "other")


def _content(arguments: dict[str, Any]) -> tuple[Json, dict[str, bytes]]:
    data = arguments.get("data")
    if isinstance(data, aiohttp.FormData):
        parts = [(options, value) for options, _, value in data._fields]
        files = {str(options["filename"]): value.read() for options, value in parts if "filename" in options}
        (text,) = [value for options, value in parts if options["name"] == "payload_json"]
        return json.loads(text), files
    return (json.loads(data) if data else {}), {}


__all__ = ["APPLICATION", "Reply", "Session"]
