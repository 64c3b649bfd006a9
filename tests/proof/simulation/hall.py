"""A Discord that keeps the truth: every message that ever existed, who may notify whom, which nonces it remembers."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.proof.simulation.loop import SimClock
from tests.proof.simulation.weather import Weather
from tests.support.clock import EPOCH

BOT = 900
APPLICATION = 900
_DISCORD_EPOCH = 1_420_070_400
_ANSWER_WITHIN, _TOKEN_LIVES = 3.0, 900.0
_EPHEMERAL, _LOADING = 64, 128
_MENTION = re.compile(r"@everyone|@here|<@!?(\d+)>|<@&(\d+)>")
Json = dict[str, Any]


class Refusal(Exception):
    def __init__(self, status: int, code: int) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code


@dataclass(eq=False)
class Post:
    """A message. `texts` are all that it has ever said; `handed` files were asked for with `/show`, `put_in` ones
    came by an edit, `filled_at` is when; `in_sight`: it was written where the bot could find it again."""

    id: int
    channel: "Channel"
    at: float
    content: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    handed: dict[str, bytes] = field(default_factory=dict)
    put_in: set[str] = field(default_factory=set)
    filled_at: float = 0
    in_sight: bool = True
    components: list[Json] = field(default_factory=list)
    flags: int = 0
    nonce: str | None = None
    deleted: bool = False
    texts: list[tuple[float, str]] = field(default_factory=list)

    def as_json(self) -> Json:
        return {
            "id": str(self.id), "channel_id": str(self.channel.id), "type": 0, "content": self.content,
            "author": user(BOT, bot=True), "timestamp": "2027-01-15T08:00:00+00:00", "edited_timestamp": None,
            "tts": False, "flags": self.flags, "pinned": False, "mention_everyone": False, "mentions": [],
            "mention_roles": [], "embeds": [], "components": self.components,
            "attachments": [
                {"id": "1", "filename": name, "size": len(data), "url": "https://cdn/1", "proxy_url": "https://cdn/1"}
                for name, data in (self.files | self.handed).items()
            ],
        }  # fmt: skip


@dataclass(eq=False)
class Channel:
    """`guild` is None for direct messages. `may_read` is about older messages, which the bot may never see in a
    `blind` one; `hidden`, `refused`: the bot tried."""

    id: int
    guild: int | None
    blind: bool = False
    may_send: bool = True
    may_view: bool = True
    may_read: bool = True
    gone: bool = False
    hidden: bool = False
    refused: bool = False
    posts: dict[int, Post] = field(default_factory=dict)


@dataclass
class Called:
    """One interaction: whether the member was answered in time, and with what."""

    id: int
    token: str
    channel: Channel
    at: float
    answer: Post | None = None
    seen_failing: bool = False


def user(number: int, *, bot: bool = False) -> Json:
    return {"id": str(number), "username": f"u{number}", "discriminator": "0", "avatar": None, "bot": bot}


class Hall:
    """`happened` hears of every effect; `point` then is where the process may die, before the answer."""

    def __init__(
        self, clock: SimClock, weather: Weather, nonce_window: float, happened: Callable[[str], None],
        point: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._point = point
        self._clock, self._weather, self._window, self._happened = clock, weather, nonce_window, happened
        self._increment = itertools.count(1)
        self.channels: dict[int, Channel] = {}
        self.guilds: dict[int, set[int]] = {}
        self.posts: list[Post] = []
        self.calls: dict[str, Called] = {}
        self._nonces: dict[tuple[int, str], Post] = {}
        self.live_mentions: list[str] = []
        self.beyond_memory: set[str] = set()
        self.mistakes: list[Exception] = []

    def snowflake(self) -> int:
        passed = EPOCH + self._clock.world() - _DISCORD_EPOCH
        return (int(passed * 1000) << 22) | (next(self._increment) & 0xFFF)

    def add_guild(self, guild: int, channels: list[int]) -> None:
        """In the last of its channels the bot may not look back."""
        self.guilds[guild] = set(channels)
        for channel in channels:
            blind = channel == channels[-1]
            self.channels[channel] = Channel(channel, guild, blind, may_read=not blind)

    def direct(self, member: int) -> Channel:
        return self.channels.setdefault(10_000 + member, Channel(10_000 + member, None))

    # What a call does. Each raises Refusal.

    def open(self, channel_id: int, *, sending: bool) -> Channel:
        channel = self.channels.get(channel_id)
        if channel is None or channel.gone:
            raise Refusal(404, 10003)
        if not channel.may_view or (channel.guild is not None and channel.guild not in self.guilds):
            channel.hidden = channel.refused = True
            raise Refusal(403, 50001)
        if sending and not channel.may_send:
            channel.refused = True
            raise Refusal(403, 50007 if channel.guild is None else 50013)
        return channel

    def post(self, channel_id: int, payload: Json, files: dict[str, bytes]) -> Post:
        channel = self.open(channel_id, sending=True)
        if "message_reference" in payload and not channel.may_read:
            raise Refusal(400, 160002)
        nonce = payload.get("nonce")
        earlier = self._nonces.get((channel_id, nonce)) if nonce and payload.get("enforce_nonce") else None
        if earlier is not None and self._clock.world() - earlier.at <= self._window:
            if earlier.deleted:
                raise Refusal(404, 10008)
            return earlier
        # Guilds have filters, and people who tidy up.
        fault = self._weather.draw("channel") if channel.guild is not None else None
        if fault == "AutoMod":
            raise Refusal(400, 200000)
        if earlier is not None and earlier.deleted:
            self.beyond_memory |= set(earlier.files)
        post = self._new(channel, payload, files)
        if fault is not None and (fault == "deleted by a human") == bool(files):
            self._remove(post)
        return post

    def edit(self, channel_id: int, message_id: int, payload: Json, files: dict[str, bytes]) -> Post:
        channel = self.open(channel_id, sending=False)
        post = channel.posts.get(message_id)
        if post is None or post.deleted:
            raise Refusal(404, 10008)
        post.put_in |= files.keys()
        return self._change(post, payload, files)

    def history(self, channel_id: int, after: int, before: int | None, limit: int) -> list[Post]:
        """The oldest `limit` after that id, newest first."""
        channel = self.open(channel_id, sending=False)
        if not channel.may_read:
            channel.hidden = True
            return []
        found = [p for p in channel.posts.values() if p.id > after and not p.deleted and (not before or p.id < before)]
        return sorted(found, key=lambda post: -post.id)[-limit:]

    def read(self, channel_id: int, message_id: int) -> Post:
        channel = self.open(channel_id, sending=False)
        if not channel.may_read:
            raise Refusal(403, 50001)
        post = channel.posts.get(message_id)
        if post is None or post.deleted:
            raise Refusal(404, 10008)
        return post

    def answer(self, token: str, kind: int, payload: Json) -> Post | None:
        """An interaction's first answer."""
        called = self.calls[token]
        if called.seen_failing or self._clock.world() - called.at > _ANSWER_WITHIN:
            called.seen_failing = True
            raise Refusal(404, 10062)
        if called.answer is not None:
            raise Refusal(400, 40060)
        if kind not in (4, 5):
            raise Refusal(400, 50035)
        if kind == 5:
            payload = {"flags": payload.get("flags", 0) | _LOADING, "content": ""}
        called.answer = self._new(called.channel, payload, {})
        return called.answer

    def original(self, token: str) -> Post:
        called = self.calls[token]
        if self._clock.world() - called.at > _TOKEN_LIVES:
            raise Refusal(401, 50027)
        if called.answer is None or called.answer.deleted:
            raise Refusal(404, 10008)
        return called.answer

    def edit_original(self, token: str, payload: Json, files: dict[str, bytes]) -> Post:
        post = self.original(token)
        post.flags &= ~_LOADING
        post.handed |= files
        return self._change(post, payload, {})

    def follow_up(self, token: str, payload: Json, files: dict[str, bytes]) -> Post:
        self.original(token)
        post = self._new(self.calls[token].channel, payload, {})
        post.handed |= files
        return post

    # How messages come to be

    def _new(self, channel: Channel, payload: Json, files: dict[str, bytes]) -> Post:
        post = Post(self.snowflake(), channel, self._clock.world(), flags=payload.get("flags", 0))
        post.nonce, post.in_sight = payload.get("nonce"), channel.may_read
        self.posts.append(post)
        if not post.flags & _EPHEMERAL:
            channel.posts[post.id] = post
        if post.nonce is not None:
            self._nonces[channel.id, post.nonce] = post
        return self._change(post, payload, files)

    def _change(self, post: Post, payload: Json, files: dict[str, bytes]) -> Post:
        self._check_mentions(payload)
        post.content = payload.get("content") or ""
        post.components = payload.get("components") or []
        post.files |= files
        post.filled_at = self._clock.world() if files else post.filled_at
        post.texts.append((self._clock.world(), post.content))
        self._happened(f"discord {post.channel.id} {post.id} {','.join(files)} {post.content}")
        self._point(f"outside:discord {'film' if files else 'words' if len(post.texts) == 1 else 'edit'}")
        return post

    def remove(self, post: Post) -> None:
        if not post.deleted:
            self._remove(post)

    def _remove(self, post: Post) -> None:
        post.deleted = True
        self._happened(f"removed {post.id}")

    def _check_mentions(self, payload: Json) -> None:
        """Code is no mention; everything else that Discord would resolve is live when it is allowed to notify."""
        allowed = payload.get("allowed_mentions")
        content = re.sub(r"```.*?```|`[^`]*`", "", payload.get("content") or "", flags=re.DOTALL)
        kinds = set(allowed.get("parse", ())) if allowed is not None else {"everyone", "roles", "users"}
        users = {int(each) for each in (allowed or {}).get("users", ())}
        if not content:
            return
        if len(users) > 1 or kinds:
            self.live_mentions.append(f"{kinds} {users}")
        for found in _MENTION.finditer(content):
            member, role = found[1], found[2]
            if role or not member:
                self.live_mentions.append(found[0])
