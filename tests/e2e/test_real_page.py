"""The demo as a newcomer has it: the shipped bot behind the sandbox's page, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_kit import Scene, scene
from page_driver import PageDriver, chromium
from playwright.async_api import Browser, expect

from tests.support.media import picture

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    assert browser
    # The providers draw: what is played is what members of the demo see.
    async with scene(tmp_path_factory.mktemp("page"), speed=20, film_bytes=None) as playing:
        yield playing


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, it: Scene) -> AsyncIterator[PageDriver]:
    async with PageDriver(browser, it.discord.origin) as driver:
        await driver.open(member=it.alice.user.id, channel=it.channel.id)
        yield driver
        assert driver.complaints == []


async def test_a_film_is_asked_for_watched_in_the_queue_and_played(page: PageDriver) -> None:
    await page.slash("video", prompt="a paper boat")
    queue = page.message("a paper boat").first
    # A member sees it queued for an instant only: nobody is in front.
    await expect(queue).to_contain_text("being made")
    await expect(queue.get_by_role("button", name="Cancel")).to_be_visible()
    film = page.message("here is your film").last
    await expect(film).to_contain_text("@Alice", timeout=60_000)
    await page.plays(film.get_by_test_id("video"))
    await expect(queue).to_contain_text("done", timeout=20_000)
    await expect(queue.get_by_role("button", name="Cancel")).to_have_count(0)


async def test_a_picture_is_animated_with_a_model_from_the_list(page: PageDriver, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(picture((640, 480)))
    await page.choose_command("animate")
    await page.fill(image=file, prompt="the cat stretches")
    await page.by("add-option-model").click()
    await page.option("model").press_sequentially("1.3b")
    await expect(page.choices).to_have_count(1)
    await page.page.keyboard.press("Tab")
    await expect(page.option("model")).to_have_value(re.compile("^skyreels-v2-1.3b-540p "))
    await page.by("command-send").click()
    film = page.message("here is your film").filter(has_text="the cat stretches")
    await expect(film).to_be_visible(timeout=60_000)
    await page.plays(film.get_by_test_id("video"))


async def test_a_refusal_is_seen_in_private(page: PageDriver) -> None:
    await page.slash("video", prompt="a cat", model="cogvideox", seed="5")
    refusal = page.message("cogvideox does not take seed")
    await expect(refusal.get_by_test_id("ephemeral")).to_contain_text("Only you can see this")
    await expect(refusal).to_contain_text("can do it")


async def test_a_request_is_cancelled_with_its_button(page: PageDriver, it: Scene) -> None:
    await page.act_as("mara")
    await page.slash("admin limits set", burst="1", jobs_per_hour="1")
    await page.act_as("alice")
    await page.slash("image", prompt="never to be drawn")
    queue = page.message("never to be drawn").first
    await queue.get_by_role("button", name="Cancel").click()
    await expect(page.message("is cancelled").get_by_test_id("ephemeral")).to_be_visible()
    await expect(queue).to_contain_text("cancelled")
    assert "never to be drawn" not in [each.body["prompt"] for each in it.providers.generations]
