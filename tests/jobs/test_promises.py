"""The promises, held against random trouble: one outcome for each request, told; nothing paid or posted twice."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.errors import (
    Ambiguous,
    BadResponse,
    DeliveryError,
    Evidence,
    NotAllowed,
    Rejected,
    Unauthorized,
    Unavailable,
    Undeliverable,
)
from bot.domain.job import Cancelled, Completed, Failed, InProgress, InQueue, JobState, RemoteStatus, Unknown
from tests.support.crashes import CALM_SECONDS, check_promises, lives
from tests.support.outside import FILM_BYTES, GARBAGE
from tests.support.rows import MEMBER, MODERATOR, OTHER_GUILD, OTHER_MEMBER
from tests.support.world import DIRECT, QUEUED, Outside, by, running

unhurried = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

refused = st.one_of(
    st.builds(
        lambda status, wait: Unavailable("p", "busy", evidence=Evidence.REFUSED, status=status, retry_after=wait),
        st.sampled_from([429, 503]),
        st.none() | st.floats(0, 700),
    ),
    st.builds(lambda: Unavailable("p", "not sent", evidence=Evidence.NOT_SENT)),
    st.builds(lambda status: Rejected("p", "no", status=status), st.sampled_from([400, 404, 422])),
    st.builds(lambda: Unauthorized("p", "key", status=401)),
)
uncertain = st.one_of(
    st.builds(lambda status: Ambiguous("p", "?", status=status), st.sampled_from([None, 408, 500, 502])),
    st.builds(lambda: BadResponse("p", "garbage")),
)
asked_after = st.one_of(
    st.builds(lambda: Unavailable("p", "outage", evidence=Evidence.REFUSED, status=502)),
    st.builds(lambda: Rejected("p", "not found", status=404)),
    st.builds(lambda: BadResponse("p", "not JSON")),
)
in_discord = st.one_of(
    st.builds(DeliveryError, st.sampled_from(Undeliverable)),
    st.builds(lambda: OSError(28, "no space")),
    st.builds(lambda: RuntimeError("a mistake of ours")),
)
step: st.SearchStrategy[RemoteStatus] = st.one_of(
    st.builds(InQueue, st.integers(0, 3)),
    st.builds(InProgress, st.integers(0, 4), st.just(4)),
    st.just(Unknown("WARMING")),
    st.just(Completed()),
    st.just(Failed("no")),
    st.just(Cancelled()),
)
some = lambda strategy: st.lists(st.none() | strategy, max_size=4)  # noqa: E731
faults = st.fixed_dictionaries(
    {
        "refuse": some(refused),
        "submit": some(uncertain),
        "generate": some(uncertain),
        "poll": some(asked_after),
        "fetch": some(asked_after),
        "deliver": some(in_discord),
        "tell": some(st.builds(lambda: RuntimeError("a mistake of ours"))),
    }
)
asks = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from([DIRECT, QUEUED]),
            "member": st.sampled_from([MEMBER, OTHER_MEMBER]),
            "guild": st.sampled_from([11, OTHER_GUILD]),
            "acknowledge": st.just(True),
        }
    ),
    min_size=1,
    max_size=4,
)
timelines = st.lists(st.tuples(st.floats(1, 200), step), max_size=4).map(
    lambda steps: [(0.0, InQueue(1)), *sorted(steps, key=lambda each: each[0]), (300.0, Completed())]
)


def prepared(trouble: dict[str, list], timeline: list[tuple[float, RemoteStatus]], film: bytes) -> Outside:
    outside = Outside()
    outside.studio.timeline, outside.studio.film = timeline, film
    for call, errors in trouble.items():
        (outside.theatre if call in ("deliver", "tell") else outside.studio).fail(call, *errors)
    return outside


@unhurried
@given(
    asked=asks,
    trouble=faults,
    timeline=timelines,
    film=st.sampled_from([FILM_BYTES, FILM_BYTES, GARBAGE]),
    kills=st.lists(st.integers(0, 30), max_size=3),
)
async def test_whatever_fails_and_wherever_it_is_killed(asked, trouble, timeline, film: bytes, kills: Sequence[int]):
    with tempfile.TemporaryDirectory() as folder:
        await lives(Path(folder), kills, prepared(trouble, timeline, film), *asked)


act = st.tuples(
    st.floats(0, 40),
    st.sampled_from(["cancel", "throw away", "cancel as moderator", "leave", "pause", "resume", "set clock"]),
    st.integers(0, 3),
)


@unhurried
@given(asked=asks, trouble=faults, timeline=timelines, acts=st.lists(act, max_size=6))
async def test_whatever_members_and_moderators_do_meanwhile(asked, trouble, timeline, acts):
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), prepared(trouble, timeline, FILM_BYTES)) as world:
            jobs = [await world.ask(**ask) for ask in asked]
            for wait, what, which in acts:
                await world.clock.advance(wait)
                job = jobs[which % len(jobs)]
                await _act(world, what, job)
            await world.policies.resume(11, MODERATOR)
            await world.clock.advance(CALM_SECONDS)
            await check_promises(world)
            thrown = {job.id for job in [await world.job(job) for job in jobs] if job.discard}
            assert not thrown & {name for name, _ in world.theatre.films.values()}


async def _act(world, what: str, job) -> None:
    guild = job.to.guild_id
    try:
        match what:
            case "cancel":
                after = await world.jobs.cancel(job.id, by(job.to.member_id, guild))
                assert after.state is JobState.CANCELLED or after.state.active
            case "cancel as moderator":
                await world.jobs.cancel(job.id, by(MODERATOR, guild))
            case "throw away":
                await world.jobs.throw_away(job.id, by(job.to.member_id, guild))
            case "leave":
                await world.guilds.left(OTHER_GUILD)
            case "pause":
                await world.policies.pause(11, MODERATOR, "wait")
            case "resume":
                await world.policies.resume(11, MODERATOR)
            case "set clock":
                world.clock.set_wall_clock(-20)
    except NotAllowed:
        pass
