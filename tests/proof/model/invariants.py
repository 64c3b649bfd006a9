"""What must never be seen of a job, by the names of RELIABILITY."""

from collections.abc import Callable

from tests.proof.model import world as at
from tests.proof.model.world import World

MOST_DEATHS = 2


def lost(w: World) -> bool:
    """A member who was told that it is queued hears of no end."""
    if w.ack != "shown" or any(process.at in (at.ASKED, at.ACK, at.ACKING) for process in w.processes):
        return False
    if w.row.state == at.NO_ROW:
        return True
    ended = w.row.state in at.ENDED and w.row.told
    return ended and not (w.film.count or w.notice.count or w.row.state == at.CANCELLED)


def told_twice(w: World) -> bool:
    """Two ends of one job are seen: two notices, or a film and a notice."""
    return w.notice.count + w.film.visible > 1


def posted_twice(w: World) -> bool:
    return w.film.count > 1 and not w.reposted


def paid_twice(w: World) -> bool:
    """`max_paid_attempts` is one."""
    return w.charged > 1


def paid_after_failure_or_cancel(w: World) -> bool:
    return w.charged > 0 and (w.ack == "dead" or w.said_cancelled)


def result_thrown_away(w: World) -> bool:
    """The bytes were whole, and nobody gets them."""
    return w.row.state in (at.AMBIGUOUS, at.LOST_RESULT) and (w.made or w.disk != "")


def reposted(w: World) -> bool:
    return w.reposted == "just now"


def ledger(w: World) -> bool:
    """More was charged than is reserved or settled. A backup knows nothing of what was spent since."""
    return w.charged > w.row.held and not w.restored


def crash_loop(w: World) -> bool:
    return w.deaths > MOST_DEATHS


INVARIANTS: dict[str, Callable[[World], bool]] = {
    "lost": lost,
    "told twice": told_twice,
    "posted twice": posted_twice,
    "paid twice": paid_twice,
    "paid after failure or cancel": paid_after_failure_or_cancel,
    "result thrown away": result_thrown_away,
    "reposted after deletion": reposted,
    "ledger": ledger,
    "crash loop": crash_loop,
}
STUCK = "stuck"


def broken(w: World) -> str | None:
    """The first invariant that this world breaks."""
    return next((name for name, violates in INVARIANTS.items() if violates(w)), None)
