"""The jobs in memory are found by guild and member, however many there are elsewhere."""

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.job import Job, JobState
from bot.jobs.live import LiveJobs
from tests.support.rows import job

JOBS = [job(guild=number % 3, member=number % 5) for number in range(12)]
changes = st.lists(st.tuples(st.sampled_from(JOBS), st.sampled_from(JobState)), max_size=60)


@given(changes)
def test_what_is_found_is_what_was_last_heard_of_and_has_not_ended(changed: list[tuple[Job, JobState]]):
    live, last = LiveJobs(), {}
    for each, state in changed:
        last[each.id] = each._replace(state=state)
        live.update(last[each.id])
    here = [each for each in last.values() if not each.state.terminal]
    assert sorted(each.id for each in live) == sorted(each.id for each in here)
    for guild in range(3):
        of_guild = {each.id for each in live.of_guild(guild)}
        assert of_guild == {each.id for each in here if each.to.guild_id == guild}
        for member in range(5):
            of_member = [each for each in here if (each.to.guild_id, each.to.member_id) == (guild, member)]
            assert {each.id for each in live.of_member(guild, member)} == {each.id for each in of_member}
    assert all(live.get(each.id) == (None if each.state.terminal else each) for each in last.values())
