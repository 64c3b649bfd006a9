"""A message, its files, and what can be read off it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interaction import Interaction
    from .world import Channel, Role, User

Json = dict[str, Any]


class Flag(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_VOICE_MESSAGE = 1 << 13
    IS_COMPONENTS_V2 = 1 << 15


class MessageType(IntEnum):
    DEFAULT = 0
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    CONTEXT_MENU_COMMAND = 23


@dataclass(frozen=True)
class Upload:
    """A file on its way in; the media type is read from the bytes, whatever the sender says."""

    filename: str
    data: bytes = field(repr=False)


@dataclass(eq=False)
class Attachment:
    id: int
    filename: str
    data: bytes = field(repr=False)
    sha256: str
    content_type: str | None
    folder: str
    width: int | None = None
    height: int | None = None
    ephemeral: bool = False
    description: str | None = None
    title: str | None = None
    spoiler: bool = False

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(eq=False)
class Message:
    """`notified` are the users whom this message really pinged; `mentions` are those it names."""

    id: int
    channel: Channel
    author: User
    at: float
    content: str = ""
    type: MessageType = MessageType.DEFAULT
    flags: Flag = field(default=Flag(0))
    tts: bool = False
    nonce: str | int | None = None
    embeds: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    poll: Json | None = None
    mentions: list[User] = field(default_factory=list)
    mention_roles: list[Role] = field(default_factory=list)
    mention_everyone: bool = False
    notified: list[User] = field(default_factory=list)
    reference: Json | None = None
    referenced: Message | None = None
    interaction: Interaction | None = None
    visible_to: User | None = None
    reactions: dict[str, list[User]] = field(default_factory=dict)
    edited_at: float | None = None
    deleted: bool = False
    pinned: bool = False

    @property
    def ephemeral(self) -> bool:
        return Flag.EPHEMERAL in self.flags

    @property
    def loading(self) -> bool:
        return Flag.LOADING in self.flags

    @property
    def buttons(self) -> list[Json]:
        return [each for each in walk(self.components) if each["type"] == 2]

    @property
    def text(self) -> str:
        """All that a reader sees: content, embeds and text displays, one per line."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [embed.get("title", ""), embed.get("description", "")]
            parts += [f"{each['name']}: {each['value']}" for each in embed.get("fields", ())]
            parts.append(embed.get("footer", {}).get("text", ""))
        parts += [each["content"] for each in walk(self.components) if each["type"] == 10]
        return "\n".join(part for part in parts if part)


def walk(components: list[Json]) -> Iterator[Json]:
    """Every component of a tree, in the order in which Discord numbers them."""
    for each in components:
        yield each
        yield from walk(each.get("components", []))
        for key in ("accessory", "component"):
            if isinstance(each.get(key), dict):
                yield from walk([each[key]])
