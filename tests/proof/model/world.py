"""All that matters about one job at one moment. A world is a value; every step makes another."""

from typing import NamedTuple

from bot.domain.job import ENDS, MOVES, JobState

NO_ROW = ""
RECEIVED, QUEUED, SUBMITTING, SUBMITTED, RESULT, POSTING, DONE = (
    state.value
    for state in (
        JobState.RECEIVED,
        JobState.QUEUED,
        JobState.SUBMITTING,
        JobState.SUBMITTED,
        JobState.RESULT,
        JobState.POSTING,
        JobState.DONE,
    )
)
ABANDONED, REFUSED, AMBIGUOUS, LOST_RESULT, UNDELIVERABLE, CANCELLED, POISON, HELD = (
    state.value
    for state in (
        JobState.ABANDONED,
        JobState.REFUSED,
        JobState.AMBIGUOUS,
        JobState.LOST_RESULT,
        JobState.UNDELIVERABLE,
        JobState.CANCELLED,
        JobState.POISON,
        JobState.HELD,
    )
)
ENDED = frozenset(state.value for state in ENDS)
FAILED = frozenset(state.value for state in JobState if state.failed)
LEGAL = frozenset((old.value, new.value) for old, targets in MOVES.items() for new in targets)

# Where a process is in its work. OFF: there is none.
OFF, IDLE = "off", "idle"
ASKED, ACK, ACKING, ACK_DOUBT = "asked", "ack", "acking", "ack?"
SUBMIT, CALLED, ACCOUNT, FOLLOW, SPOOLED, CHECKING, NAMED = (
    "submit", "called", "account", "follow", "spooled", "checking", "named",
)  # fmt: skip
READY, FIT, POISONED = "ready", "fit", "poisoned"


class Message(NamedTuple):
    """Where a process stands with a message that is to be sent once, and its field in the world."""

    field: str
    look: str
    send: str
    sending: str
    landed: str
    gone: str


FILM = Message("film", "look", "post", "posting", "posted", "gone")
NOTICE = Message("notice", "tell", "note", "noting", "noted", "note gone")
IN_FLIGHT = frozenset({ACKING, FILM.sending, NOTICE.sending})


class Process(NamedTuple):
    at: str = OFF
    stale: bool = False
    """The row has moved since this process read it."""
    fresh: bool = True
    """No nonce was forgotten since this process last looked into the channel."""
    fitted: bool = False
    """It has a film that is small enough."""


class Said(NamedTuple):
    """A message as Discord has it. `count` stops at 2; `strays` are requests that may land though nobody waits."""

    count: int = 0
    remembered: bool = False
    strays: int = 0
    deleted: str = ""  # or "just now", or "long ago": when its nonce is forgotten too

    @property
    def visible(self) -> bool:
        return self.count > 0 and not self.deleted


class Row(NamedTuple):
    """What the database holds, and a backup of it. `held` counts reservations."""

    state: str = NO_ROW
    told: bool = False
    discard: bool = False
    held: int = 0


class World(NamedTuple):
    kind: str
    """The provider's: "direct" holds the call open, "queue" answers with an id to ask after."""
    row: Row = Row()
    disk: str = ""  # "whole": written; "kept": fsynced and named
    crashes: int = 0  # R15's counter, beside the bytes
    processes: tuple[Process, ...] = (Process(ASKED), Process())
    press: str = ""  # the state that a member's cancel has read
    press_stale: bool = False

    ack: str = ""  # "flying", "shown" or "dead": the member saw the command fail
    work: str = ""  # "sent", "queued", "running", "made", "failed", "refused" or "withdrawn"
    charged: int = 0
    film: Said = Said()
    notice: Said = Said()
    said_cancelled: bool = False

    made: bool = False
    deaths: int = 0  # of processes at its media
    reposted: str = ""  # what a film that was posted again after its deletion was deleted as
    poison: str = ""  # "check" or "fit": the media work that kills whoever does it
    closed: bool = False  # the channel takes no films
    backup: Row | None = None
    restored: str = ""  # "new" until the next start has seen it

    kills: int = 0
    losses: int = 0
    outages: int = 0
    presses: int = 0
    deletions: int = 0
    restores: int = 0

    def at(self, index: int, process: Process, **changes: object) -> "World":
        """With that process, and whatever else changed."""
        processes = (process, self.processes[1]) if index == 0 else (self.processes[0], process)
        return self._replace(processes=processes, **changes)

    def going(self, index: int, at: str, **changes: object) -> "World":
        """With that process elsewhere in its work."""
        return self.at(index, self.processes[index]._replace(at=at), **changes)

    @property
    def settled(self) -> bool:
        """Nothing more will happen by itself."""
        return (self.row.state in ENDED and self.row.told) or self.row.state == HELD or self._never_asked

    @property
    def _never_asked(self) -> bool:
        return self.row.state == NO_ROW and self.ack in ("shown", "dead") and self._nobody_acknowledges

    @property
    def _nobody_acknowledges(self) -> bool:
        return all(process.at in (OFF, IDLE) for process in self.processes)
