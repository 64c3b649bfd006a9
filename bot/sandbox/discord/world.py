"""Guilds, channels, users: the state that Discord would keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.sandbox.clock import Clock

from .hub import Event, Hub
from .message import Message
from .permissions import NONE, PERMS_BOT, PERMS_MEMBER, Permission
from .snowflake import Snowflakes

CHANNEL_KINDS = {
    "text": 0,
    "direct": 1,
    "voice": 2,
    "category": 4,
    "announcement": 5,
    "thread": 11,
    "private_thread": 12,
    "stage": 13,
    "forum": 15,
}
_THREADS = frozenset({10, 11, 12})
_WITHOUT_MESSAGES = frozenset({4, 15, 16})
_COLORS = (0x5865F2, 0x3BA55C, 0xEB459E, 0xFAA61A, 0xED4245, 0x1ABC9C, 0x9B59B6, 0xE67E22)


@dataclass(eq=False)
class User:
    """`direct_messages` false: DMs are closed (50007). `installed`: has the application installed for itself."""

    id: int
    username: str
    global_name: str | None = None
    bot: bool = False
    color: int = 0x5865F2
    direct_messages: bool = True
    installed: bool = False
    adult: bool = True

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"


@dataclass(eq=False)
class Role:
    id: int
    name: str
    permissions: Permission = NONE
    position: int = 1
    mentionable: bool = False
    managed: bool = False


@dataclass(eq=False)
class Member:
    user: User
    guild: Guild = field(repr=False)
    roles: list[Role]
    joined_at: float
    nick: str | None = None


@dataclass(frozen=True)
class Overwrite:
    allow: Permission = NONE
    deny: Permission = NONE


@dataclass(eq=False)
class Channel:
    world: World = field(repr=False)
    id: int
    type: int
    name: str = ""
    guild: Guild | None = field(default=None, repr=False)
    parent: Channel | None = field(default=None, repr=False)
    owner: User | None = field(default=None, repr=False)
    recipients: list[User] = field(default_factory=list, repr=False)
    overwrites: dict[int, Overwrite] = field(default_factory=dict, repr=False)
    messages: dict[int, Message] = field(default_factory=dict, repr=False)
    position: int = 0
    topic: str | None = None
    nsfw: bool = False
    archived: bool = False
    locked: bool = False

    @property
    def is_thread(self) -> bool:
        return self.type in _THREADS

    @property
    def takes_messages(self) -> bool:
        return self.type not in _WITHOUT_MESSAGES

    @property
    def mention(self) -> str:
        return f"<#{self.id}>"

    def set_permissions(
        self, target: Member | Role | User, *, allow: Permission = NONE, deny: Permission = NONE
    ) -> None:
        """Replaces the overwrite for that role or member."""
        self.overwrites[_target_id(target)] = Overwrite(allow, deny)
        self.world.hub.publish(Event("CHANNEL_UPDATE", self.guild, self))

    def delete(self) -> None:
        del self.world.channels[self.id]
        name = "THREAD_DELETE" if self.is_thread else "CHANNEL_DELETE"
        self.world.hub.publish(Event(name, self.guild, self))


@dataclass(eq=False)
class Guild:
    world: World = field(repr=False)
    id: int
    name: str
    owner: User
    everyone: Role
    premium_tier: int = 0
    roles: dict[int, Role] = field(default_factory=dict, repr=False)
    members: dict[int, Member] = field(default_factory=dict, repr=False)

    @property
    def channels(self) -> list[Channel]:
        return [each for each in self.world.channels.values() if each.guild is self]

    @property
    def bot(self) -> Member | None:
        """The application's own member; None when it is not in this guild."""
        return self.members.get(self.world.bot.id)

    def add_channel(
        self,
        name: str,
        kind: str = "text",
        *,
        parent: Channel | None = None,
        overwrites: Mapping[Member | Role, Overwrite] | None = None,
        nsfw: bool = False,
        topic: str | None = None,
        channel_id: int | None = None,
    ) -> Channel:
        """A thread needs its `parent`, and has the id of the message that it hangs on.

        The overwrites stand before anybody hears of the channel.
        """
        number = CHANNEL_KINDS[kind]
        if number in _THREADS and parent is None:
            raise ValueError("a thread needs a parent channel")
        channel = Channel(
            self.world,
            channel_id or self.world.ids.next(),
            number,
            name,
            self,
            parent,
            position=len(self.channels),
            nsfw=nsfw,
            topic=topic,
        )
        channel.overwrites = {_target_id(each): overwrite for each, overwrite in (overwrites or {}).items()}
        self.world.channels[channel.id] = channel
        name = "THREAD_CREATE" if channel.is_thread else "CHANNEL_CREATE"
        self.world.hub.publish(Event(name, self, channel, data={"newly_created": True}))
        return channel

    def add_role(self, name: str, permissions: Permission = NONE, *, mentionable: bool = False) -> Role:
        role = Role(self.world.ids.next(), name, permissions, len(self.roles), mentionable)
        self.roles[role.id] = role
        self.world.hub.publish(Event("GUILD_ROLE_CREATE", self, data={"role_id": role.id}))
        return role

    def add_member(self, user: User, permissions: Permission = PERMS_MEMBER, *, roles: tuple[Role, ...] = ()) -> Member:
        """What @everyone does not already give comes by a role of the member's own."""
        given = list(roles)
        if extra := permissions & ~self.everyone.permissions:
            given.append(self.add_role(f"{user.username}'s role", extra))
        member = Member(user, self, given, self.world.clock.now())
        self.members[user.id] = member
        self.world.hub.publish(Event("GUILD_MEMBER_ADD", self, data={"user_id": user.id}))
        return member

    def add_bot(self, permissions: Permission = PERMS_BOT) -> Member:
        """Invites the application's bot; its managed role carries the permissions."""
        role = Role(self.world.ids.next(), self.world.bot.username, permissions, len(self.roles), managed=True)
        self.roles[role.id] = role
        member = Member(self.world.bot, self, [role], self.world.clock.now())
        self.members[self.world.bot.id] = member
        self.world.hub.publish(Event("GUILD_CREATE", self))
        return member

    def remove_member(self, user: User) -> None:
        """Kicks or bans; the bot too."""
        del self.members[user.id]
        name = "GUILD_DELETE" if user is self.world.bot else "GUILD_MEMBER_REMOVE"
        self.world.hub.publish(Event(name, self, data={"user_id": user.id}))


class World:
    def __init__(self, hub: Hub, ids: Snowflakes, clock: Clock, bot_username: str) -> None:
        self.hub = hub
        self.ids = ids
        self.clock = clock
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.bot = User(ids.next(), bot_username, None, bot=True)
        self.users[self.bot.id] = self.bot
        self.operator = self.add_user("operator")

    @property
    def messages(self) -> list[Message]:
        """All that still exist, oldest first."""
        found = [each for channel in self.channels.values() for each in channel.messages.values()]
        return sorted(found, key=lambda each: each.id)

    def add_user(self, username: str, global_name: str | None = None, **settings: bool) -> User:
        """`settings` are the flags of `User`."""
        color = _COLORS[len(self.users) % len(_COLORS)]
        user = User(self.ids.next(), username, global_name or username.title(), color=color, **settings)
        self.users[user.id] = user
        return user

    def add_guild(
        self,
        name: str,
        premium_tier: int = 0,
        *,
        bot_permissions: Permission | None = PERMS_BOT,
        everyone_permissions: Permission = PERMS_MEMBER,
        owner: User | None = None,
    ) -> Guild:
        """With `bot_permissions=None` the bot is not in the guild. The owner becomes a member."""
        guild_id = self.ids.next()
        everyone = Role(guild_id, "@everyone", everyone_permissions, 0)
        guild = Guild(self, guild_id, name, owner or self.operator, everyone, premium_tier, {guild_id: everyone})
        self.guilds[guild_id] = guild
        guild.add_member(guild.owner)
        if bot_permissions is not None:
            guild.add_bot(bot_permissions)
        return guild

    def direct_channel(self, user: User) -> Channel:
        """The direct messages of that user with the bot, opened when there are none."""
        for channel in self.channels.values():
            if channel.type == CHANNEL_KINDS["direct"] and user in channel.recipients:
                return channel
        channel = Channel(self, self.ids.next(), CHANNEL_KINDS["direct"], recipients=[user])
        self.channels[channel.id] = channel
        return channel

    def message(self, message_id: int) -> Message | None:
        for channel in self.channels.values():
            if message_id in channel.messages:
                return channel.messages[message_id]
        return None

    def guilds_of_bot(self) -> Iterator[Guild]:
        return (guild for guild in self.guilds.values() if guild.bot is not None)


def _target_id(target: Member | Role | User) -> int:
    return target.user.id if isinstance(target, Member) else target.id
