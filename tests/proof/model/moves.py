"""How a row moves, and where a process goes on that knows nothing but the row."""

from bot.domain.errors import IllegalTransition
from tests.proof.model import world as at
from tests.proof.model.world import FILM, NOTICE, Process, World

MOST_CRASHES = 2


def found(w: World, without: str) -> str:
    """Where a process begins that knows nothing but the row (runner `_step` with `recovering`, `recovery`)."""
    row = w.row
    if w.crashes == MOST_CRASHES and row.state in (at.SUBMITTING, at.SUBMITTED) and without != "R15":
        return at.POISONED
    match row.state:
        case at.RECEIVED:
            return at.ACK_DOUBT
        case at.SUBMITTING:
            return at.ACCOUNT
        case at.SUBMITTED:
            return at.FOLLOW
        case at.RESULT:
            return at.READY
        case at.POSTING:
            return FILM.look
        case state if state in at.ENDED and not row.told:
            return NOTICE.look
    return at.IDLE


def move(w: World, i: int, to: str, then: str, without: str, **row: object) -> World:
    """R9: compare and set. Who comes late looks again; without it, the last to write wins."""
    process = w.processes[i]
    if process.stale and without != "R9":
        return w.at(i, Process(found(w, without), fresh=process.fresh))
    if not without and (w.row.state, to) not in at.LEGAL:
        raise IllegalTransition(f"{w.row.state} to {to}")
    ended = to in at.ENDED
    moved = w._replace(
        row=w.row._replace(state=to, told=False if ended else w.row.told, **row), press_stale=bool(w.press)
    )
    return outdated(moved, i).at(i, process._replace(at=then, stale=False))


def outdated(w: World, but: int = -1) -> World:
    """Every other process has an old copy of the row now."""
    processes = tuple(
        process if i == but or process.at in (at.OFF, at.IDLE) else process._replace(stale=True)
        for i, process in enumerate(w.processes)
    )
    return w._replace(processes=processes)


def settle(w: World, i: int, to: str, then: str, without: str, *, free: bool) -> World:
    """R13: what was reserved is released when nothing can have been charged, and only then."""
    if w.processes[i].stale and without != "R9":
        return move(w, i, to, then, without)
    held = w.row.held + (without == "R13 reserve")
    if free or (without == "R13 release" and to != at.RESULT):
        held = max(held - 1, 0)
    return move(w, i, to, then, without, held=min(held, 2))


def counted(w: World, i: int, then: str) -> World:
    """R15: before it is tried."""
    return w.going(i, then, crashes=min(w.crashes + 1, MOST_CRASHES))


def died(w: World, i: int) -> World:
    return w.at(i, Process(), deaths=w.deaths + 1, press="", press_stale=False)


def note_told(w: World, i: int, without: str) -> World:
    if w.processes[i].stale and without != "R9":
        return w.at(i, Process(found(w, without)))
    return w.going(i, at.IDLE, row=w.row._replace(told=True))
