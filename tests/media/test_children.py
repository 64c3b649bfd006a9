"""Children: one order each, limits that hold, and nobody left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from bot.media._child import ChildFailed, Children, Closing, Limits

LIMITS = Limits(memory=512 << 20, cpu=2, wall=5, written=1 << 20)
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    pool = Children("unruly_work", LIMITS, at_once=2, spares=2)
    await pool.start()
    yield pool
    await pool.close()


def offspring() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "bot.media._worker" in " ".join(child.cmdline())]


async def test_a_child_inherits_no_environment_and_no_folder(children: Children) -> None:
    answer = await children.ask({"do": "answer"})
    assert set(answer["environment"]) <= {"MALLOC_ARENA_MAX", "LD_LIBRARY_PATH", "LC_CTYPE"}
    assert answer["path"] == "/"


async def test_every_order_gets_a_process_of_its_own(children: Children) -> None:
    answers = [await children.ask({"do": "answer"}) for _ in range(5)]
    assert len({answer["pid"] for answer in answers}) == 5


async def test_a_sealed_child_opens_no_file_no_socket_and_no_pipe(children: Children) -> None:
    refused = os.strerror(24)
    assert await children.ask({"do": "open_when_sealed"}) == {"file": refused, "socket": refused, "pipe": refused}


@pytest.mark.parametrize("what", ["spin", "eat"])
async def test_a_child_that_takes_too_much_is_called_costly(children: Children, what: str) -> None:
    with pytest.raises(ChildFailed) as failed:
        await children.ask({"do": what})
    assert failed.value.costly


@pytest.mark.parametrize("what", ["sleep", "linger"])
async def test_a_child_that_does_not_end_is_ended(what: str) -> None:
    children = Children("unruly_work", Limits(memory=512 << 20, cpu=2, wall=0.6, written=0), at_once=1)
    with pytest.raises(ChildFailed) as failed:
        await children.ask({"do": what})
    assert failed.value.costly
    assert offspring() == []
    await children.close()


@pytest.mark.parametrize("what", ["crash", "raise", "flood", "list", "nest", "unknown"])
async def test_a_child_that_breaks_or_talks_nonsense_is_a_failure(children: Children, what: str) -> None:
    with pytest.raises(ChildFailed) as failed:
        await children.ask({"do": what})
    assert not failed.value.costly


async def test_what_a_library_prints_is_not_taken_for_an_answer(children: Children) -> None:
    assert await children.ask({"do": "print"}) == {"forged": False}


async def test_a_spare_that_died_is_not_used(children: Children) -> None:
    spares = offspring()
    for spare in spares:
        spare.kill()
    while any(spare.is_running() for spare in spares):
        await asyncio.sleep(0.01)
    assert (await children.ask({"do": "answer"}))["pid"] not in {spare.pid for spare in spares}


async def test_spares_are_replaced_and_never_pile_up(children: Children) -> None:
    await asyncio.gather(*(children.ask({"do": "answer"}) for _ in range(8)))
    while len(offspring()) < 2:
        await asyncio.sleep(0.01)
    assert len(offspring()) == 2


async def test_a_cancelled_order_leaves_no_process(children: Children) -> None:
    before = {child.pid for child in offspring()}
    order = asyncio.create_task(children.ask({"do": "sleep"}))
    while not any(psutil.Process(pid).cpu_times().user for pid in before):
        await asyncio.sleep(0.01)
    order.cancel()
    with pytest.raises(asyncio.CancelledError):
        await order
    await children.close()
    assert offspring() == []


async def test_closing_ends_orders_under_way() -> None:
    children = Children("unruly_work", LIMITS, at_once=2)
    order = asyncio.create_task(children.ask({"do": "sleep"}))
    while not offspring():
        await asyncio.sleep(0.01)
    await children.close()
    with pytest.raises(Closing):
        await order
    assert offspring() == []
    with pytest.raises(Closing):
        await children.ask({"do": "answer"})


async def test_a_work_module_that_cannot_be_imported_is_found_at_the_start() -> None:
    children = Children("no_such_work", LIMITS, at_once=1)
    with pytest.raises(ChildFailed):
        await children.start()
    assert offspring() == []


def test_children_die_with_their_parent() -> None:
    script = (
        "import asyncio, psutil\n"
        "from bot.media._child import Children, Limits\n"
        "async def main():\n"
        "    children = Children('unruly_work', Limits(1 << 29, 9, 60, 0), at_once=1, spares=2)\n"
        "    await children.start()\n"
        "    order = asyncio.create_task(children.ask({'do': 'sleep'}))\n"
        "    await asyncio.sleep(0.3)\n"
        "    print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        "    await order\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    assert len(pids) >= 2
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        assert time.monotonic() < deadline, "a child outlived its parent"
        time.sleep(0.02)
