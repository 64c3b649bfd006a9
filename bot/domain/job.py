"""The durable life of a request: its states, its legal moves and what is known in each (RELIABILITY, section 2)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from bot.domain.errors import IllegalTransition
from bot.domain.generation import GenerationRequest


class JobState(StrEnum):
    RECEIVED = "received"
    QUEUED = "queued"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    RESULT = "result"
    POSTING = "posting"
    DONE = "done"
    ABANDONED = "abandoned"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    LOST_RESULT = "lost_result"
    UNDELIVERABLE = "undeliverable"
    CANCELLED = "cancelled"
    POISON = "poison"
    HELD = "held"

    @property
    def terminal(self) -> bool:
        return self in ENDS

    @property
    def rests(self) -> bool:
        """Nothing happens to it by itself any more, but for telling the member so."""
        return self.terminal or self is JobState.HELD

    @property
    def active(self) -> bool:
        """Holds a place at its provider: from the submission until the result is fetched."""
        return self in (JobState.SUBMITTING, JobState.SUBMITTED)

    @property
    def failed(self) -> bool:
        """An end that the member is told with a short reply."""
        return self in FAILURES


_S = JobState
ENDS = frozenset(
    {_S.DONE, _S.ABANDONED, _S.REFUSED, _S.AMBIGUOUS, _S.LOST_RESULT, _S.UNDELIVERABLE, _S.CANCELLED, _S.POISON}
)
MOVES: dict[JobState, frozenset[JobState]] = {
    _S.RECEIVED: frozenset({_S.QUEUED, _S.ABANDONED, _S.CANCELLED, _S.HELD}),
    _S.QUEUED: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.REFUSED, _S.HELD}),
    _S.SUBMITTING: frozenset(
        {
            _S.QUEUED, _S.SUBMITTED, _S.RESULT, _S.REFUSED, _S.AMBIGUOUS, _S.LOST_RESULT, _S.CANCELLED, _S.POISON,
            _S.HELD,
        }
    ),
    # Back to the queue only where the operator lets a job be paid for more than once.
    _S.SUBMITTED: frozenset({_S.QUEUED, _S.RESULT, _S.REFUSED, _S.LOST_RESULT, _S.CANCELLED, _S.POISON, _S.HELD}),
    _S.RESULT: frozenset({_S.POSTING, _S.CANCELLED, _S.UNDELIVERABLE, _S.LOST_RESULT, _S.HELD}),
    _S.POSTING: frozenset({_S.DONE, _S.UNDELIVERABLE, _S.LOST_RESULT, _S.POISON, _S.HELD}),
    # After a restore; a moderator lets it go on from where it was, or drops it (R14).
    _S.HELD: frozenset({state for state in _S if state not in ENDS and state is not _S.HELD} | {_S.CANCELLED}),
    _S.DONE: frozenset(),
    _S.ABANDONED: frozenset(),
    _S.REFUSED: frozenset(),
    _S.AMBIGUOUS: frozenset(),
    _S.LOST_RESULT: frozenset(),
    # `/show` delivers what is kept.
    _S.UNDELIVERABLE: frozenset({_S.DONE}),
    _S.CANCELLED: frozenset(),
    _S.POISON: frozenset(),
}  # fmt: skip
# Processes that ended over the same media, after which no other one tries (R15).
MOST_CRASHES = 2
# The `detail` of a job that was delivered by `/show`, in another channel than its own.
SHOWN_ELSEWHERE = "shown elsewhere"
FAILURES = frozenset({_S.ABANDONED, _S.REFUSED, _S.AMBIGUOUS, _S.LOST_RESULT, _S.UNDELIVERABLE, _S.POISON})


class Cause(StrEnum):
    """Why a job ended otherwise than with a film in its channel."""

    NOT_CONFIRMED = "not_confirmed"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    REJECTED = "rejected"
    REDIRECTED = "redirected"
    UNAUTHORIZED = "unauthorized"
    NO_CREDIT = "no_credit"
    FAILING = "failing"
    TOO_EXPENSIVE = "too_expensive"
    MODEL_GONE = "model_gone"
    NO_ANSWER = "no_answer"
    RESTARTED = "restarted"
    UNUSABLE = "unusable"
    FAILED = "failed"
    STUCK = "stuck"
    RESULT_GONE = "result_gone"
    STORAGE_FULL = "storage_full"
    ARTIFACT_GONE = "artifact_gone"
    PICTURE_GONE = "picture_gone"
    BY_MEMBER = "by_member"
    BY_MODERATOR = "by_moderator"
    BY_PROVIDER = "by_provider"
    GUILD_LEFT = "guild_left"
    NO_PERMISSION = "no_permission"
    CHANNEL_GONE = "channel_gone"
    TOO_LARGE = "too_large"
    FILTERED = "filtered"
    DISCORD_REFUSED = "discord_refused"
    CRASHED = "crashed"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request came from and its film goes. `file_limit` is Discord's upload limit there, in bytes."""

    guild_id: int
    channel_id: int
    member_id: int
    file_limit: int


@dataclass(frozen=True, slots=True)
class RemoteHandle:
    """A provider's own id for a queued request, and the model that it was queued at (part of every later address)."""

    model: str
    request_id: str


@dataclass(frozen=True, slots=True)
class InQueue:
    position: int


@dataclass(frozen=True, slots=True)
class InProgress:
    """`done` of `total` tasks, None where the provider said nothing."""

    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


@dataclass(frozen=True, slots=True)
class Unknown:
    """A status word that no document names: logged, and polled on."""

    word: str


RemoteStatus = InQueue | InProgress | Completed | Failed | Cancelled | Unknown


class MediaKind(StrEnum):
    FILM = "mp4"
    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"


@dataclass(frozen=True, slots=True)
class Artifact:
    """Checked bytes on disk. `name` is its file in the artifact folder; a picture has no frames and seconds.

    `compressed`: not the provider's own bytes; encoded again here, to play everywhere or to fit.
    """

    name: str
    kind: MediaKind
    size: int
    sha256: str
    width: int
    height: int
    codec: str
    frames: int | None = None
    seconds: float | None = None
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """What a moderator does to a job, for the audit: recorded with its effect, in one transaction, or not at all."""

    by: int
    verb: str
    after: str


class Job(NamedTuple):
    """One request and all that is durably known about it. `epoch` counts its moves; every move compares it (R9).

    Times are epoch seconds. `started_at` is the start of its last attempt, `ended_at` is set in a terminal state only.
    `nonce` is its one name towards Discord, for life (R6). `discard` says who threw its result away before there was
    one. `told` is True once the member has seen how it ended. `direct`: the film went to the member's direct messages.
    `findable`: whether its film could be found again in its channel, as it was just before it was posted; None before.
    `charged` counts earlier attempts that may have been paid for, `held_from` is the state before HELD, `asked_model`
    the model that a stand-in stands in for.
    """

    id: str
    interaction_id: int
    to: Destination
    request: GenerationRequest
    provider: str
    nonce: str
    created_at: float
    state: JobState = JobState.RECEIVED
    epoch: int = 0
    ack_message_id: int | None = None
    queued_at: float | None = None
    not_before: float = 0
    tries: int = 0
    repeated: bool = False
    first_try_at: float | None = None
    attempt_id: int | None = None
    started_at: float | None = None
    remote: RemoteHandle | None = None
    discard: Cause | None = None
    artifact: Artifact | None = None
    made_at: float | None = None
    result_message_id: int | None = None
    direct: bool = False
    cause: Cause | None = None
    detail: str = ""
    told: bool = False
    ended_at: float | None = None
    retry_of: str | None = None
    charged: int = 0
    held_from: JobState | None = None
    asked_model: str | None = None
    findable: bool | None = None

    def to_state(self, state: JobState, **changes: Any) -> "Job":  # noqa: ANN401  # fields of this class
        """The job after a legal move. Raises IllegalTransition for any other."""
        if state not in MOVES[self.state]:
            raise IllegalTransition(f"{self.state} to {state}")
        return self._replace(state=state, epoch=self.epoch + 1, **changes)
