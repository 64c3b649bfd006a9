"""Whether this process is alive and ready, for a supervisor: GET /healthz and GET /readyz."""

from collections.abc import Callable, Mapping
from typing import Self

from aiohttp import web


class HealthPages:
    """Answers 200 or 503 with a JSON object of named checks; nothing about members, jobs or secrets."""

    def __init__(self, checks: Callable[[], Mapping[str, bool]]) -> None:
        self._checks = checks
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> Self:
        """Raises OSError when the address cannot be bound."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return self

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        checks = self._checks()
        return web.json_response(dict(checks), status=200 if all(checks.values()) else 503)
