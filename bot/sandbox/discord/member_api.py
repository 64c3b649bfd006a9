"""The members' side over HTTP, for the page (docs/sandbox.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from .core import Core
from .errors import ApiError
from .hub import Event
from .interaction import Interaction
from .member import MemberDriver
from .message import Json, Message
from .multipart import read_body
from .options import MIB
from .permissions import Permission, in_guild
from .picker import Refused
from .world import Channel, Guild, User

_Driver = Callable[[User, Guild | None], MemberDriver]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LOCAL = frozenset({"127.0.0.1", "::1"})
_LIMIT = 200 * MIB


class MemberApi:
    def __init__(self, core: Core, driver: _Driver) -> None:
        self._core = core
        self._driver = driver
        self._sockets: set[web.WebSocketResponse] = set()

    def add_to(self, app: web.Application) -> None:
        routes: list[tuple[str, str, _Handler]] = [
            ("GET", "/world", self._world),
            ("GET", "/channels/{channel}/messages", self._messages),
            ("GET", "/dms", self._direct),
            ("GET", "/guilds/{guild}/commands", self._commands),
            ("GET", "/dms/commands", self._direct_commands),
            ("POST", "/channels/{channel}/command", self._command),
            ("POST", "/channels/{channel}/complete", self._complete),
            ("POST", "/channels/{channel}/say", self._say),
            ("POST", "/messages/{message}/component", self._component),
            ("DELETE", "/messages/{message}", self._delete),
            ("POST", "/modals/{interaction}", self._modal),
            ("GET", "/events", self._events),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, "/sandbox" + path, _guarded(handler))
        app.on_shutdown.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        for socket in list(self._sockets):
            await socket.close(code=1001)

    async def _world(self, _request: web.Request) -> web.StreamResponse:
        world = self._core.world
        users = [
            {
                "id": str(each.id),
                "username": each.username,
                "global_name": each.global_name,
                "bot": each.bot,
                "color": f"#{each.color:06x}",
            }
            for each in world.users.values()
        ]
        bot = {"id": str(world.bot.id), "online": self._core.gateway.online}
        return _json({"users": users, "guilds": [_guild(each) for each in world.guilds.values()], "bot": bot})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        channel = self._channel(request)
        member = self._member(request, channel.guild)
        if not member.sees_channel(channel):
            raise Refused("this member does not see that channel")
        return _json([self._shown(each) for each in member.messages(channel)])

    async def _direct(self, request: web.Request) -> web.StreamResponse:
        member = self._member(request, None)
        channel = member.direct
        return _json([{"channel_id": str(channel.id), "messages": [self._shown(m) for m in member.messages(channel)]}])

    async def _commands(self, request: web.Request) -> web.StreamResponse:
        guild = self._core.world.guilds.get(_number(request.match_info["guild"]))
        if guild is None:
            raise Refused("there is no such guild")
        member = self._member(request, guild)
        wanted = request.query.get("channel")
        channels = [each for each in guild.channels if wanted in (None, str(each.id)) and each.takes_messages]
        offered = {each["id"]: each for channel in channels for each in member.commands(channel)}
        return _json(list(offered.values()))

    async def _direct_commands(self, request: web.Request) -> web.StreamResponse:
        member = self._member(request, None)
        return _json(member.commands(member.direct))

    async def _command(self, request: web.Request) -> web.StreamResponse:
        body = await read_body(request, _LIMIT, payload="payload")
        channel = self._channel(request)
        given = _object(body.json)
        options = _object(given.get("options", {})) | body.parts
        member = self._member(request, channel.guild)
        return self._interaction(await member.invoke(channel, str(given.get("name", "")), options))

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        given = _object((await read_body(request, MIB)).json)
        channel = self._channel(request)
        member = self._member(request, channel.guild)
        options = _object(given.get("options", {}))
        found = await member.choices(channel, str(given.get("name", "")), str(given.get("focused", "")), options)
        return _json({"choices": found})

    async def _component(self, request: web.Request) -> web.StreamResponse:
        given = _object((await read_body(request, MIB)).json)
        message = self._message(request)
        member = self._member(request, message.channel.guild)
        custom_id = str(given.get("custom_id", ""))
        if "values" in given:
            return self._interaction(await member.select(message, custom_id, list(given["values"])))
        return self._interaction(await member.press(message, custom_id))

    async def _modal(self, request: web.Request) -> web.StreamResponse:
        body = await read_body(request, _LIMIT, payload="payload")
        opened = self._core.interactions.by_id.get(_number(request.match_info["interaction"]))
        if opened is None or opened.modal is None:
            raise Refused("there is no such dialog")
        member = self._member(request, opened.guild)
        values = _object(_object(body.json).get("values", {})) | body.parts
        return self._interaction(await member.submit_modal(opened.modal, values))

    async def _say(self, request: web.Request) -> web.StreamResponse:
        given = _object((await read_body(request, MIB)).json)
        channel = self._channel(request)
        member = self._member(request, channel.guild)
        message = await member.say(channel, str(given.get("content", "")))
        return _json({"message": self._shown(message)})

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        message = self._message(request)
        self._member(request, message.channel.guild).delete(message)
        return _json({})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        member = self._member(request, None)
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        self._sockets.add(socket)
        queue: asyncio.Queue[Json] = asyncio.Queue()
        stop = self._core.hub.listen(lambda event: self._tell(event, member, queue))
        sender = asyncio.create_task(_forward(queue, socket))
        try:
            async for frame in socket:
                if frame.type is WSMsgType.ERROR:
                    break
        finally:
            stop()
            sender.cancel()
            self._sockets.discard(socket)
        return socket

    def _tell(self, event: Event, member: MemberDriver, queue: asyncio.Queue[Json]) -> None:
        if event.name == "BOT":
            queue.put_nowait({"type": "bot", "online": self._core.gateway.online})
        elif event.name == "COMMANDS":
            queue.put_nowait({"type": "commands"})
        elif event.message is not None and member.sees(event.message):
            queue.put_nowait({"type": event.name.lower(), "message": self._shown(event.message)})

    def _shown(self, message: Message) -> Json:
        """A Discord message object; `channel` and `notified` are for the page."""
        return self._core.wire.message(message) | {"notified": [str(each.id) for each in message.notified]}

    def _interaction(self, value: Interaction) -> web.Response:
        message = None if value.message is None else self._shown(value.message)
        return _json({"interaction": value.summary() | {"message": message}})

    def _channel(self, request: web.Request) -> Channel:
        channel = self._core.world.channels.get(_number(request.match_info["channel"]))
        if channel is None:
            raise Refused("there is no such channel")
        return channel

    def _message(self, request: web.Request) -> Message:
        message = self._core.world.message(_number(request.match_info["message"]))
        if message is None:
            raise Refused("there is no such message")
        return message

    def _member(self, request: web.Request, guild: Guild | None) -> MemberDriver:
        user = self._core.world.users.get(_number(request.query.get("as", "")))
        if user is None or user.bot:
            raise Refused("name the acting member with ?as=<user id>")
        try:
            return self._driver(user, guild)
        except LookupError as error:
            raise Refused(str(error)) from None


async def _forward(queue: asyncio.Queue[Json], socket: web.WebSocketResponse) -> None:
    while True:
        try:
            await socket.send_str(json.dumps(await queue.get()))
        except ConnectionError:
            return


def _guild(guild: Guild) -> Json:
    channels = [
        {
            "id": str(each.id),
            "name": each.name,
            "type": each.type,
            "parent_id": str(each.parent.id) if each.parent else None,
        }
        for each in guild.channels
    ]
    members = [
        {"user_id": str(each.user.id), "moderator": Permission.MANAGE_GUILD in in_guild(each)}
        for each in guild.members.values()
    ]
    return {"id": str(guild.id), "name": guild.name, "channels": channels, "members": members}


def _guarded(handler: _Handler) -> _Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.remote not in _LOCAL:
            return _json({"error": "Only this machine may act as a member."}, 403)
        if _is_foreign(request):
            return _json({"error": "Another site's page may not act as a member."}, 403)
        try:
            return await handler(request)
        except Refused as error:
            return _json({"error": str(error)}, 400)
        except ApiError as error:
            return _json({"error": error.message}, error.status)

    return answer


def _is_foreign(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(value).encode(), content_type="application/json")


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 22 else 0


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise Refused("a JSON object is wanted")
    return value
