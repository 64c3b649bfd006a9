"""Questions go out on connections that are kept; what may be wrong with one of those is nobody's failure."""

import asyncio
import ssl
from collections import Counter

import pytest
from adapter_contract import TOKEN, assert_not_sent, failure_of
from wire_servers import Connection, Script, answering, serving

from bot.domain.job import Completed, InQueue, RemoteHandle
from bot.providers._http import Wire
from bot.providers._kept import Kept
from bot.providers.pipelet import PipeletProvider

HANDLE = RemoteHandle("wan22-fast-t2v", "12")
COMPLETED = b'{"status": "COMPLETED"}'
WAITING = b'{"status": "IN_QUEUE", "queue_position": %d}'


def made(base: str, wire: Wire | None = None) -> PipeletProvider:
    return PipeletProvider(TOKEN, concurrency=4, base_url=base, ask=20.0, wire=wire or Wire())


def counting(and_then: Script) -> Script:
    """The position is the number of the question; `and_then` follows each answer."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.answer(200, WAITING % len(connection.server.received))
            await and_then(connection)

    return script


async def nothing(_: Connection) -> None:
    pass


async def hangs_up(connection: Connection) -> None:
    connection.writer.close()
    await connection.writer.wait_closed()


async def resets(connection: Connection) -> None:
    connection.reset()


async def takes_the_next_question_and_hangs_up(connection: Connection) -> None:
    await connection.reader.readuntil(b"\r\n\r\n")
    await hangs_up(connection)


async def answers_twice(connection: Connection) -> None:
    while True:
        await connection.request()
        answers = (WAITING % len(connection.server.received), COMPLETED)
        heads = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) for answer in answers)
        await connection.send(b"".join(head + answer for head, answer in zip(heads, answers, strict=True)))


async def says_that_it_closes(connection: Connection) -> None:
    await connection.request()
    await connection.answer(200, WAITING % len(connection.server.received), Connection="close")
    await connection.until_gone()


@pytest.mark.parametrize("and_then", [hangs_up, resets, takes_the_next_question_and_hangs_up])
async def test_a_connection_that_was_dropped_meanwhile_is_replaced(and_then: Script) -> None:
    async with serving(counting(and_then)) as server:
        adapter = made(server.origin)
        assert [await adapter.poll(HANDLE) for _ in range(3)] == [InQueue(1), InQueue(2), InQueue(3)]
        await adapter.close()
        assert server.connections == 3


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    async with serving(answers_twice) as server:
        adapter = made(server.origin)
        assert [await adapter.poll(HANDLE) for _ in range(3)] == [InQueue(1), InQueue(2), InQueue(3)]
        await adapter.close()
        assert server.connections == 3


async def test_what_is_said_on_an_idle_connection_answers_nothing() -> None:
    answered, said = asyncio.Event(), asyncio.Event()

    async def says_goodbye(connection: Connection) -> None:
        await answered.wait()
        await connection.answer(408, b"{}")
        said.set()

    async with serving(counting(says_goodbye)) as server:
        adapter = made(server.origin)
        assert await adapter.poll(HANDLE) == InQueue(1)
        answered.set()
        await said.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert await adapter.poll(HANDLE) == InQueue(2)
        await adapter.close()


async def test_a_body_that_nobody_reads_is_hung_up_on() -> None:
    gone = asyncio.Event()

    async def promises_more(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
        await connection.until_gone()
        gone.set()

    async with serving(promises_more) as server, asyncio.timeout(20):
        adapter = made(server.origin)
        assert "key is accepted" in await adapter.healthy()
        await gone.wait()
        await adapter.close()


async def test_a_connection_is_not_used_again_when_its_answer_says_so() -> None:
    async with serving(says_that_it_closes) as server:
        adapter = made(server.origin)
        assert [await adapter.poll(HANDLE) for _ in range(2)] == [InQueue(1), InQueue(2)]
        await adapter.close()
        assert server.connections == 2


@pytest.mark.parametrize(("idle", "connections"), [(15.0, 1), (0.0, 3)])
async def test_one_that_was_not_used_for_a_while_is_not_trusted(idle: float, connections: int) -> None:
    async with serving(counting(nothing)) as server:
        adapter = made(server.origin, Wire(idle=idle))
        for _ in range(3):
            await adapter.poll(HANDLE)
        await adapter.close()
        assert server.connections == connections


async def test_an_answer_in_chunks_after_a_hint_is_read_and_its_connection_kept() -> None:
    async def hints(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n")
            await connection.send(b"Transfer-Encoding: chunked\r\n\r\n9\r\n" + COMPLETED[:9] + b"\r\n")
            await asyncio.sleep(0)
            await connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(COMPLETED) - 9, COMPLETED[9:]))

    async with serving(hints) as server:
        adapter = made(server.origin)
        assert [await adapter.poll(HANDLE) for _ in range(2)] == [Completed()] * 2
        await adapter.close()
        assert server.connections == 1


async def test_it_asks_the_host_of_its_base_url_and_below_its_path() -> None:
    async with serving(answering(200, COMPLETED)) as server:
        adapter = made(f"{server.origin}/batch/")
        await adapter.poll(HANDLE)
        await adapter.close()
        assert server.received[0].target == "/batch/queue/wan22-fast-t2v/requests/12/status"
        assert server.received[0].headers["Host"] == server.origin.removeprefix("http://")


async def test_questions_that_come_together_leave_a_few_in_each_turn_of_the_event_loop() -> None:
    left: Counter[int] = Counter()
    turn = 0

    async def count_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def ask(kept: Kept) -> None:
        answered = await kept.ask("/", lambda: left.update([turn]))
        while await answered.content.readany():
            pass
        answered.close()

    async with serving(answering(200, COMPLETED)) as server:
        kept = Kept(server.origin, {}, None, connect=20.0, idle=20.0)
        await asyncio.gather(*(ask(kept) for _ in range(40)))
        left.clear()
        counting_turns = asyncio.create_task(count_turns())
        await asyncio.gather(*(ask(kept) for _ in range(40)))
        counting_turns.cancel()
        kept.close()
        assert (left.total(), max(left.values())) == (40, 12)


def anonymous(side: int) -> ssl.SSLContext:
    """TLS without certificates, so that a test needs no key."""
    context = ssl.SSLContext(side)
    if side == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


async def test_a_question_is_only_asked_of_a_host_that_is_trusted() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(COMPLETED), COMPLETED))
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=anonymous(ssl.PROTOCOL_TLS_SERVER))
    async with listener:
        origin = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        stranger, friend = made(origin), made(origin, Wire(tls=anonymous(ssl.PROTOCOL_TLS_CLIENT)))
        assert_not_sent(await failure_of(stranger.poll(HANDLE)))
        assert heard == []
        assert await friend.poll(HANDLE) == Completed()
        assert len(heard) == 1
        await friend.close()
        await stranger.close()
