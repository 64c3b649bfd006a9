"""The protocol's controls: where the code holds each, and what follows when it is taken away."""

from typing import NamedTuple

from tests.proof.model.world import World

KINDS = ("direct", "queue")


class Bounds(NamedTuple):
    """How often at most each may happen to one job."""

    kills: int = 1
    losses: int = 1
    outages: int = 1
    presses: int = 0
    deletions: int = 0
    restores: int = 0


# At every step a process can be killed, an answer lost, a nonce forgotten; a backup comes back in a second search.
FULL = (Bounds(kills=3, losses=2, outages=2, presses=1, deletions=1), Bounds(restores=1))


class Control(NamedTuple):
    """`breaks` is the invariant that falls without it, at providers of these `kinds`."""

    name: str
    rule: str
    place: str
    breaks: str
    kinds: tuple[str, ...] = KINDS
    bounds: Bounds = Bounds()


CONTROLS = (
    Control("R1", "RECEIVED is committed before the acknowledgement", "jobs.service accept", "lost"),
    Control(
        "R2", "an unheard acknowledgement is looked up, else abandoned", "cogs._acknowledge, jobs.recovery",
        "paid after failure or cancel",
    ),
    Control("R3", "SUBMITTING is committed before a byte leaves", "storage.claims", "paid twice"),
    Control("R4", "what may have been paid for is not asked again", "jobs.submission", "paid twice"),
    Control("R5", "POSTING is committed before anything is posted", "jobs.runner", "posted twice"),
    Control("R6", "one nonce for life", "domain.job, delivery.channel", "posted twice"),
    Control("R7", "after any doubt the channel is searched", "delivery.line, delivery.history", "posted twice"),
    Control("R8", "nothing is sent on old knowledge", "age, delivery.line", "posted twice"),
    Control(
        "R9", "a move compares state and epoch", "storage.rows", "paid after failure or cancel",
        bounds=Bounds(presses=1),
    ),
    Control(
        "flock", "one process has the data folder", "storage.tenancy", "result thrown away",
        kinds=("direct",), bounds=Bounds(kills=0, losses=0, outages=0),
    ),
    Control(
        "R10", "whole bytes count, whoever received them", "jobs.recovery", "result thrown away", kinds=("direct",)
    ),
    Control(
        "R11", "a film that a human deleted stays deleted", "delivery.channel", "reposted after deletion",
        bounds=Bounds(deletions=1),
    ),
    Control("R12", "bytes are fsynced and named before RESULT", "media.artifacts", "result thrown away"),
    Control("R13 reserve", "the claim reserves what it may cost", "storage.claims", "ledger"),
    Control("R13 release", "only proof of no charge releases it", "storage.claims", "ledger"),
    Control(
        "R14", "after a restore nothing goes on by itself", "storage.witness", "paid twice",
        bounds=Bounds(restores=1),
    ),
    Control("R15", "media that killed two processes is left alone", "jobs.recovery, media.artifacts", "crash loop"),
)  # fmt: skip


def starts(kind: str, bounds: Bounds) -> list[World]:
    """An ordinary job; media that kills, when checked or when fitted; a channel that takes no film."""
    world = World(kind, **bounds._asdict())
    return [world, world._replace(poison="check"), world._replace(poison="fit"), world._replace(closed=True)]
