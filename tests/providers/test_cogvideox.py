import json
from dataclasses import replace
from pathlib import Path

import pytest
from adapter_contract import (
    PATIENT,
    QUICK,
    TOKEN,
    AskContract,
    BodyContract,
    HoldOpenContract,
    failure_of,
    request_for,
)
from wire_servers import Connection, Script, answering, serving

from bot.domain.errors import BadResponse, Evidence, Rejected, Unavailable
from bot.domain.generation import Asked, Capability, GenerationRequest, OutOfBounds, plan
from bot.providers._http import Wire
from bot.providers.cogvideox import CogVideoXProvider

INFO = {
    "model": "cogvideox-5b",
    "is_loaded": True,
    "error": None,
    "config": {"default_steps": 50, "default_guidance": 6.0, "min_frames": 9, "max_frames": 49, "default_fps": 8},
    "system_info": {"cpu_usage": "10%"},
}


def made(origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> CogVideoXProvider:
    return CogVideoXProvider(TOKEN, base_url=origin, total=limit, ask=limit, wire=wire)


def telling(info: object, health: object = "healthy") -> Script:
    """A server with those two pages."""

    async def script(connection: Connection) -> None:
        while True:
            received = await connection.request()
            page = {"status": health} if received.target == "/health" else info
            await connection.answer(200, json.dumps(page).encode())

    return script


def with_config(**changes: object) -> dict[str, object]:
    return {**INFO, "config": {**INFO["config"], **changes}}


def planned_with(info: dict[str, object]) -> GenerationRequest:
    """By an earlier process, which had read that description."""
    return replace(request_for(made("http://localhost:9000").models()[0]), model=str(info["model"]), frames=20)


class TestGenerate(HoldOpenContract):
    def adapter(self, origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> CogVideoXProvider:
        return made(origin, wire, limit)

    def adapter_with_token(self, token: str) -> CogVideoXProvider:
        return CogVideoXProvider(token, base_url="http://localhost:9000")

    async def call(self, adapter: CogVideoXProvider, into: Path) -> None:
        await adapter.generate(request_for(adapter.models()[0]), [], into)

    async def test_a_request_for_a_model_that_is_gone_is_refused_unsent(self, tmp_path: Path) -> None:
        async with serving(telling(INFO)) as server:
            adapter = made(server.origin)
            error = await failure_of(adapter.generate(planned_with({"model": "gone"}), [], tmp_path / "part"))
            assert (type(error), "not offered" in error.detail) == (Rejected, True)
            # Its server is the one to say which it has.
            assert [received.target for received in server.received] == ["/info"]
            await adapter.close()


class TestRefresh(AskContract, BodyContract):
    cut = Unavailable

    def adapter(self, origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> CogVideoXProvider:
        return made(origin, wire, limit)

    async def call(self, adapter: CogVideoXProvider, into: Path) -> None:
        before = adapter.models()
        try:
            await adapter.refresh()
        finally:
            assert adapter.models() == before


class TestHealth(AskContract, BodyContract):
    cut = Unavailable

    def adapter(self, origin: str, wire: Wire = QUICK, limit: float = PATIENT) -> CogVideoXProvider:
        return made(origin, wire, limit)

    async def call(self, adapter: CogVideoXProvider, into: Path) -> str:
        return await adapter.healthy()


async def test_before_it_was_asked_the_document_s_numbers_hold() -> None:
    adapter = made("http://localhost:9000")
    (spec,) = adapter.models()
    assert (spec.id, spec.capability, spec.default_fps) == ("cogvideox", Capability.TEXT_TO_VIDEO, 24)
    assert (spec.frames.low, spec.frames.high, spec.seed, spec.negative_prompt) == (8, 100, None, None)
    assert (adapter.name, adapter.billed, adapter.concurrency) == ("cogvideox", False, 1)


async def test_what_the_server_says_of_itself_rules() -> None:
    async with serving(telling(INFO)) as server:
        adapter = made(server.origin)
        await adapter.refresh()
        await adapter.close()
    (spec,) = adapter.models()
    assert spec.id == "cogvideox-5b"
    asked = Asked(spec.capability, "a cat", duration=6)
    assert plan(spec, asked, seed=1).frames == 48
    with pytest.raises(OutOfBounds):
        plan(spec, Asked(spec.capability, "a cat", duration=7), seed=1)


@pytest.mark.parametrize(
    "info",
    [
        with_config(min_frames=50),
        with_config(min_frames=0),
        with_config(max_frames="49"),
        with_config(max_frames=1e9),
        with_config(default_fps=0),
        {**INFO, "model": "two words"},
        {**INFO, "model": "@everyone"},
        {**INFO, "model": ""},
        {**INFO, "config": None},
        {},
        [],
    ],
)
async def test_an_impossible_description_is_refused_and_the_last_one_kept(info: object) -> None:
    async with serving(telling(INFO)) as good, serving(telling(info)) as bad:
        adapter = made(good.origin)
        await adapter.refresh()
        await adapter.close()
        adapter._base = bad.origin
        assert type(await failure_of(adapter.refresh())) is BadResponse
        assert adapter.models()[0].id == "cogvideox-5b"
        await adapter.close()


async def test_a_request_planned_with_old_bounds_is_refused_unsent(tmp_path: Path) -> None:
    async with serving(telling({**with_config(max_frames=20), "model": "cogvideox"})) as server:
        adapter = made(server.origin)
        request = request_for(adapter.models()[0], duration=4)
        await adapter.refresh()
        error = await failure_of(adapter.generate(request, [], tmp_path / "part"))
        assert type(error) is Rejected
        assert "frames" in error.detail
        assert [received.target for received in server.received] == ["/info"]
        await adapter.close()


async def test_a_server_that_was_down_at_the_start_is_asked_for_its_model_before_a_job_is_refused(
    tmp_path: Path,
) -> None:
    async def film(connection: Connection) -> None:
        while True:
            received = await connection.request()
            await connection.answer(200, json.dumps(INFO).encode() if received.target == "/info" else b"film")

    async with serving(film) as server:
        adapter = made(server.origin)
        await adapter.generate(planned_with(INFO), [], tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == b"film"
        assert [received.method for received in server.received] == ["GET", "POST"]
        await adapter.close()


@pytest.mark.parametrize("answer", [answering(200, b"[]"), answering(503), answering(404), None])
async def test_while_it_is_still_down_the_job_waits(answer: Script | None, tmp_path: Path) -> None:
    async with serving(answer or answering(500)) as server:
        adapter = made(server.origin if answer else "http://127.0.0.1:9")
        error = await failure_of(adapter.generate(planned_with(INFO), [], tmp_path / "part"))
        assert (type(error), error.evidence) == (Unavailable, Evidence.NOT_SENT)
        assert {received.target for received in server.received} <= {"/info"}
        await adapter.close()


async def test_health_is_one_line() -> None:
    async with serving(telling(INFO)) as server:
        adapter = made(server.origin)
        assert await adapter.healthy() == "healthy: cogvideox-5b, 9 to 49 frames"
        await adapter.close()


@pytest.mark.parametrize(
    ("info", "health", "why"),
    [
        (INFO, "loa\u202eding", "says that it is loading"),
        ({**INFO, "is_loaded": False}, "healthy", "its model is not loaded"),
        ({**INFO, "is_loaded": False, "error": "out of\nmemory"}, "healthy", "out of memory"),
        ({**INFO, "error": "x" * 500}, "healthy", "x" * 200),
    ],
)
async def test_a_server_without_its_model_is_not_healthy(info: object, health: str, why: str) -> None:
    async with serving(telling(info, health)) as server:
        adapter = made(server.origin)
        error = await failure_of(adapter.healthy())
        assert type(error) is Unavailable
        assert error.detail == why
        await adapter.close()


async def test_the_key_goes_along_with_every_question() -> None:
    async with serving(answering(401)) as server:
        adapter = made(server.origin)
        await failure_of(adapter.refresh())
        assert server.received[0].headers["Authorization"] == f"Bearer {TOKEN}"
        await adapter.close()
