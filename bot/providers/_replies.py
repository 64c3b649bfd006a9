"""What a provider's status, or its silence, means for the money (RELIABILITY, "Provider status to class")."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from bot.domain.errors import Ambiguous, BadResponse, Evidence, ProviderError, Rejected, Unauthorized, Unavailable

LONGEST_WAIT = 600.0
LONGEST_DETAIL = 200

Kind = type[ProviderError]


class Answer(BaseModel):
    """The part of a provider's JSON reply that we rely on."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One column of the table. `otherwise` is for every status that the column does not name.

    unanswered: something was sent, no status line came back. cut: a good status, then the connection broke.
    broken: a good status, but an answer that the document does not describe.
    answers: statuses besides 2xx that are no failure.
    """

    statuses: Mapping[int, Kind]
    otherwise: Kind
    unanswered: Kind
    cut: Kind
    broken: Kind
    answers: frozenset[int] = frozenset()

    def kind(self, status: int) -> Kind:
        if 300 <= status < 400:
            return Rejected
        return self.statuses.get(status, self.otherwise)


def _rows(rows: Mapping[Kind, tuple[int, ...]]) -> dict[int, Kind]:
    return {status: kind for kind, statuses in rows.items() for status in statuses}


_PAID = _rows({Rejected: (400, 404, 413, 415, 422), Unauthorized: (401, 402, 403), Unavailable: (429, 503)})
_ASKED = _rows({BadResponse: (400, 413, 415, 422), Unauthorized: (401, 403), Rejected: (404,)})
_STOPPED = _rows({Unauthorized: (401, 403)})

HOLD_OPEN = Step(_PAID, Ambiguous, unanswered=Ambiguous, cut=BadResponse, broken=BadResponse)
CREATE = Step(_PAID, Ambiguous, unanswered=Ambiguous, cut=Ambiguous, broken=Ambiguous)
ASK = Step(_ASKED, Unavailable, unanswered=Unavailable, cut=Unavailable, broken=BadResponse)
FETCH = Step(_ASKED, Unavailable, unanswered=Unavailable, cut=BadResponse, broken=BadResponse)
# Asking for the status tells what a doubtful cancel did, so every doubt is "later".
CANCEL = Step(
    _STOPPED, Unavailable, unanswered=Unavailable, cut=Unavailable, broken=Unavailable, answers=frozenset({409})
)


def failure(
    kind: Kind,
    provider: str,
    detail: str,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    said: str = "",
) -> ProviderError:
    """The error of that kind for a request of which at least one byte may have left."""
    if issubclass(kind, Unavailable):
        return Unavailable(
            provider, detail, evidence=Evidence.REFUSED, status=status, retry_after=retry_after, said=said
        )
    return kind(provider, detail, status=status, said=said)


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds from `now` (epoch) that a Retry-After header asks for, at most ten minutes; None when it says nothing."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(text)
        wait = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT) if math.isfinite(wait) else None


def inert(text: str, limit: int = LONGEST_DETAIL) -> str:
    """A provider's words on one line, without control, invisible or direction characters."""
    visible = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(visible.split())[:limit]


_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def sentence(body: bytes) -> str:
    """The sentence in a JSON error body, "" when there is none; nothing else of the body is ever repeated."""
    try:
        problem = _OBJECT.validate_json(body)
    except ValidationError:
        return ""
    found = problem.get("detail") or problem.get("error") or problem.get("message")
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        found = found.get("msg") or found.get("message")
    return found if isinstance(found, str) else ""
