"""Finds `video.data_uri` in a JSON body and decodes its base64 while the body streams, in constant memory.

Everything around that string is kept, small, as a skeleton; it is parsed at the end as the JSON that it has to be.
"""

import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from bot.providers._decoders import Malformed
from bot.providers._replies import Answer

_SKELETON_CAP = 64 * 1024
_DEEPEST = 32
_FILM = ["video", "data_uri"]
_PREFIX = b"data:video/mp4;base64,"

_MARK = re.compile(rb'[{}\[\],"]')
_STRING_STOP = re.compile(rb'["\\]')
_FILM_STOP = re.compile(rb'["\\\x00-\x1f]')


class _Video(Answer):
    data_uri: Literal[""]


class _Result(Answer):
    video: _Video


@dataclass(slots=True)
class _Level:
    """An open object or array. `key` is the member being read, None before its name is known."""

    is_object: bool
    key: str | None = None


class Base64Text:
    """Base64 characters in, bytes out. White space is skipped: `base64` wraps its lines."""

    def __init__(self) -> None:
        self._held = b""
        self._at_start = True
        self._padded = False

    def feed(self, text: bytes) -> bytes:
        self._held += text.translate(None, b" \t\r\n")
        if self._at_start:
            if len(self._held) < len(_PREFIX) and _PREFIX.startswith(self._held):
                return b""
            self._begin()
        whole = len(self._held) - len(self._held) % 4
        text, self._held = self._held[:whole], self._held[whole:]
        return self._decode(text)

    def finish(self) -> bytes:
        """The bytes of a text so short that it could still have been the start of the prefix."""
        if self._at_start:
            self._begin()
        if len(self._held) % 4:
            raise Malformed("the film's base64 is cut short")
        return self._decode(self._held)

    def _begin(self) -> None:
        self._at_start = False
        self._held = self._held.removeprefix(_PREFIX)

    def _decode(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._padded:
            raise Malformed("the film's base64 goes on after its end")
        self._padded = text.endswith(b"=")
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            raise Malformed("the film is not base64") from None


class FilmDecoder:
    """A decoder of Pipelet's result body. Feed it any pieces; `finish` tells whether the whole was well-formed."""

    def __init__(self) -> None:
        self._skeleton = bytearray()
        self._stack: list[_Level] = []
        self._read: Callable[[bytes, int, bytearray], int] = self._outside
        self._key_starts: int | None = None
        self._text = Base64Text()
        self._escape = b""
        self._films = 0
        self._bytes = 0

    def feed(self, data: bytes) -> bytes:
        film, position = bytearray(), 0
        while position < len(data):
            position = self._read(data, position, film)
        self._bytes += len(film)
        return bytes(film)

    def finish(self) -> None:
        try:
            _Result.model_validate_json(self._skeleton)
        except ValidationError:
            raise Malformed("the result is not the documented JSON") from None
        if self._films != 1 or not self._bytes:
            raise Malformed("the result does not hold exactly one film")

    def _outside(self, data: bytes, position: int, _: bytearray) -> int:
        mark = _MARK.search(data, position)
        end = mark.end() if mark else len(data)
        self._keep(data[position:end])
        if mark:
            self._structure(mark.group())
        return end

    def _structure(self, mark: bytes) -> None:
        level = self._stack[-1] if self._stack else None
        if mark in b"{[":
            self._stack.append(_Level(is_object=mark == b"{"))
            if len(self._stack) > _DEEPEST:
                raise Malformed("the result is nested too deeply")
        elif mark in b"}]" and level:
            self._stack.pop()
        elif mark == b"," and level:
            level.key = None
        elif mark == b'"':
            self._open_string(level)

    def _open_string(self, level: _Level | None) -> None:
        if [open_level.key for open_level in self._stack] == _FILM:
            self._films += 1
            self._text = Base64Text()
            self._read = self._inside_film
            return
        naming = level is not None and level.is_object and level.key is None
        self._key_starts = len(self._skeleton) if naming else None
        self._read = self._inside_string

    def _inside_string(self, data: bytes, position: int, _: bytearray) -> int:
        if self._escape:
            self._escape = b""
            self._keep(data[position : position + 1])
            return position + 1
        stop = _STRING_STOP.search(data, position)
        end = stop.end() if stop else len(data)
        self._keep(data[position:end])
        if stop and stop.group() == b"\\":
            self._escape = b"\\"
        elif stop:
            self._close_string()
        return end

    def _close_string(self) -> None:
        self._read = self._outside
        if self._key_starts is not None:
            self._stack[-1].key = _unescaped(b'"' + self._skeleton[self._key_starts :])

    def _inside_film(self, data: bytes, position: int, film: bytearray) -> int:
        """Collects a run of the string, escapes resolved, and decodes it as one."""
        run = bytearray()
        while position < len(data):
            if self._escape:
                position = self._inside_escape(data, position, run)
                continue
            stop = _FILM_STOP.search(data, position)
            run += data[position : stop.start() if stop else len(data)]
            position = stop.end() if stop else len(data)
            if stop and stop.group() == b"\\":
                self._escape = b"\\"
            elif stop:
                film += self._text.feed(bytes(run))
                self._close_film(stop.group(), film)
                return position
        film += self._text.feed(bytes(run))
        return position

    def _inside_escape(self, data: bytes, position: int, run: bytearray) -> int:
        if len(self._escape) == 1:
            self._escape += data[position : position + 1]
            position += 1
        wanted = 6 if self._escape[1:2] == b"u" else 2
        take = wanted - len(self._escape)
        self._escape += data[position : position + take]
        if len(self._escape) == wanted:
            run += _unescaped(b'"' + self._escape + b'"').encode("ascii", errors="backslashreplace")
            self._escape = b""
        return position + take

    def _close_film(self, stop: bytes, film: bytearray) -> None:
        if stop != b'"':
            raise Malformed("the result is not JSON")
        film += self._text.finish()
        self._keep(stop)
        self._read = self._outside

    def _keep(self, piece: bytes) -> None:
        self._skeleton += piece
        if len(self._skeleton) > _SKELETON_CAP:
            raise Malformed("the result holds too much besides its film")


def _unescaped(quoted: bytes) -> str:
    try:
        text = json.loads(quoted)
    except ValueError:
        raise Malformed("the result is not JSON") from None
    return str(text)
