"""The local Discord: one port for REST, gateway, CDN, members and the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from . import rest_account, rest_channels, rest_commands, rest_messages, rest_webhooks
from .api import PREFIXES, Api
from .core import Core
from .gateway import PATH, RESUME_PATH
from .interaction import Interaction
from .member import MemberDriver
from .member_api import MemberApi
from .message import Json, Message
from .options import SandboxOptions
from .permissions import PERMS_BOT, PERMS_MEMBER, PERMS_MODERATOR
from .world import Channel, Guild, Member, User

_ROUTES = [
    *rest_account.ROUTES,
    *rest_commands.ROUTES,
    *rest_webhooks.ROUTES,
    *rest_messages.ROUTES,
    *rest_channels.ROUTES,
]


class SandboxDiscord:
    PERMS_MEMBER = PERMS_MEMBER
    PERMS_MODERATOR = PERMS_MODERATOR
    PERMS_BOT = PERMS_BOT

    def __init__(
        self, bot_token: str, options: SandboxOptions | None = None, page_directory: Path | None = None
    ) -> None:
        self.options = options or SandboxOptions()
        self.bot_token = bot_token
        self.origin = ""
        self._page = page_directory
        self._core = Core(bot_token, self.options)
        self.world = self._core.world
        self.gateway = self._core.gateway
        self.commands = self._core.commands
        self.transcript = self._core.transcript
        self.complaints = self._core.complaints
        self.faults = self._core.faults
        self._runner: web.AppRunner | None = None

    @property
    def api_url(self) -> str:
        return self.origin + PREFIXES[0]

    @property
    def interactions(self) -> list[Interaction]:
        """All that ever were, oldest first."""
        return list(self._core.interactions.by_id.values())

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.origin = self._core.cdn.origin = f"http://{host}:{bound}"
        self.gateway.url = f"ws://{host}:{bound}{PATH}/"

    async def stop(self) -> None:
        await self.gateway.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def member(self, who: str | User, guild: Guild | None = None) -> MemberDriver:
        """A driver for somebody who is a member of the guild, or for a user without one."""
        if isinstance(who, User):
            user = who
        else:
            user = next(each for each in self.world.users.values() if each.username == who)
        if guild is not None and user.id not in guild.members:
            raise LookupError(f"{user.username} is no member of {guild.name}")
        return MemberDriver(self._core, user, guild)

    async def until(self, condition: Callable[[], Any], timeout: float = 30) -> object:
        """The first true value of the condition; `TimeoutError` shows what went over the wire."""
        try:
            return await asyncio.wait_for(self._core.hub.wait_until(condition), timeout)
        except TimeoutError:
            raise TimeoutError(f"not within {timeout} s:\n{self.transcript.tail(60)}") from None

    async def raw_interaction(
        self, payload: Json, *, channel: Channel, member: MemberDriver | Member | User, source: Message | None = None
    ) -> Interaction:
        """`payload` replaces keys of a well-formed INTERACTION_CREATE; `source` is the message of a component."""
        user = member if isinstance(member, User) else member.user
        return await MemberDriver(self._core, user, channel.guild).raw(payload, channel, source)

    def message_json(self, message: Message) -> Json:
        """The message as Discord would write it now."""
        return self._core.wire.message(message)

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=1024**3)
        api = Api(self._core, _ROUTES)
        for prefix in PREFIXES:
            app.router.add_route("*", prefix + "/{tail:.*}", api.serve)
        for path in (PATH, PATH + "/", RESUME_PATH, RESUME_PATH + "/"):
            app.router.add_get(path, self.gateway.serve)
        app.router.add_get("/embed/avatars/{number:[0-5]}.png", self._core.cdn.avatar)
        for folder in ("/attachments", "/ephemeral-attachments"):
            for prefix in ("", "/media"):
                app.router.add_get(prefix + folder + "/{tail:.*}", self._core.cdn.serve)
        MemberApi(self._core, self.member).add_to(app)
        app.router.add_get("/", self._root)
        if self._page is not None:
            app.router.add_static("/", self._page)
        return app

    async def _root(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.gateway.serve(request)
        if self._page is None:
            return web.Response(text="This is a local Discord without a page.")
        return web.FileResponse(self._page / "index.html", headers={"Cache-Control": "no-store"})
