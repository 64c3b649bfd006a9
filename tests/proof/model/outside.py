"""What providers, Discord, members and machines do: each a step that may happen whenever its conditions hold."""

from collections.abc import Callable

from tests.proof.model import world as at
from tests.proof.model.moves import MOST_CRASHES, found, outdated
from tests.proof.model.posting import Steps, landed
from tests.proof.model.world import FILM, NOTICE, Process, Row, Said, World

_CANCELLABLE = frozenset({at.RECEIVED, at.QUEUED, at.SUBMITTING, at.SUBMITTED})


def provider(w: World, without: str) -> Steps:
    match w.work:
        case "sent":
            yield "the provider refuses", w._replace(work="refused")
            yield "the provider accepts", _charged(w) if w.kind == "direct" else w._replace(work="queued")
        case "queued":
            yield "the provider begins", _charged(w)
        case "running":
            yield "the provider has made it", w._replace(work="made")
            yield "the provider fails", w._replace(work="failed")


def _charged(w: World) -> World:
    """The worst that can be: whatever was begun is charged."""
    return w._replace(work="running", charged=min(w.charged + 1, 2))


def discord(w: World, without: str) -> Steps:
    if w.ack == "flying":
        yield "Discord shows the acknowledgement", w._replace(ack="shown")
        yield "the acknowledgement comes too late", w._replace(ack="dead")
    elif not w.ack and all(process.at not in (at.ASKED, at.ACK) for process in w.processes):
        yield "the member sees the command fail", w._replace(ack="dead")
    for message in (FILM, NOTICE):
        said: Said = getattr(w, message.field)
        if said.strays and not (w.closed and message is FILM):
            fewer = w._replace(**{message.field: said._replace(strays=said.strays - 1)})
            yield f"a stray {message.field} lands", landed(fewer, message, without)


def outage(w: World, without: str) -> Steps:
    """Long enough that Discord forgets nonces; a process may have slept through it, at any of its steps."""
    if not w.outages or w.ack == "flying" or (w.settled and not w.restores):
        return
    if any(process.at in at.IN_FLIGHT for process in w.processes):
        return
    if not (w.film.remembered or w.film.strays or w.notice.remembered or w.notice.strays):
        return
    yield (
        "time passes, nonces are forgotten",
        w._replace(
            outages=w.outages - 1,
            film=w.film._replace(remembered=False, strays=0, deleted=w.film.deleted and "long ago"),
            notice=w.notice._replace(remembered=False, strays=0),
            processes=tuple(process._replace(fresh=process.at == at.OFF) for process in w.processes),
        ),
    )


def human(w: World, without: str) -> Steps:
    if w.deletions and w.film.visible and (w.restores or not w.settled):
        deleted = "just now" if w.film.remembered else "long ago"
        yield (
            "a human deletes the film",
            w._replace(deletions=w.deletions - 1, film=w.film._replace(deleted=deleted)),
        )


def member(w: World, without: str) -> Steps:
    """`service.cancel`: find, then move what was found; who finds it moved finds again."""
    if all(process.at == at.OFF for process in w.processes):
        return
    if w.presses and w.ack == "shown" and w.row.state in _CANCELLABLE:
        yield "a member presses Cancel", w._replace(presses=w.presses - 1, press=w.row.state, press_stale=False)
    if w.press:
        yield from _pressed(w, without)


def _pressed(w: World, without: str) -> Steps:
    over = w._replace(press="", press_stale=False)
    if w.press_stale and without != "R9":
        again = w.row.state if w.row.state in _CANCELLABLE else ""
        yield "the cancel finds the row moved", w._replace(press=again, press_stale=False)
    elif w.press == at.RECEIVED:
        marked = over.row._replace(discard=True)
        yield "the cancel is noted until the acknowledgement is found", over._replace(row=marked, said_cancelled=True)
    elif w.press == at.QUEUED:
        yield "the cancel commits CANCELLED", _cancelled(over)
    elif w.press == at.SUBMITTED and w.work == "queued":
        yield "the provider calls it back for the cancel", w._replace(work="withdrawn")
    elif w.press == at.SUBMITTED and w.work == "withdrawn":
        free = over._replace(row=over.row._replace(held=max(over.row.held - 1, 0)))
        yield "the cancel commits CANCELLED", _cancelled(free)
        yield "the cancel is not confirmed", over
    else:
        yield "the result will be thrown away", over._replace(row=over.row._replace(discard=True))


def _cancelled(w: World) -> World:
    return outdated(w._replace(row=w.row._replace(state=at.CANCELLED, told=False), said_cancelled=True))


def machine(w: World, without: str) -> Steps:
    for i, process in enumerate(w.processes):
        if process.at == at.OFF:
            yield from _start(w, i, without)
        elif w.kills and not w.settled:
            killed = _killed(w, i)
            yield f"kill -9 in {process.at!r}", killed
            if w.disk == "whole":
                yield f"power cut in {process.at!r}", killed._replace(disk="")


def _killed(w: World, i: int) -> World:
    """What it had sent may still land."""
    strays: dict[str, Said] = {}
    for message in (FILM, NOTICE):
        if w.processes[i].at == message.sending:
            said: Said = getattr(w, message.field)
            strays[message.field] = said._replace(strays=min(said.strays + 1, 2))
    return w.at(i, Process(), kills=w.kills - 1, press="", press_stale=False, **strays)


def _start(w: World, i: int, without: str) -> Steps:
    """flock: one process has the data folder. R14: a start on an older database than the side file knows holds back."""
    other = w.processes[1 - i].at
    if (i == 1) == (other == at.OFF) or (other != at.OFF and without != "flock") or w.settled:
        return
    row = w.row
    if w.restored == "new" and without != "R14" and row.state not in at.ENDED:
        row = row._replace(state=at.HELD)
    begun = w._replace(row=row, restored=w.restored and "seen")
    if w.crashes == MOST_CRASHES:
        # Two more have lived since; what an earlier one had sent is over.
        begun = begun._replace(film=w.film._replace(strays=0))
    who = "a process" if other == at.OFF else "a second process"
    yield f"{who} starts", begun.at(i, Process(found(begun, without)))


def backup(w: World, without: str) -> Steps:
    if not w.restores:
        return
    if w.backup is None and w.row.state != at.NO_ROW:
        yield "a backup is made", w._replace(backup=w.row)
    elif w.backup is not None and w.backup != w.row and all(process.at == at.OFF for process in w.processes):
        older: Row = w.backup
        yield "the backup is restored", w._replace(row=older, backup=None, restored="new", restores=w.restores - 1)


ENVIRONMENT: tuple[Callable[[World, str], Steps], ...] = (
    provider,
    discord,
    outage,
    human,
    member,
    machine,
    backup,
)
