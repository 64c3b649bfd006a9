from collections.abc import Mapping
from types import TracebackType
from typing import Self

from aiohttp import web

from bot.sandbox.providers import cogvideox, pipelet
from bot.sandbox.providers.chutes import Chutes
from bot.sandbox.providers.cogvideox import CogVideoX
from bot.sandbox.providers.faults import Provider, ProviderFaults
from bot.sandbox.providers.floor import Floor
from bot.sandbox.providers.options import SandboxProviderOptions
from bot.sandbox.providers.pipelet import Pipelet
from bot.sandbox.providers.records import Generation, RequestRecord

# How long a request under way may take to end by itself when the sandbox stops.
_PATIENCE = 0.2


class SandboxProviders:
    """The three providers on one port, from `start` to `stop`; an async context manager does both.

    It may be started again, on the same port if need be: a provider that was down. The URLs exist once it has started.
    """

    def __init__(self, options: SandboxProviderOptions | None = None) -> None:
        self.options = options or SandboxProviderOptions()
        self._floor = floor = Floor(self.options)
        self._providers = (Chutes(floor), CogVideoX(floor), Pipelet(floor))
        self._runner: web.AppRunner | None = None
        self._origin = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Port 0 takes a free one. Raises OSError when the port is taken."""
        self._floor.closing.clear()
        app = web.Application(client_max_size=self.options.max_body, middlewares=[self._floor.account])
        for provider in self._providers:
            app.add_routes(provider.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_PATIENCE, handler_cancellation=False)
        await runner.setup()
        self._runner = runner
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        self._origin = f"http://{address[0]}:{address[1]}"

    async def stop(self) -> None:
        """Ends every connection, and every generation under way as failed; the account stays readable."""
        self._floor.closing.set()
        for provider in self._providers:
            await provider.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._floor.studio.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def origin(self) -> str:
        if not self._origin:
            raise RuntimeError("the providers have not started")
        return self._origin

    @property
    def chutes_base_urls(self) -> Mapping[str, str]:
        return {model: f"{self.origin}/chutes/{model}" for model in Chutes.models}

    @property
    def cogvideox_base_url(self) -> str:
        return self.origin + cogvideox.PREFIX

    @property
    def pipelet_base_url(self) -> str:
        return self.origin + pipelet.PREFIX

    @property
    def tokens(self) -> Mapping[Provider, str]:
        return self.options.tokens

    @property
    def requests(self) -> list[RequestRecord]:
        return self._floor.requests

    @property
    def generations(self) -> list[Generation]:
        return self._floor.generations

    @property
    def faults(self) -> ProviderFaults:
        return self._floor.faults
