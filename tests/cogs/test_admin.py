"""`/admin`: in force at once, scoped to the guild, recorded, and only for whom Discord says may manage it now."""

import pytest
from cogs_kit import OPERATOR, World, words

from bot.domain.job import Cause, Job, JobState
from bot.domain.limits import GuildLimits
from storage.policy_store import SqlitePolicyStore


async def kept(world: World) -> object:
    """What a restart would find."""
    return await SqlitePolicyStore(world.matinee.database).policy(world.guild.id)


async def refused(world: World, expected: str) -> None:
    assert expected in words(await world.alice.slash(world.channel, "video", prompt="a cat"))
    assert await world.matinee.all_jobs() == []


async def test_limits_are_set_within_the_operators_and_in_force_at_once(world: World) -> None:
    shown = words(await world.admin.slash(world.channel, "admin limits set", queued_per_member=1, jobs_per_hour=2.5))
    assert "`queued_per_member` 1 (the operator allows 3)" in shown
    await world.ask()
    assert "1 job of one member" in words(await world.alice.slash(world.channel, "video", prompt="another"))
    assert "`jobs_per_hour` 2.5" in words(await world.admin.slash(world.channel, "admin limits show"))
    assert (await kept(world)).own_limits == {"queued_per_member": 1, "jobs_per_hour": 2.5}
    assert await world.matinee.audited() == [("limits set", world.admin.id)]


async def test_what_a_guild_spends_in_a_day_has_no_limit_until_one_is_set(world: World) -> None:
    assert "`spend_per_day` any (the operator allows any)" in words(
        await world.admin.slash(world.channel, "admin limits show")
    )
    shown = words(await world.admin.slash(world.channel, "admin limits set", spend_per_day=2.5))
    assert "`spend_per_day` 2.5 (the operator allows any)" in shown


async def test_limits_beyond_the_operators_are_refused_by_name(world: World) -> None:
    assert "`burst` takes at most 5" in words(await world.admin.slash(world.channel, "admin limits set", burst=6))
    assert await world.matinee.policies.limits(world.guild.id) == OPERATOR
    assert "at least one" in words(await world.admin.slash(world.channel, "admin limits set"))


@pytest.mark.parametrize("value", [0, -5])
async def test_a_limit_that_would_stop_everything_for_good_is_refused(world: World, value: int) -> None:
    options = [{"name": "burst", "type": 4, "value": value}]
    answer = words(await world.raw(world.admin, admin("limits", "set", options)))
    assert answer == f"`burst` takes at least 1; you gave {value}."
    assert await world.matinee.policies.limits(world.guild.id) == OPERATOR


async def test_a_denied_model_is_refused_until_it_is_allowed_again(world: World) -> None:
    words(await world.admin.slash(world.channel, "admin models deny", model="wan2.1-14b"))
    refusal = words(await world.alice.slash(world.channel, "video", prompt="a cat", model="wan2.1-14b"))
    assert "switched wan2.1-14b off" in refusal
    offered = await world.admin.autocomplete(world.channel, "admin models allow", "model", "")
    assert [choice["value"] for choice in offered] == ["wan2.1-14b"]
    words(await world.admin.slash(world.channel, "admin models allow", model="wan2.1-14b"))
    await world.ask(model="wan2.1-14b")
    assert [verb for verb, _ in await world.matinee.audited()] == ["models deny", "models allow"]


async def test_a_default_is_used_when_no_model_is_named(world: World) -> None:
    offered = await world.admin.autocomplete(world.channel, "admin models default", "model", "sky", command="animate")
    assert {choice["value"] for choice in offered} >= {"skyreels", "skyreels-v2-14b-540p"}
    words(await world.admin.slash(world.channel, "admin models default", command="video", model="wan2.1-14b"))
    job, _ = await world.ask()
    assert job.request.model == "wan2.1-14b"


@pytest.mark.parametrize(("model", "expected"), [("qwen-image", "for `/image`"), ("nothing", "no such model")])
async def test_a_default_has_to_be_a_model_of_that_command(world: World, model: str, expected: str) -> None:
    result = await world.admin.slash(world.channel, "admin models default", command="video", model=model)
    assert expected in words(result)
    assert await world.matinee.audited() == []


async def test_an_unknown_model_cannot_be_denied(world: World) -> None:
    assert "no such model" in words(await world.admin.slash(world.channel, "admin models deny", model="@here"))


async def test_channels_are_allowed_and_cleared(world: World) -> None:
    films = world.guild.create_text_channel("films")
    words(await world.admin.slash(world.channel, "admin channels allow", channel=films))
    await refused(world, f"It is allowed in <#{films.id}>.")
    result = await world.alice.slash(films, "video", prompt="a cat")
    assert result.response is not None
    assert not result.response.ephemeral
    words(await world.admin.slash(world.channel, "admin channels clear"))
    await world.ask()


async def test_a_blocked_member_reads_why_and_until_when(world: World) -> None:
    await world.admin.slash(world.channel, "admin block", member=world.alice, reason="`@everyone` spam", until="2h")
    await refused(world, "blocked you from Matinee in this guild; it ends <t:1800007200:R>. The reason given: `")
    assert f"<@{world.alice.id}> · ends" in words(await world.admin.slash(world.channel, "admin blocked"))
    assert "not blocked any more" in words(await world.admin.slash(world.channel, "admin unblock", member=world.alice))
    await world.ask()
    assert "was not blocked" in words(await world.admin.slash(world.channel, "admin unblock", member=world.alice))
    assert [verb for verb, _ in await world.matinee.audited()] == ["block", "unblock"]


async def test_a_block_ends_by_itself(world: World) -> None:
    await world.admin.slash(world.channel, "admin block", member=world.alice, until="30m")
    world.matinee.clock.passed += 1801
    await world.ask()


@pytest.mark.parametrize("until", ["soon", "0h", "2020-01-01", "99999w9", "-3h", "2027-13-01", "٢h"])
async def test_an_end_that_cannot_be_read_is_refused_with_the_formats(world: World, until: str) -> None:
    result = await world.admin.slash(world.channel, "admin block", member=world.alice, until=until)
    assert "`until` takes a length such as `2h`, `7d` or `30m`" in words(result)
    assert await world.matinee.audited() == []


@pytest.mark.parametrize(
    ("until", "end"), [("2027-02-01", 1801440000), ("2027-02-01T00:00:00+01:00", 1801436400), ("1 W", 1800604800)]
)
async def test_ends_are_dates_in_utc_or_lengths(world: World, until: str, end: int) -> None:
    answer = words(await world.admin.slash(world.channel, "admin block", member=world.alice, until=until))
    assert f"<t:{end}:R>" in answer


async def test_pausing_refuses_with_the_reason_until_it_is_resumed(world: World) -> None:
    words(await world.admin.slash(world.channel, "admin pause", reason="too hot"))
    await refused(world, "The reason given: `too hot`")
    words(await world.admin.slash(world.channel, "admin resume"))
    await world.ask()
    words(await world.admin.slash(world.channel, "admin pause"))
    assert "has paused" in words(await world.alice.slash(world.channel, "video", prompt="a cat"))


async def test_recent_jobs_are_listed_by_member_and_state(world: World) -> None:
    job, _ = await world.ask()
    await world.bob.slash(world.channel, "video", prompt="a dog")
    everyone = words(await world.admin.slash(world.channel, "admin jobs"))
    assert f"<@{world.alice.id}>" in everyone
    assert f"<@{world.bob.id}>" in everyone
    hers = words(await world.admin.slash(world.channel, "admin jobs", member=world.alice, state="queued"))
    assert job.id in hers
    assert f"<@{world.bob.id}>" not in hers
    assert "No job fits." in words(await world.admin.slash(world.channel, "admin jobs", state="done"))


async def test_any_job_of_the_guild_is_cancelled_and_completed(world: World) -> None:
    job, _ = await world.ask()
    offered = await world.admin.autocomplete(world.channel, "admin cancel", "job", "cat")
    assert [choice["value"] for choice in offered] == [job.id]
    assert "cancelled" in words(await world.admin.slash(world.channel, "admin cancel", job=job.id))
    ended = await world.matinee.only_job()
    assert (ended.state, ended.cause) == (JobState.CANCELLED, Cause.BY_MODERATOR)
    assert await world.matinee.audited() == [("cancel", world.admin.id)]


def admin(group: str | None, name: str, options: list[dict[str, object]] | None = None) -> dict[str, object]:
    leaf = {"name": name, "type": 1, "options": options or []}
    inner = leaf if group is None else {"name": group, "type": 2, "options": [leaf]}
    return {"id": "1", "name": "admin", "type": 1, "options": [inner]}


MODEL = [{"name": "model", "type": 3, "value": "wan2.1-14b"}]
JOB = [{"name": "job", "type": 3, "value": "job0000001"}]


@pytest.mark.parametrize(
    "data",
    [
        admin("limits", "show"),
        admin("limits", "set", [{"name": "burst", "type": 4, "value": 1}]),
        admin("models", "allow", MODEL),
        admin("models", "deny", MODEL),
        admin("models", "default", [*MODEL, {"name": "command", "type": 3, "value": "video"}]),
        admin("channels", "allow", [{"name": "channel", "type": 7, "value": "1"}]),
        admin("channels", "clear"),
        admin(None, "block", [{"name": "member", "type": 6, "value": "1"}]),
        admin(None, "unblock", [{"name": "member", "type": 6, "value": "1"}]),
        admin(None, "blocked"),
        admin(None, "jobs"),
        admin(None, "cancel", JOB),
        admin(None, "pause"),
        admin(None, "resume"),
    ],
    ids=lambda data: data["options"][0]["name"],
)
async def test_without_the_permission_in_this_payload_every_command_is_refused(world: World, data: object) -> None:
    await world.ask()
    for actor in (world.bob, world.mod):
        assert "Only moderators may do that" in words(await world.raw(actor, data))
    assert (await world.matinee.only_job()).state is JobState.QUEUED
    assert await world.matinee.audited() == []


async def test_other_members_prompts_do_not_complete_without_the_permission(world: World) -> None:
    await world.ask(prompt="a secret")
    data = admin(None, "cancel", [{"name": "job", "type": 3, "value": "", "focused": True}])
    assert (await world.raw(world.bob, data, 4)).autocomplete_choices == []
    assert len((await world.raw(world.admin, data, 4)).autocomplete_choices or []) == 1


async def test_one_guilds_rules_are_not_anothers(world: World) -> None:
    await world.matinee.policies.pause(1, 1, "elsewhere")
    await world.ask()
    assert isinstance(await world.matinee.policies.limits(1), GuildLimits)


async def held(world: World, prompt: str) -> Job:
    """A waiting job as a start finds it after a backup was restored."""
    job, _ = await world.ask(prompt=prompt)
    store = world.matinee.store
    return await store.move(job, JobState.HELD, held_from=JobState.QUEUED, cause=Cause.RESTORED, told=True)


async def state(world: World, job: Job) -> JobState:
    found = await world.matinee.store.get(job.id)
    assert found is not None
    return found.state


async def test_held_jobs_are_listed_and_released_with_what_that_means(world: World) -> None:
    assert "No job of this guild is held" in words(await world.admin.slash(world.channel, "admin held list"))
    jobs = [await held(world, "a cat"), await held(world, "a dog")]
    shown = words(await world.admin.slash(world.channel, "admin held list"))
    assert all(f"`{job.id}`" in shown for job in jobs)
    assert "cost again" in shown
    told = words(await world.admin.slash(world.channel, "admin held release"))
    assert "made or posted since the backup" in told
    assert "goes on from where it was" in told
    assert [await state(world, job) for job in jobs] == [JobState.QUEUED] * 2
    assert await world.matinee.audited() == [("held release", world.admin.id)] * 2


async def test_one_held_job_is_released_and_another_dropped(world: World) -> None:
    first, second = await held(world, "a cat"), await held(world, "a dog")
    offered = await world.admin.autocomplete(world.channel, "admin held release", "job", "")
    assert {choice["value"] for choice in offered} == {first.id, second.id}
    words(await world.admin.slash(world.channel, "admin held release", job=first.id.upper()))
    assert "may have been charged" in words(await world.admin.slash(world.channel, "admin held drop", job=second.id))
    assert [await state(world, job) for job in (first, second)] == [JobState.QUEUED, JobState.CANCELLED]
    assert "too late" in words(await world.admin.slash(world.channel, "admin held drop", job=second.id))
    assert [verb for verb, _ in await world.matinee.audited()] == ["held release", "held drop"]


async def test_held_jobs_are_for_who_manages_the_guild(world: World) -> None:
    job = await held(world, "a cat")
    for verb in ("list", "release", "drop"):
        assert "Manage Server" in words(await world.raw(world.mod, admin("held", verb, [])))
    typed = [{"name": "job", "type": 3, "value": "", "focused": True}]
    offered = await world.raw(world.mod, admin("held", "release", typed), 4)
    assert not offered.autocomplete_choices
    assert await state(world, job) is JobState.HELD
