"""A message as we mean it, before Discord's own objects: words and buttons."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Verb(StrEnum):
    CANCEL = "cancel"
    RETRY = "retry"
    DISCARD = "discard"


_CUSTOM_ID = re.compile(r"v1:(?P<verb>[a-z]{1,12}):(?P<job>[a-z0-9]{10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Button:
    """A button names a verb and a job, nothing else: who may press it is decided from the database at every press."""

    verb: Verb
    job_id: str
    label: str = ""

    @property
    def custom_id(self) -> str:
        return f"v1:{self.verb}:{self.job_id}"

    @classmethod
    def parse(cls, custom_id: str) -> Self | None:
        """None for anything that this version of Matinee did not write."""
        match = _CUSTOM_ID.fullmatch(custom_id)
        if match is None or match["verb"] not in set(Verb):
            return None
        return cls(Verb(match["verb"]), match["job"])


@dataclass(frozen=True, slots=True)
class Message:
    """`mention` is the one member that this message may notify."""

    content: str
    buttons: tuple[Button, ...] = ()
    mention: int | None = None
