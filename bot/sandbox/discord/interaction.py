"""One interaction, from the click to the last follow-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .message import Json, Message
    from .world import Channel, Guild, User

NO_ANSWER = "The application did not respond"


class Kind(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL_SUBMIT = 5


class Callback(IntEnum):
    PONG = 1
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(frozen=True)
class Modal:
    """A dialog that the bot opened; `interaction` is the one it answered."""

    interaction: Interaction = field(repr=False)
    custom_id: str
    title: str
    components: list[Json]

    def to_json(self) -> Json:
        return {
            "interaction_id": str(self.interaction.id),
            "custom_id": self.custom_id,
            "title": self.title,
            "components": self.components,
        }


@dataclass(eq=False)
class Interaction:
    """`source` is the message whose component was used; `original` is what @original names.

    `message` is the message that this interaction made (or changed, for an update); None when it
    made none. `refusal` is what the member's client shows instead of an answer.
    """

    id: int
    token: str = field(repr=False)
    kind: Kind
    user: User
    channel: Channel
    created_at: float
    owners: dict[str, str]
    data: Json = field(default_factory=dict)
    command: str = ""
    source: Message | None = None
    parent: Interaction | None = None
    response: Json | None = None
    type: Callback | None = None
    acknowledged_after: float | None = None
    original: Message | None = None
    follow_ups: list[Message] = field(default_factory=list)
    modal: Modal | None = None
    choices: list[Json] = field(default_factory=list)
    refusal: str | None = None
    deferred: bool = False

    @property
    def guild(self) -> Guild | None:
        return self.channel.guild

    @property
    def message(self) -> Message | None:
        return self.original

    @property
    def ephemeral(self) -> bool:
        return self.original is not None and self.original.ephemeral

    @property
    def user_installed_only(self) -> bool:
        return set(self.owners) == {"1"}

    def own(self, message_id: int) -> Message | None:
        """A message that this interaction's token may read and change."""
        for each in (self.original, self.source, *self.follow_ups):
            if each is not None and each.id == message_id:
                return each
        return None

    def summary(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "type": self.type,
            "refusal": self.refusal,
            "ephemeral": self.ephemeral,
            "acknowledged_after": self.acknowledged_after,
            "modal": self.modal.to_json() if self.modal else None,
            "choices": self.choices,
        }
