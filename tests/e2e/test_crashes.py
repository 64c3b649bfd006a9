"""kill -9 between every two commits: each request ends once, and is paid for at most once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from e2e_kit import Scene, eventually, scene

from bot.demo.stage import BotNotReady
from bot.sandbox.discord import Permission
from bot.sandbox.providers import ProviderFault

PIPELET, CHUTES = "wan22-fast-t2v", "wan2.1-14b"


@dataclass(frozen=True)
class Crash:
    """Where the process dies, and what the member, the channel and the provider have after the restart.

    `ends` is None where nothing was ever stored; `generations` is what the provider accepted, which is what it bills.
    """

    at: str
    ends: str | None
    films: int
    notices: int
    generations: int
    faults: Sequence[ProviderFault] = field(default=())

    def __str__(self) -> str:
        return self.at


FILM = {"ends": "done", "films": 1, "notices": 0, "generations": 1}
UNKNOWN = {"ends": "ambiguous", "films": 0, "notices": 1}

OF_BOTH = [
    Crash("before:received", None, 0, 0, 0),
    Crash("after:received", "abandoned", 0, 1, 0),
    Crash("before:queued", **FILM),
    Crash("after:queued", **FILM),
    Crash("before:submitting", **FILM),
    Crash("after:submitting", generations=0, **UNKNOWN),
    Crash("before:result", **FILM),
    Crash("after:result", **FILM),
    Crash("before:posting", **FILM),
    Crash("after:posting", **FILM),
    Crash("before:done", **FILM),
    Crash("after:done", **FILM),
    Crash("before:told", **FILM),
    Crash("after:told", **FILM),
]
OF_PIPELET = [*OF_BOTH, Crash("before:submitted", generations=1, **UNKNOWN), Crash("after:submitted", **FILM)]


def _chutes(**kind: object) -> tuple[ProviderFault, ...]:
    return (ProviderFault(provider="chutes", step="generate", **kind),)


CUT, CRASHED = _chutes(drop="after_read"), _chutes(status=400)
GARBAGE = _chutes(garbage=b"no film")
FAILING = [
    Crash("before:ambiguous", generations=1, faults=CUT, **UNKNOWN),
    Crash("after:ambiguous", generations=1, faults=CUT, **UNKNOWN),
    Crash("before:told", generations=1, faults=CUT, **UNKNOWN),
    # The provider's refusal died with the process: all that is known then is that something was sent.
    Crash("before:refused", generations=0, faults=CRASHED, **UNKNOWN),
    Crash("after:refused", "refused", 0, 1, 0, faults=CRASHED),
    Crash("before:lost_result", generations=1, faults=GARBAGE, **UNKNOWN),
    Crash("after:lost_result", "lost_result", 0, 1, 1, faults=GARBAGE),
]


async def play(crash: Crash, model: str, folder: Path) -> None:
    async with scene(folder, start=False) as it:
        for fault in crash.faults:
            it.providers.faults.add(fault)
        await it.start(MATINEE_CRASH_AT=crash.at)
        asking = asyncio.create_task(it.alice.slash(it.channel, "video", prompt="a cat", model=model))
        assert await it.died() == -signal.SIGKILL
        await it.start()
        if crash.ends is not None:
            await eventually(lambda: all(row["told"] for row in it.jobs()), 40)
        reply = await asking
        assert (reply.refusal is not None) == (crash.at in ("before:received", "after:received"))
        assert await it.stop() == 0
        check_one_outcome(it, crash)


def check_one_outcome(it: Scene, crash: Crash) -> None:
    jobs = it.jobs()
    assert [job["state"] for job in jobs] == [crash.ends] * (crash.ends is not None)
    assert (len(it.films()), len(it.notices())) == (crash.films, crash.notices)
    assert len(it.providers.generations) == crash.generations
    assert it.rows("SELECT * FROM attempts WHERE evidence IS NULL") == []
    for job in jobs:
        queue_message = it.queue_message(job["id"])
        assert (queue_message is None) == (crash.ends == "abandoned")
        if queue_message is not None:
            assert ("done" if crash.films else "failed") in queue_message.content
            assert not any("Cancel" in button["label"] for button in queue_message.buttons)
    for message in [*it.films(), *it.notices()]:
        assert message.notified == [it.alice.user]


async def play_all(crashes: Iterable[Crash], model: str, folder: Path) -> None:
    """Four at a time, each on a stage of its own; every failure is shown."""
    turn = asyncio.Semaphore(4)

    async def in_turn(number: int, crash: Crash) -> None:
        async with turn:
            try:
                await play(crash, model, folder / str(number))
            except Exception as error:
                error.add_note(f"killed {crash}, {model}")
                raise

    ended = await asyncio.gather(
        *(in_turn(number, crash) for number, crash in enumerate(crashes)), return_exceptions=True
    )
    if failures := [each for each in ended if isinstance(each, Exception)]:
        raise ExceptionGroup("not one outcome each", failures)


async def test_a_pipelet_job_ends_once_wherever_the_process_is_killed(tmp_path: Path) -> None:
    await play_all(OF_PIPELET, PIPELET, tmp_path)


async def test_a_direct_job_ends_once_wherever_the_process_is_killed(tmp_path: Path) -> None:
    await play_all(OF_BOTH, CHUTES, tmp_path)


async def kill_where_nothing_can_be_found_again(at: str, folder: Path) -> None:
    async with scene(folder, start=False) as it:
        it.channel.set_permissions(it.guild.bot, deny=Permission.READ_MESSAGE_HISTORY)
        await it.start(MATINEE_CRASH_AT=at)
        asking = asyncio.create_task(it.alice.slash(it.channel, "image", prompt="a cat"))
        assert await it.died() == -signal.SIGKILL
        await asking
        if at != "before:told":
            # The film may be posted again before this process is online.
            with suppress(BotNotReady):
                await it.start(MATINEE_CRASH_AT="before:done")
            assert await it.died() == -signal.SIGKILL
        await it.start()
        await eventually(lambda: all(row["told"] for row in it.jobs()), 40)
        assert [job["state"] for job in it.jobs()] == ["done"], at
        assert len(it.films()) == 1, at
        assert len(it.notices()) == (it.films()[0].id == it.jobs()[0]["ack_message_id"]), at


async def test_where_the_bot_may_not_look_back_two_kills_leave_one_film_and_one_word_of_it(tmp_path: Path) -> None:
    points = ("before:posting", "after:posting", "before:done", "before:told")
    async with asyncio.TaskGroup() as group:
        for number, at in enumerate(points):
            group.create_task(kill_where_nothing_can_be_found_again(at, tmp_path / str(number)))


async def test_a_failure_is_told_once_wherever_the_process_is_killed(tmp_path: Path) -> None:
    await play_all(FAILING, CHUTES, tmp_path)
