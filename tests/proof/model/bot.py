"""What Matinee does: for each place in a process's work, the steps that it may take next.

A step is (its name, the world after it). `without` is the control that is taken away, or "".
"""

from tests.proof.model import world as at
from tests.proof.model.moves import counted, died, found, move, settle
from tests.proof.model.posting import Step, Steps, steps_of
from tests.proof.model.world import FILM, NOTICE, Row, World


def asked(w: World, i: int, without: str) -> Steps:
    if without == "R1":
        yield "goes to acknowledge before anything is stored", w.going(i, at.ACK)
    else:
        yield "commits RECEIVED", w.going(i, at.ACK, row=Row(at.RECEIVED))


def ack(w: World, i: int, without: str) -> Steps:
    yield "sends the acknowledgement", w.going(i, at.ACKING, ack="flying")


def acking(w: World, i: int, without: str) -> Steps:
    if w.ack == "shown":
        yield "hears that it is shown, commits QUEUED", _queued(w, i, without)
    if w.ack == "dead":
        yield "hears that it came too late", _abandoned(w, i, without)
    if w.losses:
        lost = w._replace(losses=w.losses - 1)
        if without == "R2":
            yield "does not hear whether it is shown, commits QUEUED", _queued(lost, i, without)
        else:
            yield "does not hear whether it is shown", lost.going(i, at.ACK_DOUBT)


def ack_doubt(w: World, i: int, without: str) -> Steps:
    if w.ack == "shown" or without == "R2":
        yield "finds the acknowledgement, commits QUEUED", _queued(w, i, without)
    if w.ack != "shown" or w.losses:
        unseen = w._replace(losses=w.losses - (w.ack == "shown"))
        yield "finds no acknowledgement, commits ABANDONED", _abandoned(unseen, i, without)


def _queued(w: World, i: int, without: str) -> World:
    return move(w, i, at.QUEUED, at.IDLE, without)


def _abandoned(w: World, i: int, without: str) -> World:
    return w.going(i, at.IDLE) if w.row.state == at.NO_ROW else move(w, i, at.ABANDONED, NOTICE.look, without)


def idle(w: World, i: int, without: str) -> Steps:
    if w.row.state == at.QUEUED:
        if w.row.discard:
            yield "will never have its turn, commits CANCELLED", move(w, i, at.CANCELLED, NOTICE.look, without)
        elif without == "R3":
            reserved = w.row._replace(held=min(w.row.held + 1, 2))
            yield "takes its turn, stores no state", w.going(i, at.SUBMIT, row=reserved)
        else:
            held = w.row.held + (without != "R13 reserve")
            yield "claims it, commits SUBMITTING", move(w, i, at.SUBMITTING, at.SUBMIT, without, held=min(held, 2))
    elif found(w, without) == NOTICE.look:
        yield "takes up what was not told", w.going(i, NOTICE.look)


def submit(w: World, i: int, without: str) -> Steps:
    """R3, R4: from here on a byte may have left."""
    for to in (at.QUEUED, at.REFUSED):
        yield f"cannot send (E0), commits {to.upper()}", _refused(w, i, to, without)
    sent = w.going(i, at.CALLED, work="sent", disk="")
    yield "sends the paid request", sent
    if w.work == "sent":
        yield "sends the paid request, and an earlier one arrives", sent._replace(charged=min(w.charged + 1, 2))


def called(w: World, i: int, without: str) -> Steps:
    if w.work == "refused":
        for to in (at.QUEUED, at.REFUSED):
            yield f"is refused (E1), commits {to.upper()}", _refused(w, i, to, without)
    elif w.kind == "queue" and w.work in ("queued", "running", "made", "failed"):
        yield "gets the request's id, commits SUBMITTED", move(w, i, at.SUBMITTED, at.FOLLOW, without)
    elif w.kind == "direct" and w.work == "made":
        yield "has all bytes on disk", w.going(i, at.SPOOLED, disk="whole")
        yield "gets bytes that are no film (E3), commits LOST_RESULT", _lost(w, i, without)
    elif w.kind == "direct" and w.work == "failed":
        yield "hears of a failure that may cost (E2)", _doubt(w, i, without)
    if w.losses:
        yield "does not hear what became of the request (E2)", _doubt(w._replace(losses=w.losses - 1), i, without)


def _refused(w: World, i: int, to: str, without: str) -> World:
    then = at.IDLE if to == at.QUEUED else NOTICE.look
    return settle(w, i, to, then, without, free=True)


def _doubt(w: World, i: int, without: str) -> World:
    if without == "R4":
        return w.going(i, at.SUBMIT)
    return settle(w, i, at.AMBIGUOUS, NOTICE.look, without, free=False)


def _lost(w: World, i: int, without: str) -> World:
    return settle(w, i, at.LOST_RESULT, NOTICE.look, without, free=False)


def follow(w: World, i: int, without: str) -> Steps:
    if w.work == "queued":
        withdrawn = w._replace(work="withdrawn")
        refused = settle(withdrawn, i, at.REFUSED, NOTICE.look, without, free=True)
        yield "gives up and calls it back, commits REFUSED", refused
    elif w.work == "made":
        yield "fetches all bytes", w.going(i, at.SPOOLED, disk="whole")
    elif w.work == "failed":
        yield "hears that it failed, commits LOST_RESULT", _lost(w, i, without)
    elif w.work == "withdrawn":
        yield (
            "hears that it was called back, commits CANCELLED",
            settle(w, i, at.CANCELLED, NOTICE.look, without, free=True),
        )


def account(w: World, i: int, without: str) -> Steps:
    """R10: whole bytes count, whoever received them."""
    if w.disk and without != "R10":
        yield "finds whole bytes", w.going(i, at.SPOOLED)
    else:
        yield "finds no bytes, commits AMBIGUOUS", settle(w, i, at.AMBIGUOUS, NOTICE.look, without, free=False)


def spooled(w: World, i: int, without: str) -> Steps:
    yield "begins to check it", counted(w, i, at.CHECKING)


def poisoned(w: World, i: int, without: str) -> Steps:
    yield "does not try that media again, commits POISON", settle(w, i, at.POISON, NOTICE.look, without, free=False)


def checking(w: World, i: int, without: str) -> Steps:
    """R12: bytes are down under their name before the row says so."""
    if w.poison == "check":
        yield "dies of the media", died(w, i)
    else:
        yield "checks and keeps the bytes", w.going(i, at.NAMED, crashes=0, disk=w.disk if without == "R12" else "kept")


def named(w: World, i: int, without: str) -> Steps:
    after = settle(w, i, at.RESULT, at.READY, without, free=False)
    yield "commits RESULT", after._replace(made=w.made or after.row.state == at.RESULT)


def ready(w: World, i: int, without: str) -> Steps:
    fresh = w.processes[i]._replace(fresh=True)
    if w.row.discard:
        cancelled = move(w, i, at.CANCELLED, NOTICE.look, without)
        yield "throws it away, commits CANCELLED", cancelled._replace(disk="")
    elif not w.disk:
        yield "finds its bytes gone, commits LOST_RESULT", move(w, i, at.LOST_RESULT, NOTICE.look, without)
    elif without == "R5":
        yield "goes to post, stores nothing", counted(w.at(i, fresh), i, at.FIT)
    else:
        posting = move(w.at(i, fresh), i, at.POSTING, at.FIT, without)
        begun = counted(posting, i, at.FIT) if posting.processes[i].at == at.FIT else posting
        yield "commits POSTING, begins to fit it", begun


def fit(w: World, i: int, without: str) -> Steps:
    if w.poison == "fit":
        yield "dies of the media", died(w, i)
    else:
        yield "has a film that fits", w.at(i, w.processes[i]._replace(at=FILM.send, fitted=True), crashes=0)


STEPS: dict[str, Step] = {
    at.ASKED: asked,
    at.ACK: ack,
    at.ACKING: acking,
    at.ACK_DOUBT: ack_doubt,
    at.IDLE: idle,
    at.SUBMIT: submit,
    at.CALLED: called,
    at.FOLLOW: follow,
    at.ACCOUNT: account,
    at.SPOOLED: spooled,
    at.CHECKING: checking,
    at.NAMED: named,
    at.READY: ready,
    at.FIT: fit,
    at.POISONED: poisoned,
    **steps_of(FILM),
    **steps_of(NOTICE),
}
