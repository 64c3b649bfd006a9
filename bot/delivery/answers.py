"""What Discord's errors mean for a delivery (RELIABILITY, "Discord errors while posting")."""

import json
from enum import StrEnum

import aiohttp
import discord

from bot.domain.errors import Undeliverable


class Answer(StrEnum):
    DOUBT = "doubt"
    LATER = "later"
    REVOKED = "revoked"
    MESSAGE_GONE = "message_gone"
    NO_PERMISSION = "no_permission"
    NO_REPLY = "no_reply"
    CHANNEL_GONE = "channel_gone"
    GUILD_GONE = "guild_gone"
    TOO_LARGE = "too_large"
    FILTERED = "filtered"
    DM_CLOSED = "dm_closed"
    EDITED_ENOUGH = "edited_enough"
    INVALID = "invalid"

    @property
    def passing(self) -> bool:
        """The same call may succeed later."""
        return self in (Answer.DOUBT, Answer.LATER)


# topics/opcodes-and-status-codes#json
_BY_CODE = {
    10003: Answer.CHANNEL_GONE,
    10004: Answer.GUILD_GONE,
    10008: Answer.MESSAGE_GONE,
    10013: Answer.DM_CLOSED,
    20016: Answer.LATER,
    20028: Answer.LATER,
    20029: Answer.LATER,
    30046: Answer.EDITED_ENOUGH,
    40003: Answer.LATER,
    40004: Answer.LATER,
    40005: Answer.TOO_LARGE,
    40006: Answer.LATER,
    40062: Answer.LATER,
    40333: Answer.LATER,
    50001: Answer.NO_PERMISSION,
    50007: Answer.DM_CLOSED,
    50013: Answer.NO_PERMISSION,
    # An interaction's token is dead; ours is not, and no call here uses the other.
    50027: Answer.LATER,
    50035: Answer.INVALID,
    50045: Answer.TOO_LARGE,
    50083: Answer.CHANNEL_GONE,
    50278: Answer.DM_CLOSED,
    110000: Answer.LATER,
    110001: Answer.LATER,
    130000: Answer.LATER,
    160002: Answer.NO_REPLY,
    160005: Answer.CHANNEL_GONE,
    200000: Answer.FILTERED,
    200001: Answer.FILTERED,
    240000: Answer.FILTERED,
}
_BY_STATUS = {
    401: Answer.REVOKED,
    403: Answer.NO_PERMISSION,
    408: Answer.DOUBT,
    413: Answer.TOO_LARGE,
    429: Answer.LATER,
}
CAUSES = {
    Answer.MESSAGE_GONE: Undeliverable.REFUSED,
    Answer.NO_PERMISSION: Undeliverable.NO_PERMISSION,
    Answer.NO_REPLY: Undeliverable.NO_PERMISSION,
    Answer.CHANNEL_GONE: Undeliverable.CHANNEL_GONE,
    Answer.GUILD_GONE: Undeliverable.GUILD_GONE,
    Answer.TOO_LARGE: Undeliverable.TOO_LARGE,
    Answer.FILTERED: Undeliverable.FILTERED,
    Answer.DM_CLOSED: Undeliverable.NO_PERMISSION,
    Answer.EDITED_ENOUGH: Undeliverable.REFUSED,
    Answer.INVALID: Undeliverable.REFUSED,
}
# What discord.py lets through. A file that cannot be read is an OSError too, but none of these.
FAILURES = (
    discord.HTTPException,
    discord.RateLimited,
    aiohttp.ClientError,
    ConnectionError,
    TimeoutError,
    json.JSONDecodeError,
    KeyError,
)
# What discord.py 2.7.1 takes for granted in a 429; a proxy before Discord may leave it out.
_HOW_LONG = "retry_after"


class Refused(Exception):
    """`wait` is the least number of seconds before the same call makes sense."""

    def __init__(self, answer: Answer, status: int = 0, code: int = 0, wait: float = 0.0) -> None:
        super().__init__(f"{answer} (status {status}, code {code})")
        self.answer, self.wait = answer, wait


def read(error: Exception, *, own_token: bool = True) -> Refused:
    """One of `FAILURES` as what it means. `own_token`: the call was made with the bot's own.

    Raises any KeyError that is none of discord.py's.
    """
    if isinstance(error, KeyError):
        if error.args != (_HOW_LONG,):
            raise error
        return Refused(Answer.LATER, 429)
    if isinstance(error, discord.RateLimited):
        return Refused(Answer.LATER, 429, wait=error.retry_after)
    if not isinstance(error, discord.HTTPException):
        return Refused(Answer.DOUBT)
    answer = _meaning(error.status, error.code) if own_token or error.status != 401 else Answer.INVALID
    return Refused(answer, error.status, error.code)


def _meaning(status: int, code: int) -> Answer:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status >= 500:
        return Answer.DOUBT
    if status == 403 and code == 0:
        # Discord names what is missing; a page that stands before Discord does not.
        return Answer.LATER
    return _BY_STATUS.get(status, Answer.INVALID)
