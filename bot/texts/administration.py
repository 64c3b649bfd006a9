"""Private answers to moderators."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields

from bot.domain.job import Job
from bot.domain.limits import GuildLimits
from bot.ports import Block
from bot.texts.answers import job_line
from bot.texts.words import code, listed, name, number, one_page, when

NOTHING_SET = "Name at least one limit to set."
CHANNELS_CLEARED = "Matinee may be used in every channel of this guild again."
RESUMED = "Matinee takes requests in this guild again."
UNTIL_FORMATS = (
    "`until` takes a length such as `2h`, `7d` or `30m`, or a date in UTC such as `2027-01-31` or `2027-01-31T18:00`, "
    "that lies ahead."
)


def limits(own: GuildLimits, operator: GuildLimits) -> str:
    lines = [_limit(field.name, own, operator) for field in fields(GuildLimits)]
    return one_page("**Limits of this guild**", lines)


def _limit(which: str, own: GuildLimits, operator: GuildLimits) -> str:
    return f"`{which}` {_amount(getattr(own, which))} (the operator allows {_amount(getattr(operator, which))})"


def _amount(value: float) -> str:
    return number(value) if value < math.inf else "any"


def model_allowed(model: str) -> str:
    return f"{name(model)} is on in this guild."


def model_denied(model: str) -> str:
    return f"{name(model)} is off in this guild; jobs that are queued already go on."


def default_set(command: str, model: str) -> str:
    return f"`/{command}` now uses {name(model)} when no model is named."


def channel_allowed(channels: Iterable[int]) -> str:
    named = [f"<#{channel}>" for channel in sorted(channels)]
    shown = [*named[:20], *([f"{len(named) - 20} more"] if len(named) > 20 else [])]
    return f"In this guild, Matinee may now be used only in {listed(shown)}."


def blocked(member_id: int, until: float | None) -> str:
    end = f"; it ends {when(until)}" if until is not None else " until a moderator lifts it"
    return f"<@{member_id}> is blocked from Matinee in this guild{end}. Jobs that are queued already go on."


def unblocked(member_id: int, was_blocked: bool) -> str:
    return f"<@{member_id}> is not blocked any more." if was_blocked else f"<@{member_id}> was not blocked."


def blocks(known: Sequence[Block], now: float) -> str:
    standing = [block for block in known if block.until is None or block.until > now]
    return one_page("**Blocked members**", [_block_line(block) for block in standing] or ["Nobody is blocked."])


def _block_line(block: Block) -> str:
    end = f"ends {when(block.until)}" if block.until is not None else "no end"
    reason = f" · {code(block.reason, 100)}" if block.reason else ""
    return f"<@{block.member_id}> · {end} · by <@{block.by}>{reason}"


_RELEASE = (
    "A released job goes on from where it was. What was made or posted since the backup may be made again, and cost "
    "again; before anything is posted, Matinee looks whether it is there already."
)


# More are not listed, released or dropped at a time.
_MOST_HELD = 25


def held(jobs: Sequence[Job]) -> str:
    if not jobs:
        return "No job of this guild is held."
    intro = _RELEASE + _more(jobs)
    return one_page("**Held since a restore**", [intro, *(job_line(job, member=True) for job in jobs)])


def _more(jobs: Sequence[Job]) -> str:
    return f" These are the newest {_MOST_HELD}; there may be more." if len(jobs) >= _MOST_HELD else ""


def released(jobs: Sequence[Job]) -> str:
    return f"Released: {_named(jobs)}. {_RELEASE}{_more(jobs)}" if jobs else held(jobs)


def dropped(jobs: Sequence[Job]) -> str:
    """What they may have cost since the backup is not known."""
    if not jobs:
        return held(jobs)
    return f"Dropped: {_named(jobs)}. They may have been charged since the backup; their members are told.{_more(jobs)}"


def _named(jobs: Sequence[Job]) -> str:
    return listed([f"`{job.id}`" for job in jobs])


def recent(jobs: Sequence[Job]) -> str:
    return one_page("**Recent jobs**", [job_line(job, member=True) for job in jobs] or ["No job fits."])


def paused(reason: str) -> str:
    given = f" Members read this reason: {code(reason)}" if reason else ""
    return f"Until `/admin resume`, Matinee takes no new requests in this guild, and what waits is not started.{given}"
