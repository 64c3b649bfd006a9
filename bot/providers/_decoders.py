"""From the bytes of a body to the bytes of a film, piece by piece."""

from typing import Protocol


class Malformed(ValueError):
    """The message says what is wrong, and repeats nothing of the body."""


class Decoder(Protocol):
    """Both methods raise Malformed; only after `finish` is the whole known to be well-formed."""

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> None: ...


class Raw:
    """The body is the film."""

    def __init__(self) -> None:
        self._empty = True

    def feed(self, data: bytes) -> bytes:
        self._empty = False
        return data

    def finish(self) -> None:
        if self._empty:
            raise Malformed("the answer is empty")
