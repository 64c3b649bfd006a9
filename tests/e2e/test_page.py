"""The sandbox's page in a real browser, with a real bot behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from page_bot import PageBot, running
from page_driver import PageDriver, chromium
from playwright.async_api import Browser, expect

import bot.sandbox
from bot.sandbox.discord import SandboxDiscord
from tests.support.media import picture

PAGE = Path(bot.sandbox.__path__[0]) / "page"

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Club:
    sandbox: SandboxDiscord
    bot: PageBot
    general: int
    premieres: int
    ids: dict[str, int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def club() -> AsyncIterator[Club]:
    async with SandboxDiscord(bot_token="a.page.token", page_directory=PAGE) as sandbox:
        guild = sandbox.world.add_guild("Film Club")
        general, premieres = guild.add_channel("general"), guild.add_channel("premieres")
        ids = {}
        for name, permissions in (
            ("alice", sandbox.PERMS_MEMBER),
            ("bob", sandbox.PERMS_MEMBER),
            ("maria", sandbox.PERMS_MODERATOR),
        ):
            user = sandbox.world.add_user(name)
            guild.add_member(user, permissions=permissions)
            ids[name] = user.id
        async with running(sandbox) as bot:
            yield Club(sandbox, bot, general.id, premieres.id, ids)


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, club: Club) -> AsyncIterator[PageDriver]:
    """Alice's page; whatever a test does, the console stays clean."""
    async with PageDriver(browser, club.sandbox.origin) as driver:
        await driver.open(member=club.ids["alice"], channel=club.general)
        yield driver
        assert driver.complaints == []


async def test_a_film_is_asked_for_by_keyboard_and_plays(page: PageDriver, club: Club) -> None:
    keyboard = page.page.keyboard
    await page.input.focus()
    await keyboard.type("/vid")
    await expect(page.choices).to_have_count(1)
    await keyboard.press("Enter")
    await expect(page.option("prompt")).to_be_focused()
    await keyboard.type("a cat on the moon")
    await keyboard.press("Enter")
    await expect(page.by("thinking")).to_be_visible()
    await expect(page.input).to_be_focused()
    club.bot.finish.set()
    film = page.message("a cat on the moon").get_by_test_id("video")
    await page.plays(film)
    await expect(page.by("thinking")).to_have_count(0)
    await expect(page.message("a cat on the moon")).to_contain_text("@Alice your film")
    await expect(page.message("a cat on the moon").locator("time[data-relative]")).to_contain_text("years ago")


async def test_a_film_plays_on_while_its_message_is_edited(page: PageDriver, club: Club) -> None:
    club.bot.finish.set()
    await page.slash("video", prompt="a kite")
    film = page.message("a kite").get_by_test_id("video")
    await page.plays(film)
    playing = await film.element_handle()
    again = page.page.get_by_role("button", name="Again")
    await again.click()
    await expect(again).to_be_disabled()
    await expect(page.message("Asked for again")).to_contain_text("(edited)")
    assert await playing.evaluate("video => video.isConnected && video.currentTime > 0.5")


async def test_a_spoiler_film_is_hidden_until_it_is_asked_for(page: PageDriver, club: Club) -> None:
    club.bot.finish.set()
    await page.slash("video", prompt="the last scene", spoiler="True")
    veil = page.by("spoiler")
    await expect(veil.get_by_role("button", name="Spoiler")).to_be_visible()
    await expect(veil.locator("figure")).to_have_attribute("inert", "")
    await veil.get_by_role("button", name="Spoiler").click()
    await page.plays(veil.get_by_test_id("video"))


async def test_the_command_list_follows_the_arrow_keys_and_leaves_with_escape(page: PageDriver) -> None:
    keyboard = page.page.keyboard
    await page.input.focus()
    await keyboard.type("/")
    await expect(page.choices.first).to_have_attribute("aria-selected", "true")
    await keyboard.press("ArrowDown")
    second = page.choices.nth(1)
    await expect(second).to_have_attribute("aria-selected", "true")
    await expect(page.input).to_have_attribute("aria-activedescendant", await second.get_attribute("id") or "")
    await keyboard.press("Escape")
    await expect(page.by("completion")).to_be_hidden()
    await expect(page.input).to_have_value("/")


async def test_autocomplete_drops_an_answer_that_comes_too_late(page: PageDriver, club: Club) -> None:
    await page.choose_command("video")
    await page.by("add-option-model").click()
    await expect(page.choices).to_have_count(4)
    model = page.option("model")
    await model.press("w")
    await asyncio.wait_for(club.bot.holding.wait(), 5)
    async with page.page.expect_event("requestfailed"):
        await model.press_sequentially("ande")
    await expect(page.choices).to_have_text(["wander"])
    await page.page.keyboard.press("Tab")
    await expect(model).to_have_value("wander")


async def test_what_the_bounds_forbid_is_said_before_anything_is_sent(page: PageDriver) -> None:
    await page.slash("video", prompt="x", seconds="9")
    await expect(page.option("seconds")).to_have_attribute("aria-invalid", "true")
    await expect(page.by("command-form")).to_contain_text("Give 8 or less.")
    await expect(page.option("seconds")).to_be_focused()
    await page.option("prompt").fill("")
    await page.by("command-send").click()
    await expect(page.by("command-form")).to_contain_text("This option is required.")
    await expect(page.messages).to_have_count(0)


async def test_a_picture_is_uploaded_and_shown(page: PageDriver, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(picture())
    await page.slash("animate", image=file, prompt="it runs")
    answer = page.message(f"cat.png: {file.stat().st_size} bytes, it runs")
    shown = answer.get_by_test_id("image")
    await page.page.wait_for_function("image => image.naturalWidth === 64", arg=await shown.element_handle())


async def test_a_dropped_picture_starts_the_command_that_wants_one(page: PageDriver) -> None:
    bytes_ = list(picture())
    await page.page.evaluate(
        """bytes => {
            const carried = new DataTransfer();
            carried.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            const drop = { dataTransfer: carried, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("drop", drop));
        }""",
        bytes_,
    )
    await expect(page.by("command-name")).to_have_text("/animate")
    await expect(page.by("command-form")).to_contain_text("dropped.png")
    await page.fill(prompt="it falls")
    await page.page.keyboard.press("Enter")
    await expect(page.message(f"dropped.png: {len(bytes_)} bytes, it falls")).to_be_visible()


async def test_a_refusal_is_seen_only_by_its_member_and_can_be_dismissed(
    page: PageDriver, browser: Browser, club: Club
) -> None:
    async with PageDriver(browser, club.sandbox.origin) as bob:
        await bob.open(member=club.ids["bob"], channel=club.general)
        await page.slash("refuse")
        await expect(page.message("2 films an hour").get_by_test_id("ephemeral")).to_contain_text(
            "Only you can see this"
        )
        await page.say("Hello everyone")
        await expect(bob.message("Hello everyone")).to_be_visible()
        await expect(bob.message("2 films an hour")).to_have_count(0)
        assert bob.complaints == []
    await page.act_as("bob")
    await expect(page.message("Hello everyone")).to_be_visible()
    await expect(page.message("2 films an hour")).to_have_count(0)
    await page.act_as("alice")
    await page.message("2 films an hour").get_by_test_id("dismiss").click()
    await expect(page.message("2 films an hour")).to_have_count(0)


async def test_an_unanswered_command_says_so(page: PageDriver, club: Club) -> None:
    club.sandbox.options.deadline = 0.3
    await page.slash("silent")
    await expect(page.by("refusal")).to_contain_text("The application did not respond")
    await page.by("refusal").get_by_role("button", name="Dismiss").click()
    await expect(page.by("refusal")).to_have_count(0)


async def test_buttons_open_forms_and_menus_send_their_choice(page: PageDriver, club: Club) -> None:
    club.bot.finish.set()
    await page.slash("video", prompt="a boat")
    change = page.page.get_by_role("button", name="Change words")
    await change.click()
    await expect(page.by("modal-words")).to_be_focused()
    await page.by("modal-words").fill("a <b>ship</b>")
    await page.by("modal-submit").click()
    await expect(page.message("New words: a <b>ship</b>")).to_be_visible()
    await expect(page.by("modal")).to_have_count(0)
    await expect(change).to_be_focused()
    await page.by("component-select").press("ArrowDown")
    await page.by("component-select").press("ArrowDown")
    await page.by("component-select").press("Enter")
    await expect(page.message("Picked wander").get_by_test_id("ephemeral")).to_be_visible()


async def test_a_panel_of_components_is_drawn_and_follows_its_edits(page: PageDriver) -> None:
    await page.slash("panel")
    panel = page.messages.first
    await expect(panel.get_by_role("heading", name="Tonight")).to_be_visible()
    poster = await panel.get_by_role("img", name="The poster").element_handle()
    await page.page.wait_for_function("image => image.naturalWidth === 64", arg=poster)
    more = panel.get_by_role("button", name="One more")
    await more.focus()
    await page.page.keyboard.press("Enter")
    await expect(panel).to_contain_text("Shows: 1")
    await expect(more).to_be_focused()
    await page.page.keyboard.press("Enter")
    await expect(panel).to_contain_text("Shows: 2")


async def test_only_a_moderator_is_offered_the_moderators_commands(page: PageDriver) -> None:
    await page.input.press_sequentially("/admin")
    await expect(page.choices).to_have_count(0)
    await page.act_as("maria")
    await page.input.fill("")
    await page.slash("admin limits set", per_hour="5", member="Bob")
    await expect(page.message("@Bob: 5 an hour")).to_be_visible()


async def test_message_text_is_markdown_and_never_html(page: PageDriver, club: Club) -> None:
    await page.say(
        f"**bold** *slanted* `code` <@{club.ids['bob']}> <#{club.premieres}> <img src=x onerror=alert(1)> ||hush||"
    )
    content = page.message("slanted").get_by_test_id("content")
    await expect(content.locator("strong")).to_have_text("bold")
    await expect(content.locator("em")).to_have_text("slanted")
    await expect(content.locator("code")).to_have_text("code")
    await expect(content).to_contain_text("@Bob #premieres <img src=x onerror=alert(1)>")
    await expect(content.locator("img")).to_have_count(0)
    await page.act_as("bob")
    await expect(page.message("slanted")).to_have_class("message mentioned")
    await content.get_by_role("button", name="#premieres").click()
    await expect(page.by("room-title")).to_have_text("premieres")


async def test_a_direct_message_appears_in_the_side_bar(page: PageDriver) -> None:
    await page.slash("whisper")
    await page.by("guild").filter(has_text="Direct messages").get_by_test_id("channel").click()
    await expect(page.message("Only for your ears")).to_be_visible()


async def test_a_first_visit_is_told_what_to_try(page: PageDriver) -> None:
    await page.by("empty").get_by_test_id("try-video").click()
    await expect(page.option("prompt")).to_have_value(
        "A paper boat drifts down a rainy street at dusk, warm light from the windows"
    )
    await page.page.keyboard.press("Escape")
    await page.by("try-animate").click()
    await expect(page.by("command-form")).to_contain_text("sunset.png")


async def test_the_header_tells_when_the_bot_goes(page: PageDriver, club: Club) -> None:
    await expect(page.by("bot-status")).to_contain_text("is online")
    await club.bot.close()
    await expect(page.by("bot-status")).to_contain_text("is offline")


async def test_everything_fits_and_works_on_a_narrow_screen(browser: Browser, club: Club) -> None:
    club.bot.finish.set()
    async with PageDriver(browser, club.sandbox.origin, width=380, height=740) as phone:
        await phone.open(member=club.ids["alice"], channel=club.general)
        await phone.slash("video", prompt="a very_long_word_" + "x" * 120)
        await phone.plays(phone.by("video"))
        assert not await phone.overflows()
        await expect(phone.by("sidebar")).to_be_hidden()
        await phone.by("drawer-open").click()
        await expect(phone.page.get_by_role("button", name="Close the side bar")).to_be_focused()
        await phone.page.locator(f'[data-channel-id="{club.premieres}"]').click()
        await expect(phone.by("room-title")).to_have_text("premieres")
        await expect(phone.by("sidebar")).to_be_hidden()
        await phone.choose_command("video")
        assert not await phone.overflows()
        assert phone.complaints == []


async def test_the_page_catches_up_after_a_lost_connection(browser: Browser, club: Club) -> None:
    sandbox = club.sandbox
    port = int(sandbox.origin.rpartition(":")[2])
    async with PageDriver(browser, sandbox.origin) as driver:
        await driver.open(member=club.ids["alice"], channel=club.general)
        await club.bot.close()
        await sandbox.stop()
        await expect(driver.by("banner")).to_contain_text("does not answer")
        await sandbox.member("bob").say(sandbox.world.channels[club.general], "Said in the dark")
        await sandbox.start(port=port)
        await expect(driver.message("Said in the dark")).to_be_visible()
        await expect(driver.by("banner")).to_be_hidden()
