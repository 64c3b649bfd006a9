"""Interactions: deadlines, tokens, callbacks and follow-ups (interactions/receiving-and-responding)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from bot.sandbox.clock import Clock

from .command_rules import check_choice
from .components import ComponentRules
from .errors import Problems, refuse
from .hub import Hub
from .interaction import NO_ANSWER, Callback, Interaction, Kind, Modal
from .message import Flag, Json, Message, MessageType, Upload
from .message_rules import EDIT, RESPONSE, UPDATE
from .messages import Messages, reply_to
from .options import SandboxOptions
from .permissions import Permission, in_channel
from .snowflake import Snowflakes
from .world import Channel, User, World

_FOLLOW_UPS_OF_USER_INSTALL = 5
_ANSWERS: dict[Kind, frozenset[Callback]] = {
    Kind.COMMAND: frozenset({Callback.MESSAGE, Callback.DEFERRED_MESSAGE, Callback.MODAL}),
    Kind.AUTOCOMPLETE: frozenset({Callback.CHOICES}),
    Kind.COMPONENT: frozenset(
        {Callback.MESSAGE, Callback.DEFERRED_MESSAGE, Callback.DEFERRED_UPDATE, Callback.UPDATE, Callback.MODAL}
    ),
    Kind.MODAL_SUBMIT: frozenset(
        {Callback.MESSAGE, Callback.DEFERRED_MESSAGE, Callback.DEFERRED_UPDATE, Callback.UPDATE}
    ),
}


class Interactions:
    def __init__(
        self,
        world: World,
        messages: Messages,
        hub: Hub,
        ids: Snowflakes,
        clock: Clock,
        options: SandboxOptions,
        complain: Callable[[str], None],
    ) -> None:
        self._world = world
        self._messages = messages
        self._hub = hub
        self._ids = ids
        self._clock = clock
        self._options = options
        self._complain = complain
        self._by_token: dict[str, Interaction] = {}
        self.by_id: dict[int, Interaction] = {}

    def open(
        self,
        kind: Kind,
        user: User,
        channel: Channel,
        data: Json,
        *,
        command: str = "",
        source: Message | None = None,
        parent: Interaction | None = None,
    ) -> Interaction:
        owners = self._owners(user, channel)
        interaction = Interaction(
            self._ids.next(),
            secrets.token_urlsafe(64),
            kind,
            user,
            channel,
            self._clock.now(),
            owners,
            data,
            command,
            source,
            parent,
        )
        self._by_token[interaction.token] = interaction
        self.by_id[interaction.id] = interaction
        self._hub.touch()
        return interaction

    def _owners(self, user: User, channel: Channel) -> dict[str, str]:
        owners = {}
        if channel.guild is None:
            owners["0"] = "0"
        elif channel.guild.bot is not None:
            owners["0"] = str(channel.guild.id)
        if user.installed:
            owners["1"] = str(user.id)
        return owners

    def file_limit(self, interaction: Interaction) -> int:
        guild = interaction.guild
        return self._options.limit_for(guild.premium_tier if guild else 0)

    def expire(self, interaction: Interaction) -> None:
        """The deadline has passed: the client says so, and the token is worth nothing."""
        if interaction.response is None:
            interaction.refusal = NO_ANSWER
            self._hub.touch()

    async def answer(self, interaction_id: int, token: str, body: Json, files: dict[int, Upload]) -> Interaction:
        """The initial response. Raises 10062 when late, 40060 when not the first."""
        interaction = self._by_token.get(token)
        if interaction is None or interaction.id != interaction_id:
            raise refuse(10062)
        if interaction.response is not None:
            raise refuse(40060)
        after = self._clock.now() - interaction.created_at
        if after > self._options.deadline or interaction.refusal is not None:
            raise refuse(10062)
        callback = self._callback(interaction, body)
        data = body.get("data") or {}
        interaction.response = body
        try:
            await self._perform(interaction, callback, data, files)
        except BaseException:
            interaction.response = None
            self._hub.touch()
            raise
        interaction.type = callback
        interaction.acknowledged_after = after
        self._hub.touch()
        return interaction

    def _callback(self, interaction: Interaction, body: Json) -> Callback:
        problems = Problems(self._complain)
        problems.fields(body, frozenset({"type", "data"}))
        problems.check()
        allowed = set(_ANSWERS[interaction.kind])
        if interaction.kind is Kind.MODAL_SUBMIT and interaction.source is None:
            allowed -= {Callback.DEFERRED_UPDATE, Callback.UPDATE}
        if body.get("type") not in {int(each) for each in allowed}:
            words = ", ".join(str(int(each)) for each in sorted(allowed))
            problems.add(("type",), "BASE_TYPE_CHOICES", f"Value must be one of ({words}).")
        problems.check()
        return Callback(body["type"])

    async def _perform(
        self, interaction: Interaction, callback: Callback, data: Json, files: dict[int, Upload]
    ) -> None:
        problems = Problems(self._complain, ("data",))
        match callback:
            case Callback.MESSAGE:
                await self._reply(interaction, data, files, problems)
            case Callback.DEFERRED_MESSAGE:
                self._defer(interaction, data, problems)
            case Callback.DEFERRED_UPDATE:
                interaction.original = interaction.source
            case Callback.UPDATE:
                await self._update(interaction, data, files, problems)
            case Callback.CHOICES:
                interaction.choices = self._choices(interaction, data, problems)
            case Callback.MODAL:
                interaction.modal = self._modal(interaction, data, problems)
            case Callback.PONG:
                raise refuse(50109)

    async def _reply(self, interaction: Interaction, data: Json, files: dict[int, Upload], problems: Problems) -> None:
        blank = self._blank(interaction)
        if self._only_for_the_member(interaction, data):
            blank.flags |= Flag.EPHEMERAL
            blank.visible_to = interaction.user
        interaction.original = await self._messages.create(
            blank, data, files, shape=RESPONSE, problems=problems, file_limit=self.file_limit(interaction)
        )

    async def _update(self, interaction: Interaction, data: Json, files: dict[int, Upload], problems: Problems) -> None:
        if interaction.source is None or interaction.source.deleted:
            raise refuse(10008)
        limit = self.file_limit(interaction)
        await self._messages.edit(interaction.source, data, files, shape=UPDATE, problems=problems, file_limit=limit)
        interaction.original = interaction.source

    def _defer(self, interaction: Interaction, data: Json, problems: Problems) -> None:
        problems.fields(data, frozenset({"flags"}))
        if (data.get("flags") or 0) not in (0, int(Flag.EPHEMERAL)):
            problems.add(("flags",), "SANDBOX_FLAGS_NOT_ALLOWED", "A deferred message takes the flag 64 only")
        problems.check()
        blank = self._blank(interaction)
        blank.flags = Flag.LOADING
        if self._only_for_the_member(interaction, data):
            blank.flags |= Flag.EPHEMERAL
            blank.visible_to = interaction.user
        interaction.deferred = True
        interaction.original = blank
        self._messages.post(blank)

    def _blank(self, interaction: Interaction, referenced: Message | None = None) -> Message:
        blank = self._messages.blank(interaction.channel, self._world.bot)
        blank.interaction = interaction
        if interaction.kind is Kind.COMMAND and referenced is None:
            chat = interaction.data.get("type", 1) == 1
            blank.type = MessageType.CHAT_INPUT_COMMAND if chat else MessageType.CONTEXT_MENU_COMMAND
        elif shown := referenced or interaction.source:
            reply_to(blank, shown, {"type": 0, "channel_id": str(shown.channel.id), "message_id": str(shown.id)})
        return blank

    def _only_for_the_member(self, interaction: Interaction, data: Json) -> bool:
        if Flag.EPHEMERAL in _flags(data):
            return True
        guild = interaction.guild
        if guild is None or not interaction.user_installed_only:
            return False
        member = guild.members.get(interaction.user.id)
        return member is None or Permission.USE_EXTERNAL_APPS not in in_channel(member, interaction.channel)

    def _choices(self, interaction: Interaction, data: Json, problems: Problems) -> list[Json]:
        choices = data.get("choices")
        if problems.fields(data, frozenset({"choices"})) and problems.items(choices, ("choices",), 0, 25):
            for index, each in enumerate(choices or []):
                check_choice(problems, each, focused_type(interaction.data), ("choices", index))
        problems.check()
        return list(choices or [])

    def _modal(self, interaction: Interaction, data: Json, problems: Problems) -> Modal:
        problems.fields(data, frozenset({"custom_id", "title", "components"}))
        problems.text(data.get("custom_id"), ("custom_id",), 1, 100)
        problems.text(data.get("title"), ("title",), 1, 45)
        ComponentRules(problems, lambda *_: None).modal(data.get("components"), ("components",))
        problems.check()
        return Modal(interaction, data["custom_id"], data["title"], data["components"])

    def find(self, token: str) -> Interaction | None:
        return self._by_token.get(token)

    def by_token(self, application_id: int, token: str) -> Interaction:
        """Raises 10015 for a token that is unknown or not yet acknowledged, 50027 for a dead one."""
        interaction = self._by_token.get(token)
        if interaction is None or application_id != self._world.bot.id or interaction.response is None:
            raise refuse(10015)
        if self._clock.now() >= interaction.created_at + self._options.token_lifetime:
            raise refuse(50027)
        return interaction

    def message(self, interaction: Interaction, which: str) -> Message:
        """`which` is @original or a message's id; raises 10008."""
        found = interaction.original if which == "@original" else None
        if which.isdigit():
            found = interaction.own(int(which))
        if found is None or found.deleted:
            raise refuse(10008)
        return found

    async def follow_up(self, interaction: Interaction, body: Json, files: dict[int, Upload]) -> Message:
        """The first one after a deferral fills the loading message in, whatever its flags say."""
        if interaction.original is not None and interaction.original.loading and not interaction.original.deleted:
            return await self._fill_in(interaction, interaction.original, body, files)
        if interaction.user_installed_only and len(interaction.follow_ups) >= _FOLLOW_UPS_OF_USER_INSTALL:
            raise refuse(40094)
        blank = self._blank(interaction, interaction.original or interaction.source)
        if self._only_for_the_member(interaction, body):
            blank.flags |= Flag.EPHEMERAL
            blank.visible_to = interaction.user
        message = await self._messages.create(
            blank,
            body,
            files,
            shape=RESPONSE,
            problems=Problems(self._complain),
            file_limit=self.file_limit(interaction),
        )
        interaction.follow_ups.append(message)
        return message

    async def _fill_in(
        self, interaction: Interaction, loading: Message, body: Json, files: dict[int, Upload]
    ) -> Message:
        kept = {key: value for key, value in body.items() if key not in ("flags", "tts")}
        kept["flags"] = int(_flags(body) & (Flag.SUPPRESS_EMBEDS | Flag.IS_COMPONENTS_V2))
        return await self.edit(interaction, loading, kept, files)

    async def edit(self, interaction: Interaction, message: Message, body: Json, files: dict[int, Upload]) -> Message:
        return await self._messages.edit(
            message,
            body,
            files,
            shape=EDIT,
            problems=Problems(self._complain),
            file_limit=self.file_limit(interaction),
        )


def focused_type(data: Json) -> int:
    for each in data.get("options") or ():
        if each.get("focused"):
            return int(each["type"])
        if each.get("options") and (inner := focused_type(each)):
            return inner
    return 0


def _flags(body: Json) -> Flag:
    value = body.get("flags")
    return Flag(value) if isinstance(value, int) and value >= 0 else Flag(0)
