"""Providers that fail in every way: one outcome for each request, honest about the money, and the key stays home."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from e2e_kit import Meanwhile, Play, Scene, eventually, everyone_was_told, scene

from bot.sandbox.discord import Upload
from bot.sandbox.providers import GenerationState, ProviderFault
from tests.support.media import picture, small_film

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("meanwhile")]

WAN, FAST, COG = "wan2.1-14b", "wan22-fast-t2v", "cogvideox"


@dataclass
class Elsewhere:
    """Another host, and what was sent to it."""

    address: str
    heard: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def another_host() -> AsyncIterator[Elsewhere]:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.heard.append(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + small_film())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1")
    there = Elsewhere(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield there


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def elsewhere() -> AsyncIterator[Elsewhere]:
    async with another_host() as there:
        yield there


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory, elsewhere: Elsewhere) -> AsyncIterator[Scene]:
    """Pipelet's answers name another host in every address, and every film of it has a data prefix."""
    folder = tmp_path_factory.mktemp("providers")
    async with scene(folder, pipelet_urls=elsewhere.address, pipelet_prefix="always") as playing:
        # Fifty notices in one channel are not what is tried here.
        playing.discord.options.rate_limits = False
        yield playing
        await everyone_was_told(playing)
        assert elsewhere.heard == []


NOTHING, MAYBE, SPENT = "Nothing was spent", "may have been charged", "counts as spent"
WORDS = {"refused": NOTHING, "ambiguous": MAYBE, "lost_result": SPENT}
REFUSED: list[tuple[str, Mapping[str, Any]]] = [
    *(("refused", {"status": status}) for status in (400, 413, 415, 422)),
    ("refused", {"status": 400, "body": '{"detail": "prompt: @everyone **no**\\u202e `x`"}'}),
    ("refused", {"status": 400, "body": b"\xff" * 100_000}),
]
UNCERTAIN: list[tuple[str, Mapping[str, Any]]] = [
    *(("ambiguous", {"status": status}) for status in (408, 409, 418, 500, 502, 504, 520, 527)),
    ("ambiguous", {"status": 500, "billed": True}),
    ("ambiguous", {"drop": "before_read"}),
    ("ambiguous", {"drop": "after_read"}),
    ("ambiguous", {"raw": b"\x00\x01\x02 nonsense\r\n\r\n"}),
    ("ambiguous", {"raw": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n"}),
    ("ambiguous", {"raw": b"HTTP/1.1 banana\r\n\r\n"}),
]
LOST: list[tuple[str, Mapping[str, Any]]] = [
    ("lost_result", {"drop": "mid_body"}),
    ("lost_result", {"truncate_at": 0.9}),
    ("lost_result", {"garbage": b""}),
    ("lost_result", {"garbage": b"<html>busy</html>"}),
    ("lost_result", {"garbage": b'{"error": "no"}'}),
    ("lost_result", {"garbage": b"\x00\x00\x00\x18ftypisom" + b"\x00" * 64}),
    ("lost_result", {"garbage": bytes(70 << 20)}),
    ("lost_result", {"endless": True}),
    ("lost_result", {"gzip": True}),
]
# The fifth failure of a model in ten minutes would have the others wait.
MODELS = (WAN, "skyreels", "skyreels-v2-14b-540p", "skyreels-v2-1.3b-540p")
MOST_FAILURES = 4


async def ends(it: Scene, job: str, state: str, words: str = "") -> None:
    """One ending, told once, in the words that belong to the money."""
    words = words or WORDS[state]
    row = await it.told(job)
    assert row["state"] == state
    (notice,) = it.notices(job)
    assert "failed" in notice.content
    assert words in notice.content
    assert notice.notified == [it.alice.user]
    queue_message = it.queue_message(job)
    assert queue_message is not None
    assert "failed" in queue_message.content
    assert words in queue_message.content
    assert it.films(job) == []


async def meet(it: Scene, kinds: Sequence[tuple[str, Mapping[str, Any]]], models: Sequence[str], **where: Any) -> None:
    """One request for each of these failures, one after the other; their members are told meanwhile."""
    begun = sum(it.asked(where["step"], model) for model in models)
    ended = []
    for number, (state, kind) in enumerate(kinds):
        model = models[number // MOST_FAILURES] if len(models) > 1 else models[0]
        it.providers.faults.add(ProviderFault(**where, model=model, **kind))
        job = await it.ask(model=model)
        row = await it.reaches(job, "done", "cancelled", *WORDS)
        assert row["state"] == state, str(kind)[:80]
        ended.append((job, state))
    for job, state in ended:
        await ends(it, job, state)
    # Whatever happened, nothing was submitted twice.
    assert sum(it.asked(where["step"], model) for model in models) == begun + len(kinds)


async def test_every_refusal_of_a_request_ends_its_job_once(it: Scene) -> None:
    await meet(it, REFUSED, [WAN], provider="chutes", step="generate")


async def test_every_doubt_about_a_held_open_call_ends_its_job_once(it: Scene) -> None:
    await meet(it, UNCERTAIN, MODELS, provider="chutes", step="generate")


async def every_answer_that_is_no_film_ends_its_job_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await meet(it, LOST, MODELS, provider="chutes", step="generate")


async def who_refuses_this_bot_has_its_jobs_wait_and_then_refused_for_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, environment={"MATINEE_JOBS__WAIT_MINUTES": "0.1"}) as it:
        refusals = (("chutes", "generate", "skyreels", 404), ("cogvideox", "generate", COG, 403),
                    ("pipelet", "create", FAST, 402))  # fmt: skip
        for provider, step, model, status in refusals:
            it.providers.faults.add(ProviderFault(provider=provider, step=step, model=model, status=status, times=9))
        jobs = [await it.ask(model=model) for _, _, model, _ in refusals]
        words = ("Chutes does not offer skyreels", "CogVideoX does not accept", "Pipelet finds no credit")
        messages = [it.queue_message(job) for job in jobs]
        for message, told in zip(messages, words, strict=True):
            await it.discord.until(lambda: told in message.content)  # noqa: B023  # awaited here
            assert "costs nothing" in message.content
            assert "Cancel" in message.buttons[0]["label"]
        for job in jobs:
            await ends(it, job, "refused")
        assert len(it.rows("SELECT * FROM attempts")) == len(jobs)
        await it.film(await it.ask(model=WAN))
        it.providers.faults.add(ProviderFault(provider="chutes", step="generate", model=WAN, status=401))
        refused = await it.ask(model=WAN)
        await eventually(lambda: it.job(refused)["cause"] == "unauthorized")
        also = await it.ask(model="skyreels-v2-14b-540p")
        for job in (refused, also):
            await ends(it, job, "refused")
        assert it.asked("generate", "skyreels-v2-14b-540p") == 0


async def another_model_stands_in_and_everybody_reads_so(tmp_path: Path) -> None:
    environment = {"MATINEE_MODELS": json.dumps({WAN: {"fall_back": ["skyreels", FAST]}})}
    async with scene(tmp_path, environment=environment) as it:
        for model in (WAN, "skyreels"):
            it.providers.faults.add(ProviderFault(provider="chutes", step="generate", model=model, status=404))
        job = await it.ask(model=WAN, aspect="portrait")
        film = await it.film(job)
        words = f"Made by {FAST} in place of {WAN}"
        assert words in film.content
        message = it.queue_message(job)
        assert message is not None
        await it.discord.until(lambda: "done" in message.content)
        assert words in message.content
        kept = it.rows("SELECT model, evidence, status FROM attempts ORDER BY id")
        assert [tuple(row.values()) for row in kept] == [
            (WAN, "E1", 404), ("skyreels", "E1", 404), (FAST, "made", None)
        ]  # fmt: skip
        listed = await it.alice.slash(it.channel, "queue")
        assert listed.message is not None
        await it.discord.until(lambda: any(f"{FAST} in place of {WAN}" in each.text for each in
                                           (listed.message, *listed.follow_ups)))  # fmt: skip


async def test_a_redirect_is_not_followed_and_the_key_stays_home(it: Scene, elsewhere: Elsewhere) -> None:
    away = {"redirect": f"{elsewhere.address}/film"}
    for step in ("status", "result"):
        it.providers.faults.add(ProviderFault(provider="pipelet", step=step, model=f"{FAST}-pro", **away))
    film = await it.ask(model=f"{FAST}-pro")
    await asyncio.gather(
        meet(it, [("refused", away)], [WAN], provider="chutes", step="generate"),
        meet(it, [("refused", away)], [FAST], provider="pipelet", step="create"),
        meet(it, [("refused", away | {"billed": True})], [COG], provider="cogvideox", step="generate"),
    )
    await it.film(film)
    assert elsewhere.heard == []


async def test_who_is_busy_is_asked_again_and_the_member_reads_so(it: Scene) -> None:
    made = len(it.providers.generations)
    jobs = []
    for status, model in ((503, WAN), (429, "skyreels")):
        it.providers.faults.add(
            ProviderFault(provider="chutes", step="generate", model=model, status=status, headers={"Retry-After": "8"})
        )
        jobs.append(await it.ask(model=model))
    messages, busy = [it.queue_message(job) for job in jobs], set[int]()

    def all_have_been_busy() -> bool:
        busy.update(each.id for each in messages if "Chutes is busy" in each.content)
        assert all("Cancel" in each.buttons[0]["label"] for each in messages if "Chutes is busy" in each.content)
        return len(busy) == len(jobs)

    await it.discord.until(all_have_been_busy)
    for job in jobs:
        await it.film(job)
        kept = it.rows("SELECT evidence FROM attempts WHERE job_id = ? ORDER BY id", job)
        assert [row["evidence"] for row in kept] == ["E1", "made"]
    assert len(it.providers.generations) == made + 2


async def test_who_is_down_is_tried_again_until_it_is_back(it: Scene) -> None:
    port = int(it.providers.origin.rpartition(":")[2])
    await it.providers.stop()
    job = await it.ask("image")
    message = it.queue_message(job)
    assert message is not None
    await it.discord.until(lambda: "could not be reached" in message.content)
    await it.providers.start(port=port)
    await it.film(job)
    assert [row["evidence"] for row in it.rows("SELECT evidence FROM attempts WHERE job_id = ?", job)] == ["E0", "made"]


async def test_a_server_of_ones_own_is_asked_once_more_when_it_is_well(it: Scene) -> None:
    it.providers.faults.add(ProviderFault(provider="cogvideox", step="generate", status=500))
    await it.film(await it.ask(model=COG))
    it.providers.faults.add(ProviderFault(provider="cogvideox", step="generate", status=502, times=2))
    await ends(it, await it.ask(model=COG), "ambiguous", "Nothing was charged")


CREATE: list[tuple[str, Mapping[str, Any]]] = [
    ("refused", {"status": 422, "body": '{"detail": [{"msg": "prompt is not nice"}]}'}),
    ("ambiguous", {"status": 500}),
    ("ambiguous", {"drop": "after_read"}),
    ("ambiguous", {"garbage": b'{"request": 5}'}),
    ("ambiguous", {"garbage": b'{"request_id": "../../etc"}'}),
    ("ambiguous", {"garbage": b"not json"}),
    ("ambiguous", {"garbage": b'{"request_id": "' + b"x" * 100_000 + b'"}'}),
]


async def test_every_failure_to_queue_at_pipelet_ends_the_job_once(it: Scene) -> None:
    await meet(it, CREATE, [f"{FAST}-premium", f"{FAST}-pro"], provider="pipelet", step="create")


# Each is met while one film is waited for, and costs only time.
PASSING: list[tuple[str, Mapping[str, Any]]] = [
    ("status", {"status_word": "DREAMING"}),
    ("status", {"status_word": "completed"}),
    ("status", {"status": 500}),
    ("status", {"status": 429, "headers": {"Retry-After": "1"}}),
    ("status", {"status": 400}),
    ("status", {"garbage": b'{"status": 5}'}),
    ("status", {"garbage": b"not json"}),
    ("status", {"drop": "after_read"}),
    ("result", {"status": 503}),
    ("result", {"drop": "mid_body"}),
    ("result", {"truncate_at": 0.5}),
    ("result", {"garbage": b'{"result": "???"}'}),
]


async def pipelets_hiccups_cost_time_and_no_film(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await hiccups(it)


async def hiccups(it: Scene) -> None:
    image = Upload("cat.png", picture((320, 240)))
    moving = [("video", {"model": f"wan22-fast-t2v{tier}"}) for tier in ("", "-premium", "-pro")]
    moving += [("animate", {"model": f"wan22-fast-i2v{tier}", "image": image}) for tier in ("", "-vip", "-pro")]
    asked = []
    for (step, kind), (command, options) in zip(PASSING, moving * 2, strict=True):
        it.providers.faults.add(ProviderFault(provider="pipelet", step=step, model=options["model"], **kind))
        asked.append(await it.ask(command, **options))
    for job in asked:
        await it.film(job, timeout=150)
    assert it.providers.faults.waiting == []
    assert [job for job in asked if it.notices(job)] == []
    assert [each["event"] for each in it.events() if "undocumented status" in each["event"]]


async def test_a_result_that_never_becomes_usable_is_given_up_after_three_tries(it: Scene) -> None:
    jobs = []
    for kind, model in (({"garbage": b"{}"}, FAST), ({"endless": True}, f"{FAST}-pro")):
        it.providers.faults.add(ProviderFault(provider="pipelet", step="result", model=model, times=3, **kind))
        jobs.append(await it.ask(model=model))
    for job in jobs:
        await ends(it, job, "lost_result")
    assert it.providers.faults.waiting == []


async def what_pipelet_ends_by_itself_is_told_with_its_reason(tmp_path: Path) -> None:
    async with scene(tmp_path, speed=15) as it:
        words = "@everyone `NSFW` **found**"
        for model, word in ((FAST, "FAILED"), (f"{FAST}-pro", "CANCELLED")):
            it.providers.faults.add(
                ProviderFault(provider="pipelet", step="status", model=model, status_word=word, reason=words)
            )
        failed, cancelled = [await it.ask(model=model) for model in (FAST, f"{FAST}-pro")]
        assert (await it.told(failed))["state"] == "lost_result"
        (notice,) = it.notices(failed)
        assert "reported that making it failed" in notice.content
        assert "NSFW" in notice.content
        assert "`NSFW`" not in notice.content
        assert notice.mention_everyone is False
        assert (await it.told(cancelled))["state"] == "cancelled"
        (notice,) = it.notices(cancelled)
        assert "cancelled at Pipelet" in notice.content


async def test_after_all_of_it_every_provider_still_makes_films(it: Scene) -> None:
    for model in (WAN, FAST, COG):
        await it.film(await it.ask(model=model))
    assert it.rows("SELECT * FROM attempts WHERE evidence IS NULL") == []
    billed = [each for each in it.providers.generations if each.state is not GenerationState.CANCELLED]
    attempts = it.rows("SELECT * FROM attempts WHERE evidence NOT IN ('E0', 'E1')")
    # A redirect after the work was done is the one bill that nobody can see.
    assert len(billed) <= len(attempts) + 1
    await eventually(lambda: it.alive)


PLAYS = (
    pipelets_hiccups_cost_time_and_no_film,
    what_pipelet_ends_by_itself_is_told_with_its_reason,
    every_answer_that_is_no_film_ends_its_job_once,
    who_refuses_this_bot_has_its_jobs_wait_and_then_refused_for_nothing,
    another_model_stands_in_and_everybody_reads_so,
)


async def test_that(play: Play, meanwhile: Meanwhile) -> None:
    await meanwhile[play]
