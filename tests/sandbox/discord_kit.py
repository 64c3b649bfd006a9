"""An unmodified discord.py bot, a bare HTTP client and a bare gateway client for the tests of the local Discord."""

import asyncio
import contextlib
import io
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import discord as py
import yarl
from discord import app_commands
from PIL import Image

from bot.sandbox.discord import (
    Channel,
    Guild,
    Interaction,
    ManualClock,
    MemberDriver,
    Permission,
    SandboxDiscord,
    SandboxOptions,
    Upload,
)

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.sandbox.token"


def png(width: int = 8, height: int = 6) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(target, "PNG")
    return target.getvalue()


@contextlib.contextmanager
def pointed_at(discord: SandboxDiscord) -> Iterator[None]:
    """discord.py has no setting for where Discord is; these two class attributes are the places.

    The gateway's is needed too: after an invalid session it does not ask /gateway/bot again.
    """
    before = py.http.Route.BASE, py.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    py.http.Route.BASE = discord.api_url
    py.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(discord.gateway.url)
    try:
        yield
    finally:
        py.http.Route.BASE, py.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before


@contextlib.asynccontextmanager
async def discord_py(
    discord: SandboxDiscord, build: Callable[[app_commands.CommandTree[py.AutoShardedClient]], None], **settings: Any
) -> AsyncIterator[py.AutoShardedClient]:
    """A running bot whose commands are synced."""
    bot = py.AutoShardedClient(intents=settings.pop("intents", py.Intents.default()), **settings)
    tree = app_commands.CommandTree(bot)
    build(tree)

    async def sync() -> None:
        await tree.sync()

    bot.setup_hook = sync  # type: ignore[method-assign]
    with pointed_at(discord):
        running = asyncio.create_task(bot.start(discord.bot_token))
        try:
            await discord.until(lambda: discord.gateway.online or running.done())
            yield bot
        finally:
            await bot.close()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> int:
        return int(self.body["code"])

    def reasons(self) -> set[str]:
        """The codes in the tree of a 50035, each behind its path: "content: BASE_TYPE_MAX_LENGTH"."""
        return set(_leaves(self.body["errors"], ""))


def _leaves(tree: dict[str, Any], path: str) -> Iterator[str]:
    for key, value in tree.items():
        if key == "_errors":
            yield from (f"{path}: {each['code']}" for each in value)
        else:
            yield from _leaves(value, f"{path}.{key}".strip("."))


@dataclass
class Stage:
    """One guild, one channel, two people, and the application's own token."""

    discord: SandboxDiscord
    session: aiohttp.ClientSession
    guild: Guild
    channel: Channel
    alice: MemberDriver
    moderator: MemberDriver
    sockets: list["Gateway"] = field(default_factory=list)

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.discord.options.clock, ManualClock)
        return self.discord.options.clock

    @property
    def application(self) -> int:
        return self.discord.world.bot.id

    @property
    def bot_member(self) -> Any:
        assert self.guild.bot is not None
        return self.guild.bot

    async def rest(
        self, method: str, path: str, body: Any = None, files: tuple[Upload, ...] = (), token: str | None = TOKEN
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bot {token}"}
        sent: dict[str, Any] = {"json": body} if body is not None else {}
        if files:
            form = aiohttp.FormData()
            for number, each in enumerate(files):
                form.add_field(f"files[{number}]", io.BytesIO(each.data), filename=each.filename)
            form.add_field("payload_json", json.dumps(body or {}))
            sent = {"data": form}
        async with self.session.request(method, self.discord.api_url + path, headers=headers, **sent) as reply:
            raw = await reply.read()
            parsed = json.loads(raw) if raw else None
            return Answer(reply.status, parsed, dict(reply.headers))

    async def send(self, body: Any, *files: Upload) -> Answer:
        return await self.rest("POST", f"/channels/{self.channel.id}/messages", body, files)

    async def register(self, *commands: dict[str, Any]) -> Answer:
        filled = [{"description": "A command", **each} for each in commands]
        return await self.rest("PUT", f"/applications/{self.application}/commands", filled)

    async def opened(self, acting: Any) -> tuple["asyncio.Task[Interaction]", Interaction]:
        """Starts what a member does, and gives the interaction that the bot would now have to answer."""
        before = len(self.discord.interactions)
        task = asyncio.ensure_future(acting)
        heard = asyncio.ensure_future(self.discord.until(lambda: len(self.discord.interactions) > before))
        await asyncio.wait({heard, task}, return_when=asyncio.FIRST_COMPLETED)
        heard.cancel()
        assert not task.done(), task.result()
        return task, self.discord.interactions[-1]

    async def slash(self, name: str = "go", **options: Any) -> tuple["asyncio.Task[Interaction]", Interaction]:
        return await self.opened(self.alice.slash(self.channel, name, **options))

    async def callback(self, to: Interaction, kind: int, data: Any = None, *files: Upload) -> Answer:
        body = {"type": kind} | ({"data": data} if data is not None else {})
        return await self.rest("POST", f"/interactions/{to.id}/{to.token}/callback", body, files, token=None)

    def webhook(self, to: Interaction, message: str = "") -> str:
        path = f"/webhooks/{self.application}/{to.token}"
        return f"{path}/messages/{message}" if message else path

    async def gateway(self, query: str = "v=10&encoding=json", **identify: Any) -> "Gateway":
        """Connected; identified too when anything is given to identify with."""
        socket = await self.session.ws_connect(self.discord.gateway.url + "?" + query)
        gateway = Gateway(socket, "compress" in query)
        self.sockets.append(gateway)
        if identify:
            await gateway.identify(**identify)
        return gateway


class Gateway:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse, compressed: bool) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj() if compressed else None

    async def send(self, op: int, data: Any) -> None:
        await self.socket.send_str(json.dumps({"op": op, "d": data}))

    async def identify(self, **changes: Any) -> None:
        await self.send(2, {"token": TOKEN, "intents": 1, "properties": {}} | changes)

    async def receive(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=5)
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
            return {"closed": self.socket.close_code}
        raw = message.data if self._inflate is None else self._inflate.decompress(message.data)
        frame: dict[str, Any] = json.loads(raw)
        return frame

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of that name; whatever comes before it is passed over."""
        while True:
            frame = await self.receive()
            assert "closed" not in frame, frame
            if frame["t"] == name:
                return frame

    async def close_code(self) -> int | None:
        while True:
            frame = await self.receive()
            if "closed" in frame:
                return int(frame["closed"])


@contextlib.asynccontextmanager
async def stage(page: Any = None, **options: Any) -> AsyncIterator[Stage]:
    """Time stands still unless a clock is given."""
    options.setdefault("clock", ManualClock())
    async with SandboxDiscord(TOKEN, SandboxOptions(**options), page) as discord, aiohttp.ClientSession() as session:
        guild = discord.world.add_guild("Film Club")
        channel = guild.add_channel("general")
        alice, mona = discord.world.add_user("alice"), discord.world.add_user("mona")
        guild.add_member(alice)
        guild.add_member(mona, SandboxDiscord.PERMS_MODERATOR)
        made = Stage(discord, session, guild, channel, discord.member("alice", guild), discord.member("mona", guild))
        yield made
        for each in made.sockets:
            await each.socket.close()


__all__ = ["TOKEN", "Answer", "Gateway", "Permission", "Stage", "discord_py", "png", "pointed_at", "stage"]
