"""One REST request, from the socket to the answer: faults, authorisation, limits, body, effect."""

from __future__ import annotations

import asyncio
import hashlib
import json
import traceback
from email.utils import formatdate

from aiohttp import web

from .buckets import Limit, Verdict
from .core import Core
from .errors import ApiError, unauthorized
from .faults import Fault
from .multipart import Body, read_body
from .options import MIB
from .routes import Call, Reply, Route
from .transcript import Entry, SentFile

PREFIXES = ("/api/v10", "/api/v9", "/api")
_KEPT_HEADERS = ("User-Agent", "Content-Type", "X-Audit-Log-Reason")


class Api:
    def __init__(self, core: Core, routes: list[Route]) -> None:
        self._core = core
        self._routes = routes

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path = next(request.path.removeprefix(each) for each in PREFIXES if request.path.startswith(each + "/"))
        entry = Entry(
            "rest",
            self._core.clock.now(),
            request.method,
            path,
            dict(request.query),
            {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers},
        )
        self._core.transcript.append(entry)
        headers: dict[str, str] = {}
        try:
            reply = await self._answer(request, path, entry, headers)
        except ApiError as error:
            reply = Reply(error.status, error.body())
        except _Dropped:
            entry.status = 0
            return _drop(request)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - the root of a request's task: our own mistake must be seen
            self._core.complain(f"{request.method} {path} broke the sandbox:\n{traceback.format_exc()}")
            reply = Reply(500, {"message": "500: Internal Server Error", "code": 0})
        entry.status, entry.reply = reply.status, reply.json
        headers["Date"] = formatdate(self._core.clock.now(), usegmt=True)
        return _response(reply, headers)

    async def _answer(self, request: web.Request, path: str, entry: Entry, headers: dict[str, str]) -> Reply:
        fault = self._core.faults.take(request.method, path)
        if fault and fault.drop == "before":
            raise _Dropped
        body = await self._read(request, entry)
        if fault and (scripted := _instead(fault, headers)):
            return scripted
        route, params = self._route(request.method, path)
        self._authorize(request, route)
        if refused := self._limited(route, params, headers):
            return refused
        self._check_form(request, route, body)
        reply = await route.handler(Call(self._core, route, params, dict(request.query), body))
        if fault is None:
            return reply
        if fault.drop == "after":
            raise _Dropped
        if fault.effect_then_status is not None:
            return Reply(fault.effect_then_status, {"message": f"{fault.effect_then_status}: Bad Gateway", "code": 0})
        await self._core.clock.sleep(fault.answer_after or 0)
        return reply

    async def _read(self, request: web.Request, entry: Entry) -> Body:
        options = self._core.options
        biggest = max((each.premium_tier for each in self._core.world.guilds.values()), default=0)
        limit = max(options.request_limit, options.limit_for(biggest) + 5 * MIB)
        body = await read_body(request, limit)
        entry.body = body.json
        for name, upload in body.parts.items():
            digest = await asyncio.to_thread(hashlib.sha256, upload.data)
            entry.files.append(SentFile(f"{name}: {upload.filename}", len(upload.data), digest.hexdigest()))
        return body

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        others = False
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match and route.method == method:
                return route, match.groupdict()
            others = others or match is not None
        self._core.complain(f"unknown route {method} {path}")
        raise ApiError(405, 0, "405: Method Not Allowed") if others else ApiError(404, 0, "404: Not Found")

    def _authorize(self, request: web.Request, route: Route) -> None:
        if route.bot_token and request.headers.get("Authorization") != f"Bot {self._core.bot_token}":
            raise unauthorized()

    def _limited(self, route: Route, params: dict[str, str], headers: dict[str, str]) -> Reply | None:
        core = self._core
        if not core.options.rate_limits:
            return None
        name, resource = f"{route.method} {route.path}", route.resource(params)
        verdicts = [core.buckets.take(name, resource, core.options.limits[route.limit])]
        headers |= verdicts[0].headers
        if verdicts[0].retry_after is None and route.shared is not None:
            channel = self._webhook_channel(params)
            verdicts.append(core.buckets.take(route.shared, channel, core.options.limits[route.shared]))
        if route.bot_token:
            verdict = core.buckets.take("global", "", Limit(core.options.global_limit, 1))
            verdicts.append(Verdict({}, verdict.retry_after, "global"))
        refused = next((each for each in verdicts if each.retry_after is not None), None)
        return None if refused is None else too_many(refused.retry_after or 0, refused.scope, headers)

    def _webhook_channel(self, params: dict[str, str]) -> str:
        found = self._core.interactions.find(params["token"])
        return str(found.channel.id) if found else ""

    def _check_form(self, request: web.Request, route: Route, body: Body) -> None:
        for name in body.strays:
            self._core.complain(f"unexpected form part {name[:50]} for {route.method} {route.path}")
            raise ApiError(400, 50035, f"Unexpected form part {name[:50]}")
        for name in sorted(set(request.query) - route.query):
            self._core.complain(f"unknown query {name} of {route.method} {route.path}")
            raise ApiError(400, 50035, f"Unknown query {name}")
        if request.content_type == "multipart/form-data" and not route.form:
            self._core.complain(f"unexpected form for {route.method} {route.path}")
            raise ApiError(400, 50035, "This route takes no form")


class _Dropped(Exception):
    pass


def too_many(retry_after: float, scope: str, headers: dict[str, str]) -> Reply:
    headers["Retry-After"] = str(max(1, round(retry_after + 0.5)))
    headers["X-RateLimit-Scope"] = scope
    if scope == "global":
        headers["X-RateLimit-Global"] = "true"
    body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": scope == "global"}
    return Reply(429, body)


def _instead(fault: Fault, headers: dict[str, str]) -> Reply | None:
    if fault.retry_after is not None:
        return too_many(fault.retry_after, fault.scope, headers)
    if fault.status is not None:
        message = fault.message or f"{fault.status}: scripted"
        return Reply(fault.status, {"message": message, "code": fault.code})
    return None


def _response(reply: Reply, headers: dict[str, str]) -> web.Response:
    # Without Via discord.py takes a 429 for a ban by Cloudflare and does not try again.
    headers["Via"] = "1.1 google"
    if reply.status == 204:
        return web.Response(status=204, headers=headers)
    # Exactly this type: with a charset behind it discord.py would not parse the body.
    headers["Content-Type"] = "application/json"
    return web.Response(status=reply.status, body=_encoded(reply.json), headers=headers)


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)
