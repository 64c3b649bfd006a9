"""The film and the notice of a failure: each is said once, whatever is heard of it."""

from collections.abc import Callable, Iterator
from functools import partial

from tests.proof.model import world as at
from tests.proof.model.moves import MOST_CRASHES, counted, move, note_told
from tests.proof.model.world import FILM, NOTICE, Message, Said, World

Steps = Iterator[tuple[str, World]]
Step = Callable[[World, int, str], Steps]


def look(message: Message, w: World, i: int, without: str) -> Steps:
    """R7: search, then send."""
    if message is NOTICE and w.row.state not in at.FAILED:
        yield "brings the queue message up to date, commits TOLD", note_told(w, i, without)
        return
    said: Said = getattr(w, message.field)
    if said.visible and without != "R7":
        yield f"finds the {message.field}", _sent(message, w, i, without)
        return
    searched = w.at(i, w.processes[i]._replace(fresh=True))
    if message is NOTICE or searched.processes[i].fitted:
        yield f"finds no {message.field}", searched.going(i, message.send)
    elif w.crashes == MOST_CRASHES and without != "R15":
        yield "finds no film, and two processes died of fitting it", searched.going(i, at.POISONED)
    else:
        yield "finds no film, begins to fit it", counted(searched, i, at.FIT)


def send(message: Message, w: World, i: int, without: str) -> Steps:
    """R8: what was seen before the nonce was forgotten says nothing."""
    if w.processes[i].fresh or without == "R8":
        yield f"sends the {message.field}", w.going(i, message.sending)
    else:
        yield "sees that it looked too long ago", w.going(i, message.look)


def sending(message: Message, w: World, i: int, without: str) -> Steps:
    if w.closed and message is FILM:
        yield "is refused by the channel, commits UNDELIVERABLE", move(w, i, at.UNDELIVERABLE, NOTICE.look, without)
        return
    yield f"is received by Discord: {message.field}", _received(message, w, i, without)
    if w.losses:
        said: Said = getattr(w, message.field)
        stray = said._replace(strays=min(said.strays + 1, 2))
        yield (
            f"gives up waiting for the {message.field}",
            w.going(i, message.look, losses=w.losses - 1, **{message.field: stray}),
        )


def _received(message: Message, w: World, i: int, without: str) -> World:
    after = landed(w, message, without)
    known: Said = getattr(after, message.field)
    return after.going(i, message.landed if known.visible else message.gone)


def landed(w: World, message: Message, without: str) -> World:
    """R6: Discord answers a nonce that it remembers with the first message; a fresh nonce says nothing to it."""
    said: Said = getattr(w, message.field)
    if said.remembered and without != "R6":
        return w
    return another(w, message)


def another(w: World, message: Message) -> World:
    said: Said = getattr(w, message.field)
    changes: dict[str, object] = {
        message.field: said._replace(count=min(said.count + 1, 2), remembered=True, deleted="")
    }
    if said.deleted:
        changes["reposted"] = said.deleted
    return w._replace(**changes)


def received(message: Message, w: World, i: int, without: str) -> Steps:
    yield f"hears of the {message.field}", _sent(message, w, i, without)
    yield from _not_heard(message, w, i)


def gone(message: Message, w: World, i: int, without: str) -> Steps:
    """R11: a message that Discord knows and does not find was deleted by a human."""
    if without == "R11":
        yield "hears that it was deleted, posts it again", another(w, message).going(i, message.landed)
    else:
        yield "hears that it was deleted", _sent(message, w, i, without)
        yield from _not_heard(message, w, i)


def _not_heard(message: Message, w: World, i: int) -> Steps:
    if w.losses:
        yield f"does not hear of the {message.field}", w.going(i, message.look, losses=w.losses - 1)


def _sent(message: Message, w: World, i: int, without: str) -> World:
    return note_told(w, i, without) if message is NOTICE else move(w, i, at.DONE, NOTICE.look, without)


def steps_of(message: Message) -> dict[str, Step]:
    return {
        message.look: partial(look, message),
        message.send: partial(send, message),
        message.sending: partial(sending, message),
        message.landed: partial(received, message),
        message.gone: partial(gone, message),
    }
