"""A picture of a waiting job once more: fitted to another model, or in fewer bytes for the same one."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from bot.domain.errors import BadPicture, PictureProblem
from bot.domain.generation import Frame
from bot.media.pictures import SafePictures

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pictures(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SafePictures]:
    pictures = SafePictures(tmp_path_factory.mktemp("again") / "inputs", max_bytes=8_000_000)
    await pictures.start()
    yield pictures
    await pictures.close()


async def prepared(pictures: SafePictures, folder: Path) -> str:
    noise = random.Random(3).randbytes(640 * 480 * 3)
    Image.frombytes("RGB", (640, 480), noise).save(folder / "cat.png")
    return (await pictures.prepare(folder / "cat.png", [Frame(640, 480)])).name


async def test_it_is_fitted_anew_and_the_first_one_stays(pictures: SafePictures, tmp_path: Path) -> None:
    first = await prepared(pictures, tmp_path)
    again = await pictures.again(first, [Frame(960, 544), Frame(544, 960)])
    assert (again.width, again.height, again.frame) == (960, 544, 0)
    assert again.name != first
    assert pictures.path(first).exists()
    assert {path.suffix for path in pictures.path(first).parent.iterdir()} == {".jpg"}


async def test_small_is_fewer_bytes_of_the_same_picture(pictures: SafePictures, tmp_path: Path) -> None:
    first = await prepared(pictures, tmp_path)
    small = await pictures.again(first, small=True)
    assert (small.width, small.height) == (640, 480)
    assert pictures.path(small.name).stat().st_size < pictures.path(first).stat().st_size / 2


async def test_one_that_is_gone_says_so(pictures: SafePictures, tmp_path: Path) -> None:
    first = await prepared(pictures, tmp_path)
    pictures.forget(first)
    with pytest.raises(BadPicture) as refused:
        await pictures.again(first)
    assert refused.value.problem is PictureProblem.UNREACHABLE
