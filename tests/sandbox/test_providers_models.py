"""Every model answers its documented request with a film or a picture of exactly what was asked."""

import asyncio
import base64
import hashlib
import io

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image, ImageChops
from providers_kit import Client, FilmFacts, average, facts, frames, image_base64

from bot.sandbox.providers import GenerationState, ReceivedImage, SandboxProviderOptions, SandboxProviders

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAN, SKYREELS = "/chutes/wan2.1-14b", "/chutes/skyreels"
V2_LARGE, V2_SMALL = "/chutes/skyreels-v2-14b-540p", "/chutes/skyreels-v2-1.3b-540p"
UPRIGHT = image_base64(40, 60)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client():
    options = SandboxProviderOptions(speed=10_000)
    async with SandboxProviders(options) as providers, aiohttp.ClientSession() as session:
        yield Client(providers, session)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (f"{WAN}/text2video", {"prompt": "a cat"}, FilmFacts((832, 480), 24, 81)),
        (
            f"{WAN}/text2video",
            {"prompt": "a cat", "resolution": "480*832", "fps": 16, "frames": 90},
            FilmFacts((480, 832), 16, 90),
        ),
        (f"{WAN}/text2video", {"prompt": "a cat", "single_frame": True}, FilmFacts((832, 480), 24, 1)),
        (f"{WAN}/image2video", {"prompt": "a cat", "image_b64": UPRIGHT}, FilmFacts((512, 768), 24, 81)),
        (f"{SKYREELS}/generate", {"prompt": "a cat"}, FilmFacts((544, 960), 24, 97)),
        (
            f"{SKYREELS}/animate",
            {"prompt": "a cat", "image_b64": UPRIGHT, "resolution": "960x544"},
            FilmFacts((960, 544), 24, 97),
        ),
        (f"{V2_LARGE}/text2video", {"prompt": "a cat", "fps": 30, "num_frames": 98}, FilmFacts((960, 544), 30, 98)),
        (
            f"{V2_LARGE}/image2video",
            {"prompt": "a cat", "img_b64_first": UPRIGHT, "resolution": "720P"},
            FilmFacts((720, 1280), 24, 97),
        ),
        (f"{V2_SMALL}/text2video", {"prompt": "a cat"}, FilmFacts((960, 544), 24, 97)),
    ],
)
async def test_a_chutes_request_is_held_open_until_its_raw_film_comes_back(client, path, body, expected):
    answer = await client.post(path, body)
    assert (answer.status, facts(answer.data)) == (200, expected)
    # The document names no content type for Skyreels.
    assert answer.content_type == ("application/octet-stream" if SKYREELS + "/" in path else "video/mp4")
    generation = client.providers.generations[-1]
    assert (generation.provider, generation.model) == ("chutes", path.split("/")[2])
    assert (generation.state, generation.delivered, generation.billed) == (GenerationState.COMPLETED, True, True)
    assert generation.film_sha256 == hashlib.sha256(answer.data).hexdigest()


async def test_a_film_between_two_images_starts_with_the_first_and_ends_on_the_last(client):
    body = {
        "prompt": "dusk",
        "img_b64_first": image_base64(colour="red"),
        "img_b64_last": image_base64(colour="blue", form="JPEG"),
    }
    answer = await client.post(f"{V2_SMALL}/image2video", body)
    pictures = frames(answer.data)
    red, blue = average(pictures[0]), average(pictures[-1])
    assert red[0] > 200 > 60 > red[2]
    assert blue[2] > 200 > 60 > blue[0]


async def test_the_attached_image_is_kept_in_the_account_with_its_size(client):
    await client.post(f"{WAN}/image2video", {"prompt": "a cat", "image_b64": UPRIGHT})
    record = client.providers.requests[-1]
    assert record.body == {"prompt": "a cat", "image_b64": "<image>"}
    image = record.images["image_b64"]
    assert isinstance(image, ReceivedImage)
    assert (image.width, image.height, image.format) == (40, 60, "PNG")
    assert base64.b64encode(image.data).decode() == UPRIGHT
    assert client.providers.generations[-1].images == record.images


async def test_the_picture_moves_and_carries_its_prompt(client):
    long = await client.post("/cogvideox/generate", {"prompt": "one two three four", "num_frames": 24})
    pictures = frames(long.data)
    assert ImageChops.difference(pictures[0], pictures[-1]).getbbox() is not None
    height = pictures[0].height
    caption = pictures[0].crop((0, height * 9 // 10, 400, height)).convert("L")
    assert caption.getextrema()[1] > 200


async def test_the_same_prompt_and_seed_make_the_same_film_and_another_seed_does_not(client):
    films = [
        (await client.post(f"{WAN}/text2video", {"prompt": "a cat", "single_frame": True, "seed": seed})).data
        for seed in (1, 1, 2)
    ]
    assert films[0] == films[1] != films[2]


async def test_drawing_leaves_the_event_loop_free(client):
    request = asyncio.create_task(client.post("/cogvideox/generate", {"prompt": "busy", "num_frames": 100}))
    turns = 0
    while not request.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert len(frames((await request).data)) == 100
    assert turns > 10


@pytest.mark.parametrize(("sides", "size"), [({}, (1024, 1024)), ({"width": 640, "height": 361}, (640, 361))])
async def test_a_picture_is_a_jpeg_of_the_asked_size(client, sides, size):
    answer = await client.post("/chutes/qwen-image/generate", {"model": "qwen-image", "prompt": "a cat", **sides})
    assert (answer.status, answer.content_type) == (200, "image/jpeg")
    with Image.open(io.BytesIO(answer.data)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("JPEG", size)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": "a cat"}, FilmFacts((720, 480), 24, 49)),
        ({"prompt": "a cat", "num_frames": 8, "fps": 10}, FilmFacts((720, 480), 10, 8)),
    ],
)
async def test_cogvideox_answers_with_a_raw_film(client, body, expected):
    answer = await client.post("/cogvideox/generate", body)
    assert (answer.status, answer.content_type, facts(answer.data)) == (200, "video/mp4", expected)


@pytest.mark.parametrize("model", ["wan22-fast-t2v", "wan22-fast-t2v-premium", "wan22-fast-t2v-pro"])
async def test_a_pipelet_film_from_text_comes_as_base64_in_json(client, model):
    body = {"prompt": "a cat", "width": 512, "height": 512, "duration": 1}
    assert facts(await pipelet_film(client, model, body)) == FilmFacts((512, 512), 16, 16)


@pytest.mark.parametrize("model", ["wan22-fast-i2v", "wan22-fast-i2v-vip", "wan22-fast-i2v-pro"])
async def test_a_pipelet_film_from_an_image_takes_its_aspect(client, model):
    body = {"prompt": "a cat", "data_uri": UPRIGHT, "height": 480, "duration": 1}
    assert facts(await pipelet_film(client, model, body)) == FilmFacts((320, 480), 16, 16)


async def pipelet_film(client, model, body):
    created = (await client.post(f"/pipelet/queue/{model}", body)).json
    await client.providers.generations[-1].finished.wait()
    assert (await client.get(created["status_url"])).json["status"] == "COMPLETED"
    answer = await client.get(created["response_url"])
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.json.keys() == {"video"}
    return base64.b64decode(answer.json["video"]["data_uri"], validate=True)
