"""A member at a client: what she types, presses and sees."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from .command_rules import MESSAGE_COMMAND, USER_COMMAND
from .components import BUTTON, SELECTS, STRING_SELECT
from .core import Core
from .interaction import Interaction, Kind, Modal
from .message import Json, Message, Upload, walk
from .modal_values import ModalForm
from .payload import Resolved
from .permissions import Permission, in_channel
from .picker import Focus, Picker, Refused
from .world import Channel, Guild, User


class MemberDriver:
    """Every act raises `Refused` where the client or Discord would not let it through.

    `slash`, `press`, `select` and `submit_modal` come back with the first response or, at the
    deadline, with a `refusal`.
    """

    def __init__(self, core: Core, user: User, guild: Guild | None) -> None:
        self._core = core
        self.user = user
        self.guild = guild
        self._picker = Picker(core.world, core.commands, core.cdn, core.options)

    @property
    def direct(self) -> Channel:
        """The direct messages with the bot."""
        return self._core.world.direct_channel(self.user)

    def commands(self, channel: Channel) -> list[Json]:
        return self._picker.visible(self.user, channel)

    async def slash(self, channel: Channel, name: str, /, **options: object) -> Interaction:
        return await self.invoke(channel, name, options)

    async def invoke(self, channel: Channel, name: str, options: Mapping[str, Any]) -> Interaction:
        """As `slash`, for option names that are no Python words."""
        data, command = await self._command_data(channel, name, options, None)
        opened = self._core.interactions.open(Kind.COMMAND, self.user, channel, data, command=command)
        return await self._run(opened)

    async def complete(self, channel: Channel, name: str, /, *, focused: str, **options: object) -> list[Json]:
        return await self.choices(channel, name, focused, options)

    async def choices(self, channel: Channel, name: str, focused: str, options: Mapping[str, Any]) -> list[Json]:
        """What is suggested while `focused` is typed; empty when nobody answers."""
        data, command = await self._command_data(channel, name, options, Focus(focused))
        opened = self._core.interactions.open(Kind.AUTOCOMPLETE, self.user, channel, data, command=command)
        return (await self._run(opened)).choices

    async def message_command(self, message: Message, name: str) -> Interaction:
        resolved = self._resolved(message.channel)
        return await self._context_menu(message.channel, name, MESSAGE_COMMAND, resolved.message(message), resolved)

    async def user_command(self, channel: Channel, user: User, name: str) -> Interaction:
        resolved = self._resolved(channel)
        return await self._context_menu(channel, name, USER_COMMAND, resolved.user(user, channel), resolved)

    async def press(self, message: Message, what: str) -> Interaction:
        """`what` is a button's custom_id or a part of its label."""
        button = self._component(message, what, frozenset({BUTTON}))
        if button["style"] in (5, 6):
            raise Refused("a link or premium button tells the bot nothing")
        return await self._use(message, button, {})

    async def select(self, message: Message, what: str, values: list[Any]) -> Interaction:
        """`what` is a select's custom_id or a part of its placeholder."""
        chosen = self._component(message, what, SELECTS)
        low, high = chosen.get("min_values", 1), chosen.get("max_values", 1)
        if not low <= len(values) <= high:
            raise Refused(f"choose {low} to {high}")
        resolved = self._resolved(message.channel)
        data: Json = {"values": [self._chosen(chosen, each, message.channel, resolved) for each in values]}
        if chosen["type"] != STRING_SELECT:
            data["resolved"] = resolved.body
        return await self._use(message, chosen, data)

    async def submit_modal(self, modal: Modal, values: Mapping[str, Any]) -> Interaction:
        before = modal.interaction
        if before.user is not self.user:
            raise Refused("somebody else has this dialog open")
        if not self.sees_channel(before.channel):
            raise Refused("she does not see that channel any more")
        resolved = self._resolved(before.channel)
        limit = self._core.interactions.file_limit(before)
        form = ModalForm(modal, values, self._core.cdn, str(self._core.world.bot.id), limit)
        data = await form.data(resolved)
        if resolved.body:
            data["resolved"] = resolved.body
        opened = self._core.interactions.open(
            Kind.MODAL_SUBMIT, self.user, before.channel, data, source=before.source, parent=before
        )
        return await self._run(opened)

    async def raw(self, payload: Json, channel: Channel, source: Message | None = None) -> Interaction:
        """An interaction that no client would make: `payload` replaces keys of a well-formed one."""
        kind = Kind(payload.get("type", Kind.COMMAND))
        data = payload.get("data", {})
        opened = self._core.interactions.open(
            kind, self.user, channel, data, command=str(data.get("name", "")), source=source
        )
        return await self._run(opened, payload)

    async def say(
        self, channel: Channel, content: str, *, reply_to: Message | None = None, files: tuple[Upload, ...] = ()
    ) -> Message:
        if not self._may_write(channel):
            raise Refused("writing here is not allowed")
        if not content.strip() and not files:
            raise Refused("an empty message is not sent")
        if len(content) > 4000:
            raise Refused("the message is too long")
        message = self._core.messages.blank(channel, self.user)
        message.attachments = [await self._core.cdn.store(each, str(channel.id)) for each in files]
        self._core.messages.say(message, content.strip(), reply_to)
        return message

    def delete(self, message: Message) -> None:
        """Her own, anybody's with MANAGE_MESSAGES; an ephemeral one is only dismissed, which the bot never learns."""
        if message.visible_to is self.user or message.author is self.user or self._moderates(message.channel):
            self._core.messages.delete(message)
            return
        raise Refused("this message is not hers to delete")

    def messages(self, channel: Channel) -> list[Message]:
        """What she can see, oldest first."""
        return [each for each in sorted(channel.messages.values(), key=lambda m: m.id) if self.sees(each)]

    def direct_messages(self) -> list[Message]:
        return self.messages(self.direct)

    def sees(self, message: Message) -> bool:
        if message.visible_to is not None and message.visible_to is not self.user:
            return False
        return self.sees_channel(message.channel)

    def sees_channel(self, channel: Channel) -> bool:
        if channel.guild is None:
            return self.user in channel.recipients
        member = channel.guild.members.get(self.user.id)
        return member is not None and Permission.VIEW_CHANNEL in in_channel(member, channel)

    def _moderates(self, channel: Channel) -> bool:
        member = channel.guild.members.get(self.user.id) if channel.guild else None
        return member is not None and Permission.MANAGE_MESSAGES in in_channel(member, channel)

    def _may_write(self, channel: Channel) -> bool:
        if channel.guild is None:
            return self.user in channel.recipients
        member = channel.guild.members.get(self.user.id)
        needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        return member is not None and needed in in_channel(member, channel)

    def _resolved(self, channel: Channel) -> Resolved:
        member = channel.guild.members.get(self.user.id) if channel.guild else None
        return Resolved(self._core.wire, member)

    async def _command_data(
        self, channel: Channel, name: str, options: Mapping[str, Any], focus: Focus | None
    ) -> tuple[Json, str]:
        first, *path = name.split()
        command = self._picker.find(self.user, channel, first)
        resolved = self._resolved(channel)
        filled = await self._picker.fill(command, path, options, channel, resolved, focus)
        data: Json = {"id": command["id"], "name": first, "type": command["type"]}
        data |= {"guild_id": command["guild_id"]} if "guild_id" in command else {}
        data |= {"options": filled} if filled else {}
        data |= {"resolved": resolved.body} if resolved.body else {}
        return data, name

    async def _context_menu(
        self, channel: Channel, name: str, kind: int, target: str, resolved: Resolved
    ) -> Interaction:
        command = self._picker.find(self.user, channel, name, kind)
        data: Json = {"id": command["id"], "name": name, "type": kind, "target_id": target}
        data["resolved"] = resolved.body
        data |= {"guild_id": command["guild_id"]} if "guild_id" in command else {}
        opened = self._core.interactions.open(Kind.COMMAND, self.user, channel, data, command=name)
        return await self._run(opened)

    def _component(self, message: Message, what: str, kinds: frozenset[int]) -> Json:
        if message.deleted or not self.sees(message):
            raise Refused("she does not see that message")
        found = [each for each in walk(message.components) if each["type"] in kinds]
        exact = [each for each in found if each.get("custom_id") == what]
        like = [each for each in found if what.lower() in str(each.get("label") or each.get("placeholder")).lower()]
        if not exact and not like:
            raise Refused(f"there is no {what!r} in that message")
        chosen = (exact or like)[0]
        if chosen.get("disabled"):
            raise Refused(f"{what!r} is disabled")
        return chosen

    def _chosen(self, select: Json, value: object, channel: Channel, resolved: Resolved) -> str:
        if select["type"] == STRING_SELECT:
            for each in select["options"]:
                if value in (each["value"], each["label"]):
                    return str(each["value"])
            raise Refused(f"there is no option {value!r}")
        option = {"name": select["custom_id"], "type": {5: 6, 6: 8, 7: 9, 8: 7}[select["type"]]}
        return self._picker.mentioned(option, value, channel, resolved)

    async def _use(self, message: Message, component: Json, extra: Json) -> Interaction:
        data = {"custom_id": component["custom_id"], "component_type": component["type"], "id": component["id"]}
        opened = self._core.interactions.open(
            Kind.COMPONENT, self.user, message.channel, data | extra, source=message, parent=message.interaction
        )
        return await self._run(opened)

    async def _run(self, opened: Interaction, override: Json | None = None) -> Interaction:
        core = self._core
        core.gateway.send_interaction(opened, core.payloads.interaction(opened) | (override or {}))
        answered = asyncio.create_task(core.hub.wait_until(lambda: opened.type is not None))
        deadline = asyncio.create_task(core.clock.sleep(core.options.deadline))
        try:
            await asyncio.wait({answered, deadline}, return_when=asyncio.FIRST_COMPLETED)
            # An answer whose files are still being taken in has arrived in time.
            await core.hub.wait_until(lambda: opened.type is not None or opened.response is None)
        finally:
            answered.cancel()
            deadline.cancel()
        core.interactions.expire(opened)
        return opened
