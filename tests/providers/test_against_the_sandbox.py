"""The adapters against the second, independent reading of the same documents."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
from adapter_contract import failure_of

from bot.domain.errors import Ambiguous, BadResponse, Evidence, ProviderError, Rejected, Unauthorized, Unavailable
from bot.domain.generation import Asked, Aspect, ModelSpec, Quality, plan
from bot.domain.job import Cancelled, Completed, Failed, InProgress, InQueue, RemoteHandle, Unknown
from bot.providers.chutes import ChutesProvider
from bot.providers.cogvideox import CogVideoXProvider
from bot.providers.pipelet import PipeletProvider
from bot.sandbox.providers import (
    CogVideoXOptions,
    ManualClock,
    ProviderFault,
    SandboxProviderOptions,
    SandboxProviders,
)


def chutes(sandbox: SandboxProviders) -> ChutesProvider:
    return ChutesProvider(sandbox.tokens["chutes"], concurrency=2, base_urls=sandbox.chutes_base_urls, total=20)


def cogvideox(sandbox: SandboxProviders, token: str | None = None) -> CogVideoXProvider:
    return CogVideoXProvider(token or sandbox.tokens["cogvideox"], base_url=sandbox.cogvideox_base_url, total=20)


def pipelet(sandbox: SandboxProviders) -> PipeletProvider:
    return PipeletProvider(sandbox.tokens["pipelet"], concurrency=2, base_url=sandbox.pipelet_base_url)


def everything(spec: ModelSpec) -> Asked:
    """A request that uses each option that the model has."""
    size = spec.sizes[-1] if spec.sizes else None
    return Asked(
        spec.capability,
        "a cat, 猫",
        aspect=size and size.aspect,
        quality=size and size.quality,
        duration=5 if spec.takes_duration and spec.id != "cogvideox" else None,
        fps=spec.fps and int(spec.fps.low) + 16,
        steps=spec.steps and int(spec.steps.low) + 3,
        guidance=spec.guidance and spec.guidance.high - 0.5,
        seed=spec.seed and 12345,
        negative_prompt="dogs" if spec.negative_prompt else None,
        last_image=spec.last_image is not None,
    )


@pytest.mark.parametrize("full", [False, True])
async def test_every_direct_model_makes_what_was_asked(
    full: bool, sandbox: SandboxProviders, jpegs: list[Path], tmp_path: Path
) -> None:
    providers = (chutes(sandbox), cogvideox(sandbox))
    for provider, spec in [(one, spec) for one in providers for spec in one.models()]:
        request = plan(spec, everything(spec) if full else Asked(spec.capability, "a cat"), seed=99)
        images = jpegs[: 2 if full and spec.last_image else 1] if spec.image else []
        await provider.generate(request, images, tmp_path / "part")
        generation = sandbox.generations[-1]
        assert (generation.provider, generation.model) == (spec.provider, spec.id)
        assert (tmp_path / "part").read_bytes() == generation.film
        assert [image.data for image in generation.images.values()] == [path.read_bytes() for path in images]
    assert len(sandbox.generations) == 10
    for provider in providers:
        await provider.close()


@pytest.mark.parametrize("full", [False, True])
async def test_every_queued_model_makes_what_was_asked(
    full: bool, sandbox: SandboxProviders, jpegs: list[Path], tmp_path: Path
) -> None:
    provider = pipelet(sandbox)
    for spec in provider.models():
        request = plan(spec, everything(spec) if full else Asked(spec.capability, "a cat"), seed=99)
        handle = await provider.submit(request, jpegs[:1] if spec.image else [])
        async with asyncio.timeout(20):
            while (status := await provider.poll(handle)) != Completed():
                assert isinstance(status, InQueue | InProgress)
                await asyncio.sleep(0.01)
        await provider.fetch(handle, tmp_path / "part")
        generation = sandbox.generations[-1]
        assert (generation.model, generation.request_id) == (handle.model, handle.request_id)
        assert (tmp_path / "part").read_bytes() == generation.film
    assert len(sandbox.generations) == 6
    await provider.close()


async def test_every_size_of_every_model_is_one_that_the_provider_makes(
    sandbox: SandboxProviders, jpegs: list[Path], tmp_path: Path
) -> None:
    direct, queued = chutes(sandbox), pipelet(sandbox)
    for spec in (*direct.models(), *queued.models()):
        for index, size in enumerate(spec.sizes):
            request = dataclasses.replace(plan(spec, Asked(spec.capability, "a cat"), seed=1), size=index)
            images = jpegs[:1] if spec.image else []
            await (
                queued.submit(request, images) if spec.duration else direct.generate(request, images, tmp_path / "x")
            )
            assert sandbox.generations[-1].body.items() >= size.fields.items()
    await queued.close()


async def test_a_queued_request_can_be_cancelled_and_a_started_one_not(tmp_path: Path) -> None:
    async with SandboxProviders(SandboxProviderOptions(clock=ManualClock(), pipelet_workers=1)) as sandbox:
        provider = pipelet(sandbox)
        spec = provider.models()[0]
        request = plan(spec, Asked(spec.capability, "a cat", aspect=Aspect.LANDSCAPE, quality=Quality.STANDARD), seed=1)
        started, waiting = await provider.submit(request, []), await provider.submit(request, [])
        assert isinstance(await provider.poll(started), InProgress)
        assert await provider.poll(waiting) == InQueue(0)
        assert await provider.cancel(started) is False
        assert await provider.cancel(waiting) is True
        assert await provider.poll(waiting) == Cancelled()
        assert [generation.billed for generation in sandbox.generations] == [True, False]
        assert type(await failure_of(provider.fetch(started, tmp_path / "part"))) is Unavailable
        await provider.close()


async def test_progress_and_ends_are_told(sandbox: SandboxProviders) -> None:
    provider = pipelet(sandbox)
    spec = provider.models()[0]
    handle = await provider.submit(plan(spec, Asked(spec.capability, "a cat"), seed=1), [])
    for word, expected in (
        ("WARMING_UP", Unknown("WARMING_UP")),
        ("CANCELLED", Cancelled()),
    ):
        sandbox.faults.add(ProviderFault(provider="pipelet", step="status", status_word=word))
        assert await provider.poll(handle) == expected
    sandbox.faults.add(ProviderFault(provider="pipelet", step="status", status_word="FAILED", reason="no GPU"))
    failed = await provider.poll(await provider.submit(plan(spec, Asked(spec.capability, "a dog"), seed=1), []))
    assert isinstance(failed, Failed)
    await provider.close()


@pytest.mark.parametrize(
    ("fault", "error", "started"),
    [
        ({"drop": "before_read"}, Ambiguous, 0),
        ({"drop": "after_read"}, Ambiguous, 1),
        ({"raw": b"nonsense\r\n\r\n"}, Ambiguous, 1),
        ({"drop": "mid_body"}, BadResponse, 1),
        ({"gzip": True}, BadResponse, 1),
        ({"status": 500, "billed": True}, Ambiguous, 1),
        ({"status": 503, "headers": {"Retry-After": "3"}}, Unavailable, 0),
        ({"status": 402}, Unauthorized, 0),
        ({"redirect": "http://127.0.0.1:1/"}, Rejected, 0),
    ],
)
@pytest.mark.parametrize("name", ["chutes", "cogvideox", "pipelet"])
async def test_evidence_agrees_with_the_bill(
    name: str, fault: dict, error: type[ProviderError], started: int, sandbox: SandboxProviders, tmp_path: Path
) -> None:
    """Whatever is called free was never started."""
    provider = {"chutes": chutes, "cogvideox": cogvideox, "pipelet": pipelet}[name](sandbox)
    step = "create" if name == "pipelet" else "generate"
    sandbox.faults.add(ProviderFault(provider=name, step=step, **fault))
    spec = provider.models()[0]
    request = plan(spec, Asked(spec.capability, "a cat"), seed=1)
    call = provider.submit(request, []) if name == "pipelet" else provider.generate(request, [], tmp_path / "part")
    failed = await failure_of(call)
    assert type(failed) is (Ambiguous if name == "pipelet" and error is BadResponse else error)
    assert len(sandbox.generations) == started
    assert not (failed.evidence.free and sandbox.generations)
    await provider.close()


async def test_a_wrong_key_is_told_to_the_operator(sandbox: SandboxProviders) -> None:
    for provider in (
        PipeletProvider("wrong", concurrency=1, base_url=sandbox.pipelet_base_url),
        cogvideox(sandbox, "wrong"),
    ):
        assert type(await failure_of(provider.healthy())) is Unauthorized
        await provider.close()


async def test_everybody_is_healthy_and_nothing_was_spent(sandbox: SandboxProviders) -> None:
    for provider in (chutes(sandbox), cogvideox(sandbox), pipelet(sandbox)):
        assert await provider.healthy()
        await provider.refresh()
        await provider.close()
    assert sandbox.generations == []


async def test_the_server_s_own_model_replaces_the_documented_one(tmp_path: Path) -> None:
    told = CogVideoXOptions(model="cogvideox-1.5", min_frames=16, max_frames=32, default_fps=8)
    async with SandboxProviders(SandboxProviderOptions(instant=True, cogvideox=told)) as sandbox:
        provider = cogvideox(sandbox)
        await provider.refresh()
        (spec,) = provider.models()
        await provider.generate(plan(spec, Asked(spec.capability, "a cat", duration=4), seed=1), [], tmp_path / "part")
        assert sandbox.generations[-1].body == {"prompt": "a cat", "num_frames": 32}
        await provider.close()


async def test_an_unknown_request_is_rejected_as_such(sandbox: SandboxProviders, tmp_path: Path) -> None:
    provider = pipelet(sandbox)
    gone = RemoteHandle(provider.models()[0].id, "4711")
    for call in (provider.poll(gone), provider.fetch(gone, tmp_path / "part")):
        error = await failure_of(call)
        assert (type(error), error.status) == (Rejected, 404)
    await provider.close()


async def test_providers_that_are_down_were_sent_nothing(tmp_path: Path) -> None:
    sandbox = SandboxProviders(SandboxProviderOptions(instant=True))
    await sandbox.start()
    providers = (chutes(sandbox), cogvideox(sandbox))
    await sandbox.stop()
    for provider in providers:
        spec = provider.models()[0]
        request = plan(spec, Asked(spec.capability, "a cat"), seed=1)
        assert (await failure_of(provider.generate(request, [], tmp_path / "part"))).evidence is Evidence.NOT_SENT
