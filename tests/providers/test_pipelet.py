import asyncio
import base64
import json
from pathlib import Path

import pytest
from adapter_contract import (
    PATIENT,
    QUICK,
    TOKEN,
    AskContract,
    BodyContract,
    PaidContract,
    WireContract,
    failure_of,
    request_for,
)
from wire_servers import Connection, answering, resets_after_reading, serving

from bot.domain.errors import Ambiguous, BadResponse, Rejected, Unauthorized, Unavailable
from bot.domain.job import Cancelled, Completed, Failed, InProgress, InQueue, RemoteHandle, Unknown
from bot.providers._http import Wire
from bot.providers.pipelet import PipeletProvider

HANDLE = RemoteHandle("wan22-fast-t2v", "12")


def made(origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> PipeletProvider:
    return PipeletProvider(TOKEN, concurrency=4, base_url=f"{origin}/", create=limit, ask=limit, fetch=limit, wire=wire)


class _Pipelet:
    def adapter(self, origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> PipeletProvider:
        return made(origin, wire, limit)

    def adapter_with_token(self, token: str) -> PipeletProvider:
        return PipeletProvider(token, concurrency=1)


class TestSubmit(_Pipelet, PaidContract):
    cut = Ambiguous
    broken = Ambiguous

    async def call(self, adapter: PipeletProvider, into: Path) -> RemoteHandle:
        return await adapter.submit(request_for(adapter.models()[0]), [])

    @pytest.mark.parametrize("request_id", ["12", "a1b2-C3_d4.e~5", "0" * 128, 12])
    async def test_the_provider_s_id_becomes_the_handle(self, request_id: str | int, tmp_path: Path) -> None:
        reply = {"request_id": request_id, "status_url": "http://169.254.169.254/latest"}
        async with serving(answering(201, json.dumps(reply).encode())) as server:
            handle = await self.call(made(server.origin), tmp_path)
            assert handle == RemoteHandle("wan22-fast-t2v", str(request_id))
            assert server.received[0].target == "/queue/wan22-fast-t2v"

    @pytest.mark.parametrize(
        "reply",
        [
            {"request_id": ""},
            {"request_id": "../../admin"},
            {"request_id": ".."},
            {"request_id": "12/cancel"},
            {"request_id": "12?x=1"},
            {"request_id": "12#x"},
            {"request_id": "1 2"},
            {"request_id": "12\n"},
            {"request_id": "é"},
            {"request_id": "1" * 129},
            {"request_id": -1},
            {"request_id": 1.5},
            {"request_id": True},
            {"request_id": None},
            {"id": "12"},
            [],
            "12",
        ],
    )
    async def test_an_answer_without_a_usable_id_may_have_been_charged(self, reply: object, tmp_path: Path) -> None:
        async with serving(answering(200, json.dumps(reply).encode())) as server:
            error = await failure_of(self.call(made(server.origin), tmp_path))
            assert type(error) is Ambiguous
            assert error.status == 200


class TestPoll(_Pipelet, AskContract, BodyContract):
    cut = Unavailable

    async def call(self, adapter: PipeletProvider, into: Path) -> object:
        return await adapter.poll(HANDLE)

    @pytest.mark.parametrize(
        ("reply", "status"),
        [
            ({"status": "IN_QUEUE", "queue_position": 1, "statusMessages": {}}, InQueue(1)),
            ({"status": "IN_QUEUE", "queue_position": 0}, InQueue(0)),
            ({"status": "IN_QUEUE"}, Unknown("IN_QUEUE")),
            ({"status": "IN_QUEUE", "queue_position": "1"}, Unknown("IN_QUEUE")),
            ({"status": "IN_QUEUE", "queue_position": True}, Unknown("IN_QUEUE")),
            ({"status": "IN_QUEUE", "queue_position": -1}, Unknown("IN_QUEUE")),
            ({"status": "IN_QUEUE", "queue_position": 999_999}, InQueue(999_999)),
            ({"status": "IN_QUEUE", "queue_position": 10**400}, Unknown("IN_QUEUE")),
            ({"status": "IN_PROGRESS", "statusMessages": {}}, InProgress()),
            ({"status": "IN_PROGRESS"}, InProgress()),
            ({"status": "IN_PROGRESS", "statusMessages": {"message": "PROCESSING"}}, InProgress()),
            ({"status": "IN_PROGRESS", "statusMessages": ["odd"]}, InProgress()),
            ({"status": "IN_PROGRESS", "statusMessages": {"detail_message": None}}, InProgress()),
            (
                {"status": "IN_PROGRESS", "statusMessages": {"message": None, "detail_message": "Progress: 4/24"}},
                InProgress(4, 24),
            ),
            ({"status": "FAILED", "statusMessages": {"message": "no GPU", "detail_message": None}}, Failed("no GPU")),
            ({"status": "IN_PROGRESS", "statusMessages": {"detail_message": "24/4"}}, InProgress()),
            ({"status": "COMPLETED", "response_url": "http://169.254.169.254/"}, Completed()),
            ({"status": "CANCELLED"}, Cancelled()),
            ({"status": "FAILED"}, Failed("")),
            ({"status": "FAILED", "statusMessages": {"message": "FAILED"}}, Failed("FAILED")),
            (
                {"status": "FAILED", "statusMessages": {"message": "FAILED", "detail_message": "no\nGPU \u202eleft"}},
                Failed("FAILED: no GPU left"),
            ),
            ({"status": "FAILED", "statusMessages": {"detail_message": "x" * 999}}, Failed("x" * 200)),
            ({"status": "completed"}, Unknown("completed")),
            ({"status": "PAUSED\u0000" + "D" * 99}, Unknown("PAUSED" + "D" * 34)),
        ],
    )
    async def test_a_status_is_read(self, reply: object, status: object, tmp_path: Path) -> None:
        async with serving(answering(200, json.dumps(reply).encode())) as server:
            adapter = made(server.origin)
            assert await adapter.poll(HANDLE) == status
            assert server.received[0].target == "/queue/wan22-fast-t2v/requests/12/status"
            await adapter.close()

    @pytest.mark.parametrize(
        ("text", "progress"),
        [
            ("Progress: 4/24 Tasks done", InProgress(4, 24)),
            ("Progress: 24/24 Tasks done", InProgress(24, 24)),
            ("Progress: 25/24 Tasks done", InProgress()),
            ("Progress: 0/0 Tasks done", InProgress()),
            ("Progress: 1/9999999999 Tasks done", InProgress()),
            ("nearly there", InProgress()),
        ],
    )
    async def test_progress_is_read_where_it_makes_sense(self, text: str, progress: InProgress) -> None:
        reply = {"status": "IN_PROGRESS", "statusMessages": {"message": "PROCESSING", "detail_message": text}}
        async with serving(answering(200, json.dumps(reply).encode())) as server:
            adapter = made(server.origin)
            assert await adapter.poll(HANDLE) == progress
            await adapter.close()

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"status": 1}', b"[" * 60_000, b'{"status": "IN_'])
    async def test_a_reply_that_is_no_status_breaks_the_contract(self, body: bytes) -> None:
        async with serving(answering(200, body)) as server:
            adapter = made(server.origin)
            assert type(await failure_of(adapter.poll(HANDLE))) is BadResponse
            await adapter.close()

    @pytest.mark.parametrize(
        "handle",
        [RemoteHandle("wan22-fast-t2v", "../x"), RemoteHandle("wan22-fast-t2v", ""), RemoteHandle("../admin", "12")],
    )
    async def test_a_handle_that_is_not_ours_is_never_asked_for(self, handle: RemoteHandle, tmp_path: Path) -> None:
        async with serving(answering(200)) as server:
            adapter = made(server.origin)
            for call in (adapter.poll(handle), adapter.cancel(handle), adapter.fetch(handle, tmp_path / "part")):
                assert type(await failure_of(call)) is BadResponse
            assert server.connections == 0


class TestFetch(_Pipelet, AskContract, BodyContract):
    cut = BadResponse

    async def call(self, adapter: PipeletProvider, into: Path) -> None:
        await adapter.fetch(HANDLE, into)

    @pytest.mark.parametrize("prefix", ["", "data:video/mp4;base64,"])
    async def test_the_film_is_decoded_to_disk_and_may_be_fetched_again(self, prefix: str, tmp_path: Path) -> None:
        film = bytes(range(256)) * 12_345
        body = json.dumps({"video": {"data_uri": prefix + base64.b64encode(film).decode()}}).encode()
        async with serving(answering(200, body)) as server:
            adapter = made(server.origin, Wire())
            for _ in range(2):
                await adapter.fetch(HANDLE, tmp_path / "part")
                assert (tmp_path / "part").read_bytes() == film
            await adapter.close()
            assert (server.connections, server.received[0].target) == (1, "/queue/wan22-fast-t2v/requests/12")

    @pytest.mark.parametrize(
        "body",
        [
            b'{"video": {"data_uri": "not base64 !"}}',
            b'{"video": {"data_uri": ""}}',
            b'{"video": {"data_uri": null}}',
            b'{"video": {}}',
            b'{"error": "sorry"}',
            b'{"video": {"data_uri": "AAAA"}}, trailing',
            b'{"video": {"data_uri": "AAAA',
            b"AAAA",
        ],
    )
    async def test_a_result_without_a_film_is_unusable(self, body: bytes, tmp_path: Path) -> None:
        async with serving(answering(200, body)) as server:
            adapter = made(server.origin)
            error = await failure_of(adapter.fetch(HANDLE, tmp_path / "part"))
            assert type(error) is BadResponse
            await adapter.close()

    async def test_a_film_above_the_cap_is_unusable(self, tmp_path: Path) -> None:
        async def huge(connection: Connection) -> None:
            await connection.request()
            piece = b"A" * 1_048_576
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n" + b'{"video":{"data_uri":"')
            while True:
                await connection.send(piece)

        async with serving(huge) as server:
            adapter = made(server.origin, Wire())
            error = await failure_of(adapter.fetch(HANDLE, tmp_path / "part"))
            assert type(error) is BadResponse
            assert "67108864" in error.detail
            assert (tmp_path / "part").stat().st_size <= 67_108_864
            await adapter.close()


class TestCancel(_Pipelet, WireContract):
    statuses = dict.fromkeys((401, 403), Unauthorized)
    otherwise = Unavailable
    answers = frozenset({409})
    unanswered = Unavailable
    most_sends = 2

    async def call(self, adapter: PipeletProvider, into: Path) -> bool:
        return await adapter.cancel(HANDLE)

    @pytest.mark.parametrize(("status", "cancelled"), [(204, True), (409, False)])
    async def test_the_provider_says_whether_it_was_cancelled(self, status: int, cancelled: bool) -> None:
        async with serving(answering(status, b'{"detail": "started"}')) as server:
            assert await made(server.origin).cancel(HANDLE) is cancelled
            (received,) = server.received
            assert (received.method, received.target) == ("PUT", "/queue/wan22-fast-t2v/requests/12/cancel")
            assert received.headers["Connection"] == "close"

    async def test_a_conflict_after_a_lost_answer_is_not_believed(self) -> None:
        async def loses_the_first(connection: Connection) -> None:
            await (resets_after_reading if connection.server.connections == 1 else answering(409))(connection)

        async with serving(loses_the_first) as server:
            error = await failure_of(made(server.origin).cancel(HANDLE))
            assert len(server.received) == 2
            assert type(error) is Unavailable

    async def test_a_cancel_that_got_through_the_second_time_is_believed(self) -> None:
        async def loses_the_first(connection: Connection) -> None:
            await (resets_after_reading if connection.server.connections == 1 else answering(204))(connection)

        async with serving(loses_the_first) as server:
            assert await made(server.origin).cancel(HANDLE) is True

    async def test_any_other_success_is_a_doubt(self) -> None:
        async with serving(answering(200, b"{}")) as server:
            assert type(await failure_of(made(server.origin).cancel(HANDLE))) is Unavailable


class TestHealth(_Pipelet):
    @pytest.mark.parametrize("status", [200, 400, 404, 422])
    async def test_an_answer_about_nothing_shows_that_the_key_is_accepted(self, status: int) -> None:
        async with serving(answering(status, b"{}")) as server:
            adapter = made(server.origin)
            assert "key is accepted" in await adapter.healthy()
            (received,) = server.received
            assert (received.method, received.headers["Authorization"]) == ("GET", f"Bearer {TOKEN}")
            await adapter.close()

    @pytest.mark.parametrize(
        ("status", "error"),
        [(401, Unauthorized), (403, Unauthorized), (302, Rejected), (429, Unavailable), (503, Unavailable)],
    )
    async def test_other_answers_show_nothing_of_the_kind(self, status: int, error: type[Exception]) -> None:
        async with serving(answering(status)) as server:
            adapter = made(server.origin)
            assert type(await failure_of(adapter.healthy())) is error
            await adapter.close()

    async def test_nobody_there(self, nobody: str) -> None:
        adapter = made(nobody)
        assert type(await failure_of(adapter.healthy())) is Unavailable
        await adapter.close()


async def test_questions_at_the_same_time_do_not_wait_for_each_other() -> None:
    everyone = asyncio.Event()

    async def together(connection: Connection) -> None:
        await connection.request()
        if connection.server.connections == 3:
            everyone.set()
        await everyone.wait()
        await connection.answer(200, b'{"status": "COMPLETED"}')

    async with serving(together) as server:
        adapter = made(server.origin, Wire())
        assert await asyncio.gather(*(adapter.poll(HANDLE) for _ in range(3))) == [Completed()] * 3
        await adapter.close()


async def test_six_models_are_offered() -> None:
    adapter = PipeletProvider(TOKEN, concurrency=5)
    assert len(adapter.models()) == 6
    assert (adapter.name, adapter.billed, adapter.concurrency) == ("pipelet", True, 5)
    await adapter.refresh()
