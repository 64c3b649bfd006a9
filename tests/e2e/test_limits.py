"""How fast a guild may start, how much it may hold, whose turn it is; and how a request is taken back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import crafted
import pytest
import pytest_asyncio
from e2e_kit import Meanwhile, Play, Scene, eventually, everyone_was_told, job_of, private, scene

from bot.sandbox.providers import GenerationState, ProviderFault

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("meanwhile")]

WAN, FAST, COG = "wan2.1-14b", "wan22-fast-t2v", "cogvideox"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("limits"), speed=30, pipelet_workers=1) as playing:
        yield playing
        playing.providers.faults.clear()
        await everyone_was_told(playing)


async def the_rate_is_kept_over_a_restart_and_what_cost_nothing_does_not_count(tmp_path: Path) -> None:
    # Two at once, then one in six seconds.
    limits = {"burst": 2, "jobs_per_hour": 600}
    async with scene(tmp_path, limits=limits) as it:
        it.providers.faults.add(ProviderFault(provider="chutes", step="generate", status=400))
        await it.reaches(await it.ask("image"), "refused")
        jobs = [await it.ask("image") for _ in range(4)]
        await it.reaches(jobs[1], "submitting", "result", "posting", "done")
        assert await it.stop() == 0
        assert it.job(jobs[3])["state"] == "queued"
        await it.start()
        for job in jobs:
            await it.reaches(job, "done")
        paid = it.rows("SELECT started_at FROM attempts WHERE evidence NOT IN ('E0', 'E1') ORDER BY id")
        times = [row["started_at"] for row in paid]
        assert len(times) == 4
        for first, begin in enumerate(times):
            for last in range(first, len(times)):
                assert last - first + 1 <= 2 + 600 * (times[last] - begin) / 3600 + 1e-6
        assert times[1] - times[0] < 6
        await everyone_was_told(it)


async def most_at_once(it: Scene, expected: int, jobs: list[str]) -> None:
    """Waits for all of them, and looks at how many were ever under way together."""
    seen = 0
    names = ", ".join("?" * len(jobs))

    def finished() -> bool:
        nonlocal seen
        states = [row["state"] for row in it.rows(f"SELECT state FROM jobs WHERE id IN ({names})", *jobs)]
        seen = max(seen, sum(state in ("submitting", "submitted") for state in states))
        return all(state in ("done", "posting", "result") for state in states)

    await eventually(finished, 60)
    assert seen == expected


async def a_member_holds_no_more_than_allowed_and_the_guild_neither(it: Scene) -> None:
    place = it.elsewhere("Capped")
    await place.mara.slash(place.channel, "admin limits set", active_per_member=1, active_per_guild=2)
    mine = [await place.ask("image") for _ in range(3)]
    await most_at_once(it, 1, mine)
    everyones = [
        await place.ask("image", member=member) for member in (place.alice, place.ben, place.chen) for _ in range(2)
    ]
    await most_at_once(it, 2, everyones)


async def one_members_flood_delays_anothers_request_by_one_turn(it: Scene) -> None:
    place = it.elsewhere("Fair")
    await place.mara.slash(place.channel, "admin limits set", active_per_guild=1)
    flood = [await place.ask("image") for _ in range(6)]
    single = await place.ask("image", member=place.ben)
    await it.reaches(single, "done")
    assert len([job for job in flood if it.job(job)["started_at"]]) <= 3
    for job in flood:
        await it.reaches(job, "done", timeout=60)


async def test_a_queued_request_is_cancelled_for_nothing_by_button_or_command(it: Scene) -> None:
    place = it.elsewhere("Waiting")
    await place.mara.slash(place.channel, "admin limits set", burst=1, jobs_per_hour=1)
    await it.reaches(await place.ask("image"), "done")
    for by_button in (True, False):
        job = await place.ask("image", prompt="never mind")
        (choice,) = await place.alice.complete(place.channel, "cancel", focused="job", job="never")
        assert choice["value"] == job
        assert await place.ben.complete(place.channel, "cancel", focused="job", job="") == []
        message = place.queue_message(job)
        assert message is not None
        text = private(
            await place.alice.press(message, "Cancel")
            if by_button
            else await place.alice.slash(place.channel, "cancel", job=choice["value"])
        )
        assert "cancelled" in text
        assert "Nothing was spent" in text
        await it.discord.until(lambda: "cancelled" in message.content)  # noqa: B023
        assert message.buttons == []
        assert it.notices(job) == []
    assert "never mind" not in [each.body["prompt"] for each in it.providers.generations]


async def what_waits_at_pipelet_is_cancelled_there_and_not_billed(it: Scene) -> None:
    # Six seconds each, one after the other: who comes behind them waits for as long as this takes.
    ahead = [await it.ask(model=FAST, quality="high") for _ in range(2)]
    at_work = await eventually(lambda: [each for each in it.providers.generations if each.model == FAST])
    assert at_work[0].state is GenerationState.RUNNING
    for fault in (None, {"drop": "after_read"}, {"status": 503}):
        waiting = await it.ask(model=FAST)
        await it.reaches(waiting, "submitted")
        if fault:
            it.providers.faults.add(ProviderFault(provider="pipelet", step="cancel", **fault))
        message = it.queue_message(waiting)
        assert message is not None
        reply = await it.alice.press(message, "Cancel")
        await it.discord.until(lambda: "cancelled" in private(reply))  # noqa: B023  # it is over before the next one
        assert (await it.reaches(waiting, "cancelled"))["state"] == "cancelled"
        assert [each.billed for each in it.providers.generations if each.model == FAST][-1] is False
    for job in ahead:
        await it.film(job)


async def what_has_started_runs_on_and_its_film_is_thrown_away_when_asked(it: Scene) -> None:
    jobs = [await it.ask(model="wan22-fast-t2v-pro", quality="high"), await it.ask(model=WAN)]
    await it.reaches(jobs[0], "submitted")
    await it.reaches(jobs[1], "submitting")
    await eventually(lambda: it.asked("create", "wan22-fast-t2v-pro") and it.asked("generate", WAN))
    for job in jobs:
        message = it.queue_message(job)
        assert message is not None
        reply = await it.alice.press(message, "Cancel")
        assert "may be charged whatever happens" in private(reply)
        assert reply.message is not None
        await crafted.press(it, f"v1:discard:{job}", message)
        assert "thrown away" in private(await it.alice.press(reply.message, "Throw"))
    for job in jobs:
        row = await it.told(job)
        assert row["state"] == "cancelled"
        assert it.films(job) == []
        assert it.notices(job) == []
        assert not list((it.stage.folder / "media" / "artifacts").rglob(f"*{job}*"))


async def a_retry_asks_the_same_again_and_works_once_for_the_requester(it: Scene) -> None:
    it.providers.faults.add(ProviderFault(provider="chutes", step="generate", model="skyreels", drop="after_read"))
    job = await it.ask(model="skyreels", seed=77, prompt="again, please")
    await it.told(job)
    (notice,) = it.notices(job)
    message = it.queue_message(job)
    assert message is not None
    assert "somebody else's" in private(await it.ben.press(notice, "Retry"))
    assert "somebody else's" in private(await it.mara.press(notice, "Retry"))
    twice = await asyncio.gather(it.alice.press(notice, "Retry"), it.alice.press(message, "Retry"))
    again = [job_of(reply) for reply in twice if not reply.ephemeral]
    assert len(again) == 1
    (refused,) = [private(reply) for reply in twice if reply.ephemeral]
    assert "once" in refused
    await it.film(again[0])
    bodies = [each.body for each in it.providers.generations if each.body["prompt"] == "again, please"]
    assert [body["seed"] for body in bodies] == [77, 77]
    assert "once" in private(await it.alice.press(notice, "Retry"))


async def test_a_moderator_cancels_anybodys_and_the_member_is_told(it: Scene) -> None:
    place = it.elsewhere("Moderated")
    await place.mara.slash(place.channel, "admin limits set", burst=1, jobs_per_hour=1)
    await it.reaches(await place.ask("image"), "done")
    job = await place.ask("image")
    began = time.monotonic()
    assert "cancelled" in private(await place.mara.slash(place.channel, "admin cancel", job=job))
    await it.told(job)
    assert time.monotonic() - began < 10
    (notice,) = it.notices(job)
    assert "moderator" in notice.content
    assert notice.notified == [it.alice.user]


PLAYS = (
    a_member_holds_no_more_than_allowed_and_the_guild_neither,
    one_members_flood_delays_anothers_request_by_one_turn,
    what_waits_at_pipelet_is_cancelled_there_and_not_billed,
    what_has_started_runs_on_and_its_film_is_thrown_away_when_asked,
    a_retry_asks_the_same_again_and_works_once_for_the_requester,
    the_rate_is_kept_over_a_restart_and_what_cost_nothing_does_not_count,
)


async def test_that(play: Play, meanwhile: Meanwhile) -> None:
    await meanwhile[play]
