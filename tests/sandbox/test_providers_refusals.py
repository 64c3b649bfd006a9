"""Whatever the documents do not allow is refused, and nothing is billed."""

import base64

import aiohttp
import pytest
import pytest_asyncio
from providers_kit import Client, image_base64

from bot.sandbox.providers import CogVideoXOptions, SandboxProviderOptions, SandboxProviders, schemas
from bot.sandbox.providers.chutes import FILM_ENDPOINTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGE = image_base64()
MINIMAL = {
    "prompt": "a cat",
    "model": "qwen-image",
    "image_b64": IMAGE,
    "img_b64_first": IMAGE,
    "data_uri": IMAGE,
}
COGVIDEOX = schemas.cogvideox(8, 100, 24, 50, 6.0)
ENDPOINTS = {
    **{f"/chutes/{row.model}{row.path}": row.schema for row in FILM_ENDPOINTS},
    "/chutes/qwen-image/generate": schemas.QWEN_IMAGE,
    "/cogvideox/generate": COGVIDEOX,
    "/pipelet/queue/wan22-fast-t2v": schemas.PIPELET_TEXT,
    "/pipelet/queue/wan22-fast-i2v": schemas.PIPELET_IMAGE,
}
WRONG_TYPE = {"string": 5, "integer": 24.5, "number": "5", "boolean": 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client():
    options = SandboxProviderOptions(instant=True, max_body=200_000)
    async with SandboxProviders(options) as providers, aiohttp.ClientSession() as session:
        yield Client(providers, session)


def minimal(path):
    return {name: MINIMAL[name] for name, field in ENDPOINTS[path].items() if field.required}


def wrong_values(field):
    yield WRONG_TYPE[field.kind]
    yield None
    if field.kind in {"integer", "number"}:
        yield True
    if field.choices:
        yield "none of these" if field.kind == "string" else 481
    if field.minimum is not None:
        yield field.minimum - 1
    if field.exclusive_minimum is not None:
        yield field.exclusive_minimum
    if field.maximum is not None:
        yield field.maximum + 1


def right_values(field):
    edges = (field.minimum, field.maximum, *field.choices)
    return [value for value in edges if value is not None]


async def refused(client, path, body):
    before = len(client.providers.generations)
    answer = await client.post(path, body)
    assert len(client.providers.generations) == before
    return answer.status, " ".join(answer.json["detail"])


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_every_value_outside_the_schema_is_refused_by_name(client, path):
    for name, field in ENDPOINTS[path].items():
        for value in wrong_values(field):
            status, detail = await refused(client, path, {**minimal(path), name: value})
            assert (status, detail.startswith(f"{name}: ")) == (400, True), (name, value, detail)


@pytest.mark.parametrize("path", [path for path in ENDPOINTS if path.startswith(("/chutes", "/cogvideox"))])
async def test_every_value_on_the_edge_of_the_schema_is_accepted(client, path):
    for name, field in ENDPOINTS[path].items():
        for value in right_values(field):
            answer = await client.post(path, {**minimal(path), name: value})
            assert answer.status == 200, (name, value, answer.data)


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_body_that_lacks_a_required_field_or_has_an_unknown_one_is_refused(client, path):
    for name in minimal(path):
        body = {key: value for key, value in minimal(path).items() if key != name}
        assert await refused(client, path, body) == (400, f"{name}: required")
    assert await refused(client, path, {**minimal(path), "style": "noir"}) == (400, "style: unknown field")


async def test_bodies_are_flat(client):
    status, detail = await refused(client, "/chutes/wan2.1-14b/text2video", {"args": {"prompt": "a cat"}})
    assert (status, "args: unknown field" in detail) == (400, True)


async def test_a_picture_takes_no_guidance_scale(client):
    path = "/chutes/qwen-image/generate"
    status, detail = await refused(client, path, {**minimal(path), "guidance_scale": 7.5})
    assert (status, detail) == (400, "guidance_scale: unknown field")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("no base64!", "not bare base64"),
        (f"data:image/png;base64,{IMAGE}", "not bare base64"),
        (base64.b64encode(b"not an image").decode(), "not an image that decodes"),
        (base64.b64encode(base64.b64decode(IMAGE)[:-30]).decode(), "not an image that decodes"),
    ],
)
async def test_an_image_must_be_bare_base64_of_something_that_decodes(client, text, detail):
    for path, field in (
        ("/chutes/wan2.1-14b/image2video", "image_b64"),
        ("/chutes/skyreels-v2-14b-540p/image2video", "img_b64_last"),
        ("/pipelet/queue/wan22-fast-i2v", "data_uri"),
    ):
        assert await refused(client, path, {**minimal(path), field: text}) == (400, f"{field}: {detail}")


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        ("wan22-fast-t2v", {"width": 640, "height": 480}),
        ("wan22-fast-t2v", {"width": 832}),
        ("wan22-fast-t2v", {"height": 480}),
        ("wan22-fast-t2v", {"width": 1280, "height": 720, "duration": 6}),
        ("wan22-fast-t2v", {"width": 768, "height": 768, "duration": 6}),
        ("wan22-fast-t2v", {"duration": 8}),
        ("wan22-fast-t2v", {"duration": 0}),
        ("wan22-fast-t2v", {"data_uri": IMAGE}),
        ("wan22-fast-i2v", {"height": 720, "duration": 6}),
        ("wan22-fast-i2v", {"width": 832, "height": 480}),
    ],
)
async def test_pipelet_takes_only_its_own_sizes_and_lengths(client, model, extra):
    path = f"/pipelet/queue/{model}"
    assert (await refused(client, path, {**minimal(path), **extra}))[0] == 400


@pytest.mark.parametrize(
    "extra",
    [
        {"width": 512, "height": 512, "duration": 7},
        {"width": 480, "height": 832, "duration": 7},
        {"width": 768, "height": 768, "duration": 5},
        {"width": 720, "height": 1280, "duration": 5},
    ],
)
async def test_pipelet_takes_its_longest_films(client, extra):
    answer = await client.post("/pipelet/queue/wan22-fast-t2v", {"prompt": "a cat", **extra})
    assert answer.status == 200


@pytest.mark.parametrize("token", [None, "", "wrong"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/chutes/wan2.1-14b/text2video"),
        ("POST", "/cogvideox/generate"),
        ("GET", "/cogvideox/info"),
        ("POST", "/pipelet/queue/wan22-fast-t2v"),
        ("GET", "/pipelet/queue/wan22-fast-t2v/requests/1"),
        ("GET", "/pipelet/queue/wan22-fast-t2v/requests/1/status"),
        ("PUT", "/pipelet/queue/wan22-fast-t2v/requests/1/cancel"),
    ],
)
async def test_the_providers_own_bearer_token_is_required(client, method, path, token):
    body = {"prompt": "a cat"} if method == "POST" else None
    answer = await client.call(method, path, body, token=token)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_one_providers_token_does_not_open_another(client):
    token = client.providers.tokens["pipelet"]
    answer = await client.post("/chutes/wan2.1-14b/text2video", {"prompt": "a cat"}, token=token)
    assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/chutes/wan2.1-14b/text2video", 405),
        ("POST", "/chutes/wan2.1-14b/text_to_video", 404),
        ("POST", "/chutes/unknown/text2video", 404),
        ("POST", "/chutes/skyreels/text2video", 404),
        ("POST", "/chutes/wan2.1-14b/text2video/", 404),
        ("POST", "/cogvideox/health", 405),
        ("HEAD", "/cogvideox/health", 405),
        ("GET", "/pipelet/queue/wan22-fast-t2v", 405),
        ("POST", "/pipelet/queue/wan22-slow-t2v", 404),
        ("POST", "/pipelet/queue/wan22-fast-t2v/requests/1/cancel", 405),
        ("PUT", "/pipelet/queue/wan22-fast-t2v/requests/999/cancel", 404),
        ("GET", "/pipelet/queue/wan22-fast-t2v/requests/999", 404),
    ],
)
async def test_an_unknown_path_or_method_is_refused(client, method, path, status):
    answer = await client.call(method, path, {"prompt": "a cat"} if method == "POST" else None)
    assert answer.status == status
    assert client.providers.requests[-1].status == status


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b'{"prompt": "a cat"}', {"Content-Type": "text/plain"}, 415),
        (b"{", {"Content-Type": "application/json"}, 400),
        (b'["prompt"]', {"Content-Type": "application/json"}, 400),
        (b'{"prompt": "a", "prompt": "b"}', {"Content-Type": "application/json"}, 400),
        (b'{"prompt": "a", "guidance_scale": NaN}', {"Content-Type": "application/json"}, 400),
        (b'{"prompt": "a", "guidance_scale": 1e999}', {"Content-Type": "application/json"}, 400),
        (b'{"prompt": "\xff"}', {"Content-Type": "application/json"}, 400),
        (b"[" * 100_000, {"Content-Type": "application/json"}, 400),
        (b" " * 300_000, {"Content-Type": "application/json"}, 413),
    ],
)
async def test_a_body_that_is_no_plain_json_object_is_refused(client, data, headers, status):
    answer = await client.post("/chutes/wan2.1-14b/text2video", data=data, headers=headers)
    assert answer.status == status


async def test_a_query_is_refused(client):
    answer = await client.post("/chutes/wan2.1-14b/text2video?wait=true", {"prompt": "a cat"})
    assert answer.status == 400


async def test_cogvideox_tells_its_bounds_and_keeps_them():
    told = CogVideoXOptions(model="cogvideox-5b", min_frames=9, max_frames=12, default_fps=8)
    options = SandboxProviderOptions(instant=True, cogvideox=told)
    async with SandboxProviders(options) as providers, aiohttp.ClientSession() as session:
        client = Client(providers, session)
        assert (await client.get("/cogvideox/health", token=None)).json == {"status": "healthy"}
        info = (await client.get("/cogvideox/info")).json
        assert info["model"] == "cogvideox-5b"
        assert info["config"]["min_frames"] == 9
        assert info.keys() == {"model", "is_loaded", "error", "config", "system_info"}
        statuses = [
            (await client.post("/cogvideox/generate", {"prompt": "a cat", "num_frames": frames})).status
            for frames in (8, 9, 12, 13)
        ]
        assert statuses == [400, 200, 200, 400]


async def test_cogvideox_without_its_model_makes_nothing():
    told = CogVideoXOptions(is_loaded=False, error="out of memory")
    options = SandboxProviderOptions(instant=True, cogvideox=told)
    async with SandboxProviders(options) as providers, aiohttp.ClientSession() as session:
        client = Client(providers, session)
        info = (await client.get("/cogvideox/info")).json
        assert (info["is_loaded"], info["error"]) == (False, "out of memory")
        assert (await client.post("/cogvideox/generate", {"prompt": "a cat"})).status == 503
        assert providers.generations == []
