"""The smallest pieces that sentences are made of."""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

from bot.domain.generation import Capability
from bot.domain.job import Job

# Discord's limit is 2000; the rest is room for what counts differently there.
PAGE = 1900
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_BACKTICK, _LOOKALIKE = "`", "\u02cb"


def plain(text: str, limit: int) -> str:
    """One line without anything invisible, at most `limit` characters; harmless only inside code marks."""
    seen = "".join(
        character for character in text if character.isspace() or unicodedata.category(character) not in _HIDDEN
    )
    line = " ".join(seen.split()).replace(_BACKTICK, _LOOKALIKE)
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return line or "(nothing that can be shown)"


def inert(text: str, limit: int = 200) -> str:
    """A member's words in a code block: they mention nobody, and no markdown of theirs is rendered."""
    return f"```\n{plain(text, limit)}\n```"


def code(text: str, limit: int = 200) -> str:
    """The same within a line."""
    return f"`{plain(text, limit)}`"


def name(text: str) -> str:
    """A model's or provider's name; some providers choose theirs themselves."""
    return re.sub(r"[^A-Za-z0-9._-]", "", text)[:60]


_MAKERS = {"chutes": "Chutes", "cogvideox": "CogVideoX", "pipelet": "Pipelet"}
_SELF_HOSTED = frozenset({"cogvideox"})


def maker(provider: str) -> str:
    """A provider as it writes itself; one of another version of Matinee by its id."""
    return _MAKERS.get(provider) or name(provider)


def billed(provider: str) -> bool:
    return provider not in _SELF_HOSTED


def number(value: float) -> str:
    """Plain: no thousands separators, no exponent, no trailing zeros."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.6f}".rstrip("0").rstrip(".") if value != int(value) else str(int(value))


def span(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    large, small, of = ("min", "s", 60) if whole < 7200 else ("h", "min", 3600)
    rest = whole % of * 60 // of
    return f"{whole // of} {large}" + (f" {rest} {small}" if rest else "")


def size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{math.ceil(count / 1000)} kB"


def when(epoch: float) -> str:
    """Discord shows it in every member's own words, for example "in 4 minutes"."""
    return f"<t:{math.ceil(epoch)}:R>"


def noun(job: Job) -> str:
    return "picture" if job.request.capability is Capability.TEXT_TO_IMAGE else "film"


def in_place_of(job: Job) -> str:
    """Who stands in for whom; "" when it is made by the model that was asked for."""
    if job.asked_model is None:
        return ""
    return f"Made by {name(job.request.model)} in place of {name(job.asked_model)}, which was out of order."


def listed(items: Sequence[str], last: str = "and") -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def link(job: Job, message_id: int) -> str:
    return f"https://discord.com/channels/{job.to.guild_id}/{job.to.channel_id}/{message_id}"


def pages(lines: Iterable[str]) -> list[str]:
    """Lines joined into as few messages as hold them."""
    done: list[str] = []
    page = ""
    for line in lines:
        longer = f"{page}\n{line}" if page else line
        if page and len(longer) > PAGE:
            done.append(page)
            longer = line
        page = longer
    return [*done, page]


def one_page(title: str, lines: Sequence[str]) -> str:
    """Title and lines in one message; what does not fit is counted."""
    kept = list(lines)
    while len("\n".join([title, *kept])) > PAGE:
        kept.pop()
    more = len(lines) - len(kept)
    return "\n".join([title, *kept, *([f"… and {more} more."] if more else [])])
