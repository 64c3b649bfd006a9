"""The gateway, version 10 (events/gateway)."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable

from aiohttp import WSMessage, WSMsgType, web

from . import wire
from .faults import Fault
from .gateway_events import dispatch_of
from .gateway_session import Connection, Session
from .hub import Event, Hub
from .interaction import Interaction
from .message import Json
from .message_wire import MessageWire
from .options import SandboxOptions
from .transcript import Entry, Transcript
from .world import World

PATH, RESUME_PATH = "/gateway", "/gateway/resume"
_PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15)
_KNOWN_INTENTS = sum(1 << each for each in (*range(17), 20, 21, 24, 25))
_MAX_FRAME = 4096
_FRAMES, _FRAMES_IN = 120, 60.0
_DAY = 86_400.0
# A client that was silent for so many intervals is taken for dead.
_BEATS = 2
_ENDED = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


class Gateway:
    def __init__(
        self,
        bot_token: str,
        options: SandboxOptions,
        world: World,
        messages: MessageWire,
        hub: Hub,
        transcript: Transcript,
        complain: Callable[[str], None],
    ) -> None:
        self.url = ""
        self._token = bot_token
        self._options = options
        self._clock = options.clock
        self._world = world
        self._messages = messages
        self._hub = hub
        self._transcript = transcript
        self._complain = complain
        self._sessions: dict[str, Session] = {}
        self._identified: dict[int, deque[float]] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        hub.listen(self._hear)

    @property
    def online(self) -> bool:
        return any(each.connection is not None for each in self._sessions.values())

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    def start_limit(self) -> Json:
        used = sum(each > self._clock.now() - _DAY for times in self._identified.values() for each in times)
        return {
            "total": self._options.identifies_per_day,
            "remaining": max(0, self._options.identifies_per_day - used),
            "reset_after": 14_400_000,
            "max_concurrency": self._options.max_concurrency,
        }

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=64 * 1024, autoping=True)
        await socket.prepare(request)
        self._sockets.add(socket)
        compressed = request.query.get("compress") == "zlib-stream"
        connection = Connection(socket, request.transport, compressed=compressed)
        writer = asyncio.create_task(connection.write())
        try:
            await self._talk(request, socket, connection)
        finally:
            self._sockets.discard(socket)
            self._lose(connection)
            connection.close(1000)
            await asyncio.wait([writer], timeout=1)
            writer.cancel()
        return socket

    async def stop(self) -> None:
        for session in self._sessions.values():
            if session.connection:
                session.connection.close(1001)
        for socket in list(self._sockets):
            await socket.close(code=1001)

    def send_interaction(self, interaction: Interaction, payload: Json) -> bool:
        """False when no connected session would get it."""
        guild_id = interaction.guild.id if interaction.guild else None
        heard = False
        for session in self._sessions.values():
            if session.valid and session.sees(guild_id):
                self._send(session, "INTERACTION_CREATE", payload)
                heard = heard or session.connection is not None
        return heard

    def inflict(self, fault: Fault) -> None:
        for session in self._sessions.values():
            connection = session.connection
            if connection is None:
                continue
            if fault.gateway == "drop":
                connection.abort()
            elif fault.gateway == "reconnect":
                connection.send(7)
            elif fault.gateway == "garbage":
                connection.garble()
            else:
                session.valid = fault.gateway == "invalid_resumable"
                connection.send(9, session.valid)

    async def _talk(self, request: web.Request, socket: web.WebSocketResponse, connection: Connection) -> None:
        wrong = self._wrong_query(request)
        if wrong:
            connection.close(wrong)
            return
        connection.send(10, {"heartbeat_interval": int(self._options.heartbeat_interval * 1000), "_trace": []})
        times: deque[float] = deque(maxlen=_FRAMES + 1)
        while True:
            try:
                message = await socket.receive(self._options.heartbeat_interval * _BEATS)
            except TimeoutError:
                connection.close(4009)
                return
            if message.type in _ENDED:
                return
            times.append(self._clock.now())
            if len(times) > _FRAMES and times[0] > times[-1] - _FRAMES_IN:
                connection.close(4008)
                return
            frame = self._parse(message)
            if frame is None:
                connection.close(4002)
                return
            self._take(frame, connection)

    def _wrong_query(self, request: web.Request) -> int | None:
        query = request.query
        for name in set(query) - {"v", "encoding", "compress"}:
            self._complain(f"unknown gateway query {name}")
        if query.get("v") not in ("9", "10"):
            return 4012
        if query.get("encoding", "json") != "json" or query.get("compress", "zlib-stream") != "zlib-stream":
            self._complain(f"unsupported gateway query {dict(query)}")
            return 4002
        return None

    def _parse(self, message: WSMessage) -> Json | None:
        if message.type is not WSMsgType.TEXT or len(message.data.encode()) > _MAX_FRAME:
            return None
        try:
            frame = json.loads(message.data)
        except ValueError:
            return None
        if not isinstance(frame, dict) or not isinstance(frame.get("op"), int):
            return None
        return frame

    def _take(self, frame: Json, connection: Connection) -> None:
        op, data = frame["op"], frame.get("d")
        self._transcript.append(Entry("from_bot", self._clock.now(), event=f"op {op}", body=_redacted(data)))
        session = self._session_of(connection)
        if op == 1:
            connection.send(11)
        elif op == 2 and session is not None:
            connection.close(4005)
        elif op == 2:
            self._identify(data, connection)
        elif op == 6:
            self._resume(data, connection)
        elif session is None:
            connection.close(4003)
        elif op == 8:
            self._members(data, session)
        elif op not in (3, 4):
            self._complain(f"unknown gateway opcode {op}")
            connection.close(4001)

    def _identify(self, data: object, connection: Connection) -> None:
        if not isinstance(data, dict) or not isinstance(data.get("properties"), dict):
            connection.close(4002)
            return
        if code := self._refusal(data):
            connection.close(code)
            return
        shard = tuple(data.get("shard") or (0, 1))
        if self._too_soon(shard[0]):
            connection.send(9, False)
            return
        session = Session(secrets.token_hex(16), data["intents"], shard, "shard" in data, connection)
        self._sessions[session.id] = session
        self._greet(session)

    def _refusal(self, data: Json) -> int | None:
        token, intents, shard = data.get("token"), data.get("intents"), data.get("shard")
        if not isinstance(token, str) or token.removeprefix("Bot ") != self._token:
            return 4004
        if not isinstance(intents, int) or intents < 0 or intents & ~_KNOWN_INTENTS:
            return 4013
        if intents & _PRIVILEGED & ~self._options.privileged_intents:
            return 4014
        if shard is not None and not _is_shard(shard):
            return 4010
        return None

    def _too_soon(self, shard: int) -> bool:
        times = self._identified.setdefault(shard % self._options.max_concurrency, deque(maxlen=2000))
        now = self._clock.now()
        early = bool(times) and now - times[-1] < self._options.identify_every
        none_left = self.start_limit()["remaining"] == 0
        times.append(now)
        return early or none_left

    def _greet(self, session: Session) -> None:
        guilds = [each for each in self._world.guilds_of_bot() if session.sees(each.id)]
        ready: Json = {
            "v": 10,
            "user": wire.user(self._world.bot) | {"verified": True, "mfa_enabled": False, "email": None},
            "guilds": [{"id": str(each.id), "unavailable": True} for each in guilds],
            "private_channels": [],
            "session_id": session.id,
            "resume_gateway_url": self.url.removesuffix(PATH + "/") + RESUME_PATH + "/",
            "session_type": "normal",
            "application": {"id": str(self._world.bot.id), "flags": 0},
        }
        if session.sharded:
            ready["shard"] = list(session.shard)
        self._send(session, "READY", ready)
        with_members = bool(session.intents & (1 << 1))
        if session.intents & 1:
            for guild in guilds:
                self._send(session, "GUILD_CREATE", wire.guild_create(guild, with_members=with_members))
        self._hub.publish(Event("BOT", data={"online": True}))

    def _resume(self, data: object, connection: Connection) -> None:
        data = data if isinstance(data, dict) else {}
        if str(data.get("token", "")).removeprefix("Bot ") != self._token:
            connection.close(4004)
            return
        session = self._sessions.get(str(data.get("session_id")))
        lost = session.lost_at if session else None
        late = lost is not None and self._clock.now() - lost > self._options.resume_window
        if session is None or not session.valid or late:
            connection.send(9, False)
            return
        seq = data.get("seq")
        if not isinstance(seq, int) or not session.can_replay(seq):
            connection.close(4007)
            return
        session.connection, session.lost_at = connection, None
        session.replay(seq)
        self._send(session, "RESUMED", {"_trace": []})
        self._hub.publish(Event("BOT", data={"online": True}))

    def _members(self, data: object, session: Session) -> None:
        if not isinstance(data, dict):
            return
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None or not session.intents & (1 << 1):
            return
        chunk: Json = {
            "guild_id": str(guild.id),
            "members": [wire.member(each) for each in guild.members.values()],
            "chunk_index": 0,
            "chunk_count": 1,
        }
        self._send(session, "GUILD_MEMBERS_CHUNK", chunk | {k: data[k] for k in ("nonce",) if k in data})

    def _hear(self, event: Event) -> None:
        for session in self._sessions.values():
            told = dispatch_of(event, session, self._messages, self._world.bot)
            if told is not None and session.valid:
                self._send(session, *told)

    def _send(self, session: Session, name: str, data: Json) -> None:
        self._transcript.append(Entry("to_bot", self._clock.now(), event=name, body=data))
        session.dispatch(name, data)

    def _session_of(self, connection: Connection) -> Session | None:
        return next((each for each in self._sessions.values() if each.connection is connection), None)

    def _lose(self, connection: Connection) -> None:
        """A dead session is kept as long as it may be resumed."""
        now = self._clock.now()
        if session := self._session_of(connection):
            session.connection, session.lost_at = None, now
            self._hub.publish(Event("BOT", data={"online": self.online}))
        self._sessions = {
            key: each
            for key, each in self._sessions.items()
            if each.connection or (each.valid and now - (each.lost_at or now) <= self._options.resume_window)
        }


def _is_shard(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(each, int) for each in value):
        return False
    return bool(0 <= value[0] < value[1])


def _redacted(data: object) -> object:
    return data | {"token": "..."} if isinstance(data, dict) and "token" in data else data
