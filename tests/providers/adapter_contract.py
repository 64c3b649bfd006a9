"""What every adapter promises, written once. A test class inherits it and says how its adapter is made and called."""

import asyncio
import time
import traceback
from collections.abc import Awaitable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from wire_servers import (
    CUT_BODIES,
    NO_STATUS,
    WITHOUT_END,
    Connection,
    answering,
    full_backlog,
    sending,
    serving,
    speaks_no_tls,
)

from bot.domain.errors import (
    Ambiguous,
    BadResponse,
    Evidence,
    ProviderError,
    Rejected,
    Unauthorized,
    Unavailable,
)
from bot.domain.generation import Asked, GenerationRequest, plan
from bot.providers._http import Wire

TOKEN = "canary-0123456789-never-to-be-seen"
NOW = 1_800_000_000.0
# Seconds: what a busy machine needs for an honest answer, and what is waited for one that never comes.
PATIENT, IMPATIENT = 20.0, 0.8
QUICK = Wire(connect=5.0, read=0.5, now=lambda: NOW)
WITHOUT_DISK = replace(QUICK, disk=1.5)

STATUSES = (*range(300, 309), *range(400, 452), *range(500, 528), 101, 599, 999)


class NoSuchHost(AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list:
        raise OSError("Name or service not known")

    async def close(self) -> None:
        pass


def request_for(spec, **options: object) -> GenerationRequest:
    asked = Asked(capability=spec.capability, model=spec.id, prompt="a cat on a roof", **options)
    images = ("one.jpg",) if spec.image else ()
    return plan(spec, asked, seed=7, images=images)


async def failure_of(call: Awaitable[object]) -> ProviderError:
    """The error, once it is certain that it shows our key to nobody."""
    with pytest.raises(ProviderError) as caught:
        await call
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
    shown += "".join(repr(frame.f_locals) for frame, _ in traceback.walk_tb(error.__traceback__))
    assert TOKEN not in shown
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert len(error.detail) <= 200
    return error


class _Contract:
    """One kind of call. `statuses` is that column of the table, `otherwise` holds for every status it leaves out."""

    statuses: dict[int, type[ProviderError]]
    otherwise: type[ProviderError]
    answers: frozenset[int] = frozenset()
    unanswered: type[ProviderError]
    cut: type[ProviderError]
    broken: type[ProviderError]

    def adapter(self, origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> object:
        """`limit` seconds bound every call."""
        raise NotImplementedError

    async def call(self, adapter: object, into: Path) -> object:
        raise NotImplementedError

    async def fails(self, origin: str, into: Path, wire: Wire = QUICK, limit: float = PATIENT) -> ProviderError:
        adapter = self.adapter(origin, wire, limit)
        try:
            return await failure_of(self.call(adapter, into))
        finally:
            await adapter.close()


class NotSentContract(_Contract):
    async def test_a_refused_connection_is_not_sent(self, nobody: str, tmp_path: Path) -> None:
        assert_not_sent(await self.fails(nobody, tmp_path / "part"))

    async def test_an_unknown_host_is_not_sent(self, tmp_path: Path) -> None:
        wire = Wire(resolver=NoSuchHost())
        assert_not_sent(await self.fails("http://nowhere.invalid", tmp_path / "part", wire))

    async def test_a_failed_handshake_is_not_sent(self, tmp_path: Path) -> None:
        async with serving(speaks_no_tls) as server:
            assert_not_sent(await self.fails(server.tls_origin, tmp_path / "part"))
            assert server.received == []

    async def test_a_connection_that_is_never_made_is_not_sent(self, tmp_path: Path) -> None:
        with full_backlog() as origin:
            assert_not_sent(await self.fails(origin, tmp_path / "part", Wire(connect=0.3)))
            assert_not_sent(await self.fails(origin, tmp_path / "part", limit=0.3))


def assert_not_sent(error: ProviderError) -> None:
    assert type(error) is Unavailable
    assert error.evidence is Evidence.NOT_SENT
    assert error.status is None


class WireContract(NotSentContract):
    """The wire faults and statuses, for any call."""

    most_sends = 1

    @pytest.mark.parametrize("fault", NO_STATUS)
    async def test_sent_without_a_status_line(self, fault: str, tmp_path: Path) -> None:
        async with serving(NO_STATUS[fault]) as server:
            limit = IMPATIENT if fault in WITHOUT_END else PATIENT
            error = await self.fails(server.origin, tmp_path / "part", limit=limit)
            assert type(error) is self.unanswered
            assert error.status is None
            assert error.evidence is not Evidence.NOT_SENT
            assert 1 <= server.connections <= self.most_sends

    async def test_every_status_means_what_the_table_says(self, tmp_path: Path) -> None:
        async def next_status(connection: Connection) -> None:
            while True:
                await connection.request()
                await connection.answer(STATUSES[len(connection.server.received) - 1], b'{"detail": "because"}')

        async with serving(next_status) as server:
            for count, status in enumerate(STATUSES, start=1):
                if status in self.answers:
                    server.received.append(None)
                    continue
                error = await self.fails(server.origin, tmp_path / "part")
                expected = Rejected if 300 <= status < 400 else self.statuses.get(status, self.otherwise)
                assert (status, type(error)) == (error.status, expected)
                assert error.detail.startswith(f"HTTP {status}")
                assert len(server.received) == count

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_never_followed(self, status: int, tmp_path: Path) -> None:
        async with (
            serving(answering(200, b"film")) as elsewhere,
            serving(answering(status, Location=f"{elsewhere.origin}/")) as server,
        ):
            assert type(await self.fails(server.origin, tmp_path / "part")) is Rejected
            assert elsewhere.connections == 0

    async def test_it_asks_plainly_and_shows_its_key_once(self, tmp_path: Path) -> None:
        async with serving(answering(418, Set_Cookie="track=me; Path=/")) as server:
            adapter = self.adapter(server.origin)
            await failure_of(self.call(adapter, tmp_path / "part"))
            await failure_of(self.call(adapter, tmp_path / "part"))
            await adapter.close()
            for received in server.received:
                assert received.headers["Authorization"] == f"Bearer {TOKEN}"
                assert received.headers["Accept-Encoding"] == "identity"
                assert "Cookie" not in received.headers
                assert TOKEN not in received.target
                assert TOKEN.encode() not in received.body
            assert TOKEN not in repr(adapter) + str({name: repr(value) for name, value in vars(adapter).items()})

    async def test_a_key_echoed_by_the_provider_is_cut_out(self, tmp_path: Path) -> None:
        async def echo(connection: Connection) -> None:
            received = await connection.request()
            await connection.answer(418, b'{"detail": "bad header %s"}' % received.headers["Authorization"].encode())

        async with serving(echo) as server:
            assert "bad header Bearer [key]" in (await self.fails(server.origin, tmp_path / "part")).detail

    @pytest.mark.parametrize(
        ("body", "detail"),
        [
            (b'{"detail": "too\\n\\u0000 \\u202elong"}', "HTTP 418: too long"),
            (b'{"detail": [{"loc": ["body"], "msg": "steps is 99"}]}', "HTTP 418: steps is 99"),
            (b'{"error": {"message": "no credit"}}', "HTTP 418: no credit"),
            (b'{"message": "no"}', "HTTP 418: no"),
            (b'{"detail": 5}', "HTTP 418"),
            (b"<html>Bearer of bad news</html>", "HTTP 418"),
            (b"[" * 4000, "HTTP 418"),
            (b"\xff\xfe", "HTTP 418"),
            (b'{"detail": "' + b"x" * 3000 + b'"}', "HTTP 418: " + "x" * 190),
            (b'{"detail": "' + b"x" * 9000 + b'"}', "HTTP 418"),
        ],
    )
    async def test_only_a_short_sentence_of_an_error_is_kept(self, body: bytes, detail: str, tmp_path: Path) -> None:
        async with serving(answering(418, body)) as server:
            error = await self.fails(server.origin, tmp_path / "part")
        assert error.detail == detail
        # What is logged repeats nothing of it: it may hold a prompt.
        assert str(error) == f"{error.provider}: HTTP 418"

    async def test_an_error_is_known_by_its_status_even_when_its_body_never_ends(self, tmp_path: Path) -> None:
        endless = sending(b"HTTP/1.1 418 Teapot\r\nTransfer-Encoding: chunked\r\n\r\n", then=b"4\r\nmore\r\n" * 500)
        async with serving(endless) as server:
            assert (await self.fails(server.origin, tmp_path / "part")).status == 418

    async def test_an_error_is_known_by_its_status_even_when_its_body_is_cut(self, tmp_path: Path) -> None:
        async with serving(sending(b"HTTP/1.1 418 Teapot\r\nContent-Length: 99\r\n\r\n{")) as server:
            assert (await self.fails(server.origin, tmp_path / "part")).detail == "HTTP 418"

    async def test_a_compressed_error_is_not_opened(self, tmp_path: Path) -> None:
        async with serving(answering(418, b'{"detail": "never"}', Content_Encoding="gzip")) as server:
            assert (await self.fails(server.origin, tmp_path / "part")).detail == "HTTP 418"

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("7", 7),
            ("0", 0),
            ("86400", 600),
            ("9" * 400, 600),
            (formatdate(NOW + 90, usegmt=True), 90),
            (formatdate(NOW + 9000, usegmt=True), 600),
            (formatdate(NOW - 90, usegmt=True), 0),
            ("soon", None),
            ("-5", None),
            ("", None),
        ],
    )
    @pytest.mark.parametrize("status", [429, 503])
    async def test_a_named_wait_is_honoured_up_to_ten_minutes(
        self, status: int, header: str, seconds: float | None, tmp_path: Path
    ) -> None:
        async with serving(answering(status, Retry_After=header)) as server:
            error = await self.fails(server.origin, tmp_path / "part")
            assert type(error) is Unavailable
            assert error.retry_after == seconds
            assert error.evidence is Evidence.REFUSED


class BodyContract(_Contract):
    """The faults of a body behind a good status line."""

    @pytest.mark.parametrize("fault", CUT_BODIES)
    async def test_a_cut_body(self, fault: str, tmp_path: Path) -> None:
        async with serving(CUT_BODIES[fault]) as server:
            started = time.monotonic()
            limit = IMPATIENT if fault in WITHOUT_END else PATIENT
            error = await self.fails(server.origin, tmp_path / "part", limit=limit)
            assert type(error) is self.cut
            assert error.status == 200
            assert time.monotonic() - started < PATIENT / 2

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
    async def test_a_compressed_body_is_never_opened(self, encoding: str, tmp_path: Path) -> None:
        async with serving(answering(200, b"\x1f\x8b" + b"x" * 900, Content_Encoding=encoding)) as server:
            assert type(await self.fails(server.origin, tmp_path / "part")) is self.broken
            assert not (tmp_path / "part").exists()

    async def test_a_body_without_end_is_given_up(self, tmp_path: Path) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with serving(sending(head, then=b"40000\r\n" + b"A" * 0x40000 + b"\r\n")) as server:
            adapter = self.adapter(server.origin, Wire())
            assert type(await failure_of(self.call(adapter, tmp_path / "part"))) is self.broken
            await adapter.close()

    async def test_an_empty_body_is_no_answer(self, tmp_path: Path) -> None:
        async with serving(answering(200)) as server:
            assert type(await self.fails(server.origin, tmp_path / "part")) is self.broken


class PaidContract(WireContract, BodyContract):
    """The call that may cost money: it is never repeated, and an error tells what is known of the money."""

    statuses: ClassVar = {
        **dict.fromkeys((400, 404, 413, 415, 422), Rejected),
        **dict.fromkeys((401, 402, 403), Unauthorized),
        **dict.fromkeys((429, 503), Unavailable),
    }
    otherwise = Ambiguous
    unanswered = Ambiguous

    async def test_the_request_goes_out_once_on_a_connection_of_its_own(self, tmp_path: Path) -> None:
        async with serving(answering(418)) as server:
            adapter = self.adapter(server.origin)
            for _ in range(3):
                await failure_of(self.call(adapter, tmp_path / "part"))
            await adapter.close()
            assert server.connections == len(server.received) == 3
            for received in server.received:
                assert received.method == "POST"
                assert received.headers["Connection"] == "close"
                assert received.headers["Content-Type"] == "application/json"
                assert int(received.headers["Content-Length"]) == len(received.body)
                assert received.json["prompt"] == "a cat on a roof"

    async def test_a_request_for_a_model_that_is_gone_is_refused_unsent(self, tmp_path: Path) -> None:
        async with serving(answering(200)) as server:
            adapter = self.adapter(server.origin)
            spec = adapter.models()[0]
            gone = GenerationRequest(spec.capability, "gone", "a cat")
            act = adapter.submit(gone, []) if hasattr(adapter, "submit") else adapter.generate(gone, [], tmp_path / "x")
            assert type(await failure_of(act)) is Rejected
            assert server.connections == 0

    async def test_a_cancelled_call_leaves_nothing_open(self, tmp_path: Path) -> None:
        async with serving(NO_STATUS["says nothing"]) as server:
            call = asyncio.create_task(self.call(self.adapter(server.origin, Wire()), tmp_path / "part"))
            async with asyncio.timeout(5):
                while not server.received:
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                while server._tasks:
                    await asyncio.sleep(0)

    async def test_the_session_comes_from_outside(self, tmp_path: Path) -> None:
        made: list[aiohttp.ClientSession] = []

        def factory(**options: object) -> aiohttp.ClientSession:
            made.append(aiohttp.ClientSession(**options))
            return made[-1]

        async with serving(answering(418)) as server:
            await self.fails(server.origin, tmp_path / "part", Wire(session=factory))
        assert made
        assert all(session.closed and not session.trust_env and not session.headers for session in made)

    def test_a_token_that_would_break_a_header_is_refused_without_being_shown(self) -> None:
        for token in ("", "two words", "line\r\nX: y", "naïve"):
            with pytest.raises(ValueError, match="visible ASCII") as caught:
                self.adapter_with_token(token)
            assert token == "" or token not in str(caught.value)

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://host",
            "host",
            "http://",
            "http://user@host",
            "http://:pw@host",
            "https://host?key=1",
            "https://host/#a",
            "https://host:0",
            "https://host/with space",
            "https://höst",
        ],
    )
    def test_a_base_url_is_checked_when_the_adapter_is_made(self, url: str) -> None:
        with pytest.raises(ValueError, match="base URL"):
            self.adapter(url)

    def adapter_with_token(self, token: str) -> object:
        raise NotImplementedError


class HoldOpenContract(PaidContract):
    """A POST whose answer is the film itself."""

    cut = BadResponse
    broken = BadResponse

    async def test_the_bytes_arrive_as_they_were_sent(self, tmp_path: Path) -> None:
        film = bytes(range(256)) * 20_000
        (tmp_path / "part").write_bytes(b"left from before")
        async with serving(answering(200, film)) as server:
            adapter = self.adapter(server.origin)
            await self.call(adapter, tmp_path / "part")
            await adapter.close()
        assert (tmp_path / "part").read_bytes() == film

    async def test_an_answer_may_take_longer_than_a_pause_within_it(self, tmp_path: Path) -> None:
        async def slow(connection: Connection) -> None:
            await connection.request()
            await asyncio.sleep(2 * QUICK.read)
            await connection.answer(200, b"film")

        async with serving(slow) as server:
            await self.call(self.adapter(server.origin, QUICK), tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == b"film"

    async def test_a_disk_that_refuses_is_not_the_provider_s_fault(self, tmp_path: Path) -> None:
        async with serving(answering(200, b"film")) as server:
            with pytest.raises(FileNotFoundError):
                await self.call(self.adapter(server.origin, WITHOUT_DISK), tmp_path / "no such folder" / "part")


class AskContract(WireContract):
    """A question that may be repeated; aiohttp does so itself, once, when a connection drops."""

    statuses: ClassVar = {
        **dict.fromkeys((400, 413, 415, 422), BadResponse),
        **dict.fromkeys((401, 403), Unauthorized),
        404: Rejected,
    }
    otherwise = Unavailable
    unanswered = Unavailable
    broken = BadResponse
    most_sends = 2

    async def test_questions_share_a_connection(self, tmp_path: Path) -> None:
        async with serving(answering(404, b"{}")) as server:
            adapter = self.adapter(server.origin)
            for _ in range(3):
                await failure_of(self.call(adapter, tmp_path / "part"))
            assert (server.connections, len(server.received)) == (1, 3)
            await adapter.close()
            await failure_of(self.call(adapter, tmp_path / "part"))
            assert server.connections == 2
            await adapter.close()
