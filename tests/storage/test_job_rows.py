"""Jobs as rows: added once, moved by compare-and-set, found again."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.errors import Evidence, IllegalTransition, NotAllowed, RateLimited, Rule, Scope, Stale
from bot.domain.generation import Capability, GenerationRequest
from bot.domain.job import Artifact, Cause, Destination, Job, JobState, MediaKind, RemoteHandle
from storage.rows import to_job, to_row
from tests.support.rows import FILM, GUILD, LIMITS, MEMBER, OTHER_GUILD, OTHER_MEMBER, job, limits, request
from tests.support.store import Shop

number = st.integers(0, 2**63 - 1)
moment = st.floats(0, 2**33)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
requests = st.builds(
    GenerationRequest,
    capability=st.sampled_from(Capability),
    model=text,
    prompt=text,
    negative_prompt=st.none() | text,
    size=st.none() | st.integers(0, 9),
    duration=st.none() | moment,
    seed=st.none() | st.integers(0, 2**32 - 1),
    guidance=st.none() | st.floats(0, 20),
    spoiler=st.booleans(),
    images=st.lists(text, max_size=2).map(tuple),
)
artifacts = st.builds(
    Artifact,
    name=text,
    kind=st.sampled_from(MediaKind),
    size=number,
    sha256=text,
    width=number,
    height=number,
    codec=text,
    frames=st.none() | number,
    seconds=st.none() | moment,
    compressed=st.booleans(),
)
jobs = st.builds(
    Job,
    id=text,
    interaction_id=number,
    to=st.builds(Destination, number, number, number, number),
    request=requests,
    provider=text,
    nonce=text,
    created_at=moment,
    state=st.sampled_from(JobState),
    epoch=st.integers(0, 99),
    ack_message_id=st.none() | number,
    queued_at=st.none() | moment,
    not_before=moment,
    tries=st.integers(0, 9),
    repeated=st.booleans(),
    first_try_at=st.none() | moment,
    attempt_id=st.none() | number,
    started_at=st.none() | moment,
    remote=st.none() | st.builds(RemoteHandle, text, text),
    discard=st.none() | st.sampled_from(Cause),
    artifact=st.none() | artifacts,
    made_at=st.none() | moment,
    result_message_id=st.none() | number,
    direct=st.booleans(),
    cause=st.none() | st.sampled_from(Cause),
    detail=text,
    told=st.booleans(),
    ended_at=st.none() | moment,
    charged=st.integers(0, 9),
    held_from=st.none() | st.sampled_from(JobState),
    asked_model=st.none() | text,
    findable=st.none() | st.booleans(),
)


# Those that a job is born with, and those that only a move changes.
NOT_NOTED = {
    *("id", "interaction_id", "to", "request", "provider", "nonce", "created_at", "retry_of"),
    *("state", "epoch"),
}


@given(jobs)
def test_a_job_is_the_same_after_it_was_a_row(before: Job):
    row = to_row(before) | {"guild_id": before.to.guild_id}
    assert to_job(row) == before


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=jobs)
async def test_and_after_it_was_in_the_database(shop: Shop, wanted: Job):
    fresh = job()
    added = await shop.store.add(fresh, limits(queued_per_member=10**6, queued_per_guild=10**6))
    assert added == fresh
    facts = {name: getattr(wanted, name) for name in Job._fields if name not in NOT_NOTED}
    assert await shop.store.note(fresh, **facts) == await shop.store.get(fresh.id) == fresh._replace(**facts)


class TestAdding:
    async def test_a_job_is_there_before_anyone_is_told(self, shop: Shop):
        fresh = job()
        assert await shop.store.add(fresh, LIMITS) == await shop.store.get(fresh.id) == fresh
        assert shop.seen == [fresh]
        assert shop.points == ["before:received", "after:received"]
        assert await shop.store.get("nosuchjob1") is None

    async def test_an_interaction_becomes_one_job(self, shop: Shop):
        first = job()
        results = await asyncio.gather(
            *(shop.store.add(job(interaction_id=first.interaction_id), LIMITS) for _ in range(50))
        )
        assert sum(result is not None for result in results) == 1
        assert await shop.rows("SELECT count(*) FROM jobs") == [(1,)]
        assert len(shop.seen) == 1

    async def test_a_job_is_retried_once(self, shop: Shop):
        first = await shop.queued()
        results = await asyncio.gather(
            *(shop.store.add(job(retry_of=first.id), LIMITS) for _ in range(50)), return_exceptions=True
        )
        assert sum(isinstance(result, Job) for result in results) == 1
        refused = [result for result in results if not isinstance(result, Job)]
        assert all(isinstance(error, NotAllowed) and error.rule is Rule.ALREADY_RETRIED for error in refused)

    async def test_a_members_and_a_guilds_queue_hold_so_many_and_no_more(self, shop: Shop):
        caps = limits(queued_per_member=2, queued_per_guild=3)
        results = await asyncio.gather(
            *(shop.store.add(job(member=number % 4), caps) for number in range(20)), return_exceptions=True
        )
        assert sum(isinstance(result, Job) for result in results) == 3
        full = [result for result in results if isinstance(result, RateLimited)]
        assert len(full) == 17
        assert full[-1].scope is Scope.GUILD
        assert await shop.store.add(job(guild=OTHER_GUILD), caps)

    async def test_what_runs_or_ended_leaves_its_place(self, shop: Shop):
        caps = limits(queued_per_member=1)
        first = await shop.queued()
        with pytest.raises(RateLimited) as refused:
            await shop.store.add(job(), caps)
        assert refused.value.retry_at == shop.clock.now() + 60
        await shop.claimed()
        second = await shop.queued()
        await shop.store.move(second, JobState.CANCELLED)
        assert await shop.store.add(job(), caps)
        assert first

    async def test_the_time_to_come_back_follows_the_guilds_rate(self, shop: Shop):
        await shop.limit(jobs_per_hour=1, burst=1)
        await shop.queued()
        await shop.claimed()
        await shop.queued()
        with pytest.raises(RateLimited) as refused:
            await shop.store.add(job(), limits(queued_per_member=1, jobs_per_hour=1, burst=1))
        assert refused.value.retry_at == pytest.approx(shop.clock.now() + 3600, abs=1)


class TestMoving:
    async def test_the_row_that_was_seen_moves(self, shop: Shop):
        queued = await shop.queued()
        moved = await shop.store.move(queued, JobState.CANCELLED, cause=Cause.BY_MEMBER, ended_at=5.0)
        assert moved == await shop.store.get(queued.id) == shop.seen[-1]
        assert (moved.state, moved.epoch, moved.cause) == (JobState.CANCELLED, queued.epoch + 1, Cause.BY_MEMBER)

    async def test_of_many_one_wins(self, shop: Shop):
        queued = await shop.queued()
        results = await asyncio.gather(
            *(shop.store.move(queued, JobState.CANCELLED) for _ in range(50)), return_exceptions=True
        )
        assert sum(isinstance(result, Job) for result in results) == 1
        assert sum(isinstance(result, Stale) for result in results) == 49

    async def test_an_illegal_move_writes_nothing(self, shop: Shop):
        queued = await shop.queued()
        with pytest.raises(IllegalTransition):
            await shop.store.move(queued, JobState.DONE)
        assert await shop.store.get(queued.id) == queued

    async def test_a_fact_is_noted_without_a_move(self, shop: Shop):
        queued = await shop.queued()
        noted = await shop.store.note(queued, discard=Cause.BY_MEMBER)
        assert (noted.epoch, noted.discard) == (queued.epoch, Cause.BY_MEMBER)
        assert shop.points[-1] == "after:noted"
        await shop.store.note(noted, told=True)
        assert shop.points[-1] == "after:told"
        await shop.store.move(noted, JobState.CANCELLED)
        with pytest.raises(Stale):
            await shop.store.note(noted, told=True)

    async def test_a_result_that_was_thrown_away_stays_so_whoever_writes_next(self, shop: Shop):
        await shop.queued()
        running = await shop.claimed()
        await shop.store.note(running, discard=Cause.BY_MODERATOR)
        await shop.store.note(running, discard=Cause.BY_MEMBER)
        assert running.discard is None
        made = await shop.store.settle(running, Evidence.MADE, JobState.RESULT, artifact=FILM)
        assert made.discard is Cause.BY_MODERATOR
        assert made == await shop.store.get(running.id)

    async def test_a_job_has_files_from_its_film_on_until_they_are_gone(self, shop: Shop):
        await shop.queued()
        running = await shop.claimed()
        made = await shop.store.settle(running, Evidence.MADE, JobState.RESULT, artifact=FILM)
        ended = await shop.store.move(made, JobState.LOST_RESULT, ended_at=5.0)
        await shop.store.move(await shop.queued(), JobState.CANCELLED, ended_at=5.0)
        assert await shop.store.expired(10.0) == [ended]
        await shop.store.files_gone(ended)
        assert await shop.store.expired(10.0) == []

    async def test_a_job_that_another_model_makes_is_paid_for_as_that_one_at_once(self, shop: Shop):
        queued = await shop.queued()
        await shop.store.note(queued, request=request("wan2.1-14b"))
        assert await shop.rows("SELECT model FROM jobs") == [("wan2.1-14b",)]

    async def test_who_does_not_know_the_queue_message_yet_looks_again(self, shop: Shop):
        received = await shop.store.add(job(), LIMITS)
        cancelled = await shop.store.move(received, JobState.CANCELLED)
        await shop.store.note(cancelled, ack_message_id=77, told=False)
        with pytest.raises(Stale):
            await shop.store.note(cancelled, told=True)

    async def test_an_attempt_is_closed_with_its_move_or_not_at_all(self, shop: Shop):
        await shop.queued()
        running = await shop.claimed()
        await shop.store.settle(running, Evidence.REFUSED, JobState.REFUSED, status=400)
        with pytest.raises(Stale):
            await shop.store.settle(running, Evidence.MADE, JobState.RESULT)
        assert await shop.rows("SELECT evidence, status FROM attempts") == [("E1", 400)]


class TestFinding:
    async def test_a_start_has_to_look_at_what_is_open_or_untold(self, shop: Shop):
        received = await shop.store.add(job(created_at=1.0), LIMITS)
        queued = await shop.queued(created_at=3.0)
        ended = await shop.store.move(await shop.queued(created_at=2.0), JobState.CANCELLED)
        told = await shop.store.move(await shop.queued(), JobState.CANCELLED)
        await shop.store.note(told, told=True)
        assert await shop.store.unfinished() == [received, ended, queued]

    async def test_lists_are_of_one_guild_newest_first(self, shop: Shop):
        old, new = await shop.queued(created_at=1.0), await shop.queued(created_at=2.0)
        theirs = await shop.queued(member=OTHER_MEMBER, created_at=3.0)
        await shop.queued(guild=OTHER_GUILD)
        assert await shop.store.of_member(GUILD, MEMBER, limit=10) == [new, old]
        assert await shop.store.of_member(GUILD, MEMBER, limit=1) == [new]
        assert await shop.store.recent(GUILD) == [theirs, new, old]
        assert await shop.store.recent(GUILD, member_id=OTHER_MEMBER) == [theirs]
        assert await shop.store.recent(GUILD, state=JobState.DONE) == []

    async def test_what_is_held_is_found_without_a_look_at_all_that_ended(self, shop: Shop):
        async def add(state: JobState, jobs: int, guild: int = GUILD) -> list[Job]:
            made = [job(guild=guild, state=state, created_at=float(number)) for number in range(jobs)]
            await shop.insert("jobs", [to_row(each) for each in made])
            return made

        held = await add(JobState.HELD, 30)
        await add(JobState.HELD, 1, OTHER_GUILD)
        few = await shop.steps(shop.store.held(GUILD))
        await add(JobState.DONE, 2000)
        assert await shop.steps(shop.store.held(GUILD)) <= 1.2 * few
        assert await shop.store.held(GUILD) == held[:4:-1]

    async def test_files_are_found_until_they_are_gone(self, shop: Shop):
        plain = await shop.store.move(await shop.queued(), JobState.CANCELLED, ended_at=10.0)
        pictured = await shop.queued(request=request(images=("a.jpg",)))
        pictured = await shop.store.move(pictured, JobState.CANCELLED, ended_at=20.0)
        assert await shop.store.expired(20.0) == []
        assert await shop.store.expired(21.0) == [pictured]
        await shop.store.files_gone(pictured)
        assert await shop.store.expired(21.0) == []
        assert plain

    async def test_the_usual_time_is_the_median_of_the_last_fifty_of_model_and_size(self, shop: Shop):
        async def made(seconds: float, **kind: object) -> None:
            await shop.queued(request=request(**kind))
            running = await shop.claimed()
            shop.clock.time += seconds
            await shop.make(running)

        async def usual(**kind: object) -> float | None:
            measured = await shop.store.measured(request(**kind))
            return measured and measured.median

        assert await usual() is None
        for _ in range(30):
            await made(1000)
        for seconds in range(50):
            await made(seconds + 1, size=0)
            await made(seconds + 1)
        await made(7, model="wan22-fast-t2v-pro")
        assert await usual() == await usual(size=0) == pytest.approx(25.5)
        assert (await shop.store.measured(request())).p90 == pytest.approx(45.1)
        assert await usual(model="wan22-fast-t2v-pro") == pytest.approx(7)
        assert await usual(size=3) is None
