"""Any bytes at all in the place of an answer: only our own errors come out, and none of them calls it unsent."""

import tempfile
from collections.abc import Awaitable
from pathlib import Path

from adapter_contract import IMPATIENT, TOKEN, request_for
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wire_servers import sending, serving

from bot.domain.errors import Evidence, ProviderError
from bot.domain.job import RemoteHandle
from bot.providers.chutes import ChutesProvider
from bot.providers.pipelet import PipeletProvider

_pieces = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 503 x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Set-Cookie: \xff=;;=;\r\n",
        b"Location: http://[::1\r\n",
        b"Retry-After: Fri, 99 Foo 99999 99:99:99 GMT\r\n",
        b"Content-Type: \xff; charset=\x80\r\n",
        b" folded\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"\x1f\x8b",
        b'{"status": "COMPLETED"}',
    ]
)
noise = st.lists(_pieces | st.binary(max_size=12), max_size=10).map(b"".join)


async def evidence_of(call: Awaitable[object]) -> Evidence:
    try:
        await call
    except ProviderError as error:
        return error.evidence
    return Evidence.MADE


@settings(max_examples=150, deadline=None)
@given(answer=noise)
@example(answer=b"HTTP/1.1 429 x\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 -2359\r\n\r\n")
async def test_a_paid_call_survives_any_answer(answer: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with serving(sending(answer)) as server:
            adapter = ChutesProvider(TOKEN, concurrency=1, base_urls={"wan2.1-14b": server.origin}, total=IMPATIENT)
            evidence = await evidence_of(adapter.generate(request_for(adapter.models()[0]), [], Path(folder) / "part"))
            # On a busy machine the time may be over before anything was sent.
            assert evidence is not Evidence.NOT_SENT or not server.received
            assert server.connections == 1


@settings(max_examples=150, deadline=None)
@given(answer=noise)
async def test_a_question_survives_any_answer(answer: bytes) -> None:
    async with serving(sending(answer)) as server:
        adapter = PipeletProvider(TOKEN, concurrency=1, base_url=server.origin, ask=IMPATIENT)
        evidence = await evidence_of(adapter.poll(RemoteHandle("wan22-fast-t2v", "1")))
        assert evidence is not Evidence.NOT_SENT or not server.received
        await adapter.close()
