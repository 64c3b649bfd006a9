"""Errors, named for what happens next.

MatineeError
├── UserError                tell the member, privately; nothing was stored or spent
│   ├── InvalidRequest       an option is wrong: which one, and what is allowed
│   ├── RateLimited          the queue is full: `retry_at` says when there is room again
│   └── NotAllowed           a rule of the guild, of the job or of Discord says no: `rule`
├── ProviderError            `evidence` says whether money may be gone
│   ├── Unavailable          try again later (E0, or E1 with `retry_after`)
│   ├── Rejected             never again with this request (E1): tell the member
│   ├── Unauthorized         our key or account is refused (E1): tell the operator
│   ├── Ambiguous            may have been charged (E2)
│   └── BadResponse          charged, but what came is unusable (E3), or their contract is broken
├── DeliveryError            Discord said no for good, `cause` says why
├── DeliveryRevoked          Discord refuses the bot's own token: stop, until the operator sets a new one
├── StorageUnavailable       busy or full: nothing was committed
├── Stale                    somebody else moved the job first: look again
└── IllegalTransition        our own bug
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class MatineeError(Exception):
    """The root; never raised itself."""


class UserError(MatineeError):
    """A member's request cannot be done; `bot.texts` has the words."""


class InvalidRequest(UserError):
    """An option is wrong. `able` names models that can do what was asked, filled in where the catalogue is known."""

    able: tuple[str, ...] = ()


class PromptLength(InvalidRequest):
    def __init__(self, option: str, length: int, low: int, high: int) -> None:
        super().__init__(f"{option} has {length} characters, allowed are {low} to {high}")
        self.option, self.length, self.low, self.high = option, length, low, high


class NotOffered(InvalidRequest):
    def __init__(self, option: str, model: str) -> None:
        super().__init__(f"{model} has no {option}")
        self.option, self.model = option, model


class OutOfBounds(InvalidRequest):
    def __init__(self, option: str, model: str, value: float, low: float, high: float, above: bool = False) -> None:
        super().__init__(f"{option} of {model} is {low} to {high}, not {value}")
        self.option, self.model, self.value = option, model, value
        self.low, self.high, self.above = low, high, above


class NoSuchSize(InvalidRequest):
    def __init__(self, model: str, aspect: str | None, quality: str | None, offered: Sequence[str]) -> None:
        super().__init__(f"{model} does not make {aspect} {quality}")
        self.model, self.aspect, self.quality, self.offered = model, aspect, quality, tuple(offered)


class NoSuchModel(InvalidRequest):
    """Unknown, not configured, or of another kind: then `command` is the one that takes it."""

    def __init__(self, model: str, command: str | None = None) -> None:
        super().__init__("no such model for this command")
        self.model, self.command = model, command


class PictureProblem(StrEnum):
    EMPTY = "empty"
    NOT_A_PICTURE = "not_a_picture"
    UNSUPPORTED = "unsupported"
    DAMAGED = "damaged"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_SMALL = "too_small"
    TOO_COSTLY = "too_costly"
    UNREACHABLE = "unreachable"


class BadPicture(InvalidRequest):
    """`limit` is megapixels for TOO_MANY_PIXELS, bytes for TOO_MANY_BYTES, pixels for TOO_SMALL."""

    def __init__(self, problem: PictureProblem, limit: int | None = None, option: str = "image") -> None:
        super().__init__(problem.value)
        self.problem, self.limit, self.option = problem, limit, option


class Scope(StrEnum):
    GUILD = "guild"
    MEMBER = "member"


class RateLimited(UserError):
    def __init__(self, scope: Scope, limit: int, retry_at: float) -> None:
        super().__init__(f"the queue of this {scope} is full")
        self.scope, self.limit, self.retry_at = scope, limit, retry_at


class Rule(StrEnum):
    GUILD_ONLY = "guild_only"
    BLOCKED = "blocked"
    PAUSED = "paused"
    CHANNEL = "channel"
    MODEL_DENIED = "model_denied"
    NO_MODEL = "no_model"
    BOT_PERMISSION = "bot_permission"
    MODERATOR = "moderator"
    NOT_YOURS = "not_yours"
    NO_SUCH_JOB = "no_such_job"
    TOO_LATE = "too_late"
    HELD = "held"
    ALREADY_RETRIED = "already_retried"
    STALE_BUTTON = "stale_button"
    BEYOND_OPERATOR = "beyond_operator"
    TOO_EXPENSIVE = "too_expensive"


class NotAllowed(UserError):
    """`detail` is the rule's own: a reason, channel ids, a permission's name; `until` (epoch) is its end."""

    def __init__(self, rule: Rule, detail: str = "", until: float | None = None) -> None:
        super().__init__(rule.value)
        self.rule, self.detail, self.until = rule, detail, until


class Evidence(StrEnum):
    """What is known about the money of one attempt (RELIABILITY, "Evidence classes for a submit")."""

    NOT_SENT = "E0"
    REFUSED = "E1"
    AMBIGUOUS = "E2"
    CHARGED_UNUSABLE = "E3"
    MADE = "made"
    # Accepted, and called back before the provider began: nothing is owed, but it was a start.
    WITHDRAWN = "withdrawn"

    @property
    def free(self) -> bool:
        """It was no start: the provider never took it."""
        return self in (Evidence.NOT_SENT, Evidence.REFUSED)


class ProviderError(MatineeError):
    """`detail` is at most 200 characters, never a header, key or body, and ends with what the provider `said`: that may
    repeat a prompt, so the error's own message, which is for logs, leaves it out."""

    evidence: Evidence

    def __init__(self, provider: str, detail: str, *, status: int | None = None, said: str = "") -> None:
        super().__init__(f"{provider}: {detail}")
        self.provider, self.status = provider, status
        self.detail = (f"{detail}: {said}" if said else detail)[:200]


class Unavailable(ProviderError):
    """`retry_after` in seconds when the provider named it."""

    def __init__(
        self,
        provider: str,
        detail: str,
        *,
        evidence: Evidence,
        status: int | None = None,
        retry_after: float | None = None,
        said: str = "",
    ) -> None:
        super().__init__(provider, detail, status=status, said=said)
        self.evidence, self.retry_after = evidence, retry_after


class Rejected(ProviderError):
    evidence = Evidence.REFUSED


class Unauthorized(ProviderError):
    evidence = Evidence.REFUSED


class Ambiguous(ProviderError):
    evidence = Evidence.AMBIGUOUS


class BadResponse(ProviderError):
    evidence = Evidence.CHARGED_UNUSABLE


class Undeliverable(StrEnum):
    NO_PERMISSION = "no_permission"
    CHANNEL_GONE = "channel_gone"
    GUILD_GONE = "guild_gone"
    TOO_LARGE = "too_large"
    FILTERED = "filtered"
    REFUSED = "refused"


class DeliveryError(MatineeError):
    def __init__(self, cause: Undeliverable, detail: str = "") -> None:
        super().__init__(f"{cause.value} {detail}".strip())
        self.cause, self.detail = cause, detail


class DeliveryRevoked(MatineeError):
    pass


@dataclass
class StorageUnavailable(MatineeError):
    full: bool


class Stale(MatineeError):
    pass


class IllegalTransition(MatineeError):
    pass
