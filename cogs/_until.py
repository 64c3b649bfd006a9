"""When a block ends, as a moderator writes it."""

import re
from datetime import UTC, datetime

from bot import texts
from cogs._options import BadOption

_LENGTH = re.compile(r"(\d{1,4})\s*([mhdw])", re.ASCII | re.IGNORECASE)
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_until(written: str, now: float) -> float:
    """Epoch seconds. `2h` is counted from now; a date without an offset is in UTC. Raises BadOption."""
    text = written.strip()
    length = _LENGTH.fullmatch(text)
    end = now + int(length[1]) * _SECONDS[length[2].lower()] if length else _date(text)
    if end is None or end <= now:
        raise BadOption(texts.admin.UNTIL_FORMATS)
    return end


def _date(text: str) -> float | None:
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
