"""Drives the sandbox's page in headless Chromium as a member would: by keyboard, by labels, by what is seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, ViewportSize, async_playwright, expect

CHROMIUM = Path("/usr/bin/chromium")
# Milliseconds: a busy machine draws and encodes a picture in its own time.
PATIENCE = 20_000
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Skips the test, visibly, where there is no Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class PageDriver:
    """One browser tab with its own storage; `complaints` are its console errors and uncaught exceptions."""

    def __init__(self, browser: Browser, origin: str, *, width: int = 1280, height: int = 800) -> None:
        self._browser = browser
        self._origin = origin
        self._viewport = ViewportSize(width=width, height=height)
        self.complaints: list[str] = []
        self.page: Page

    async def __aenter__(self) -> Self:
        self._context = await self._browser.new_context(viewport=self._viewport)
        self.page = await self._context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._console)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._context.close()

    def _console(self, line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            self.complaints.append(line.text)

    async def open(self, *, member: int | None = None, channel: int | None = None) -> None:
        wanted = {"as": member, "channel": channel}
        fragment = "&".join(f"{key}={value}" for key, value in wanted.items() if value is not None)
        await self.page.goto(f"{self._origin}/#{fragment}")
        await expect(self.acting).to_be_visible()

    def by(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    @property
    def acting(self) -> Locator:
        return self.by("acting-as").locator("strong")

    @property
    def input(self) -> Locator:
        return self.by("composer-input")

    @property
    def messages(self) -> Locator:
        return self.by("message")

    def message(self, words: str) -> Locator:
        return self.messages.filter(has_text=words)

    def option(self, name: str) -> Locator:
        return self.by(f"command-option-{name}")

    @property
    def choices(self) -> Locator:
        return self.by("completion").get_by_role("option")

    async def act_as(self, username: str) -> None:
        await self.page.locator(f'input[data-username="{username}"]').check(force=True)

    async def say(self, words: str) -> None:
        await self.input.fill(words)
        await self.input.press("Enter")

    async def choose_command(self, name: str) -> None:
        """Types the name until the list has it, and takes it."""
        await self.input.press_sequentially(f"/{name}")
        await expect(self.choices.first).to_contain_text(f"/{name}")
        await self.page.keyboard.press("Tab")
        await expect(self.by("command-name")).to_have_text(f"/{name}")

    async def fill(self, **options: Any) -> None:
        """Options of the chosen command, as text; a `Path` is a file; optional ones are added first."""
        for name, value in options.items():
            if not await self.option(name).count():
                await self.by(f"add-option-{name}").click()
            if isinstance(value, Path):
                await self.option(name).set_input_files(value)
            else:
                await self.option(name).fill(str(value))

    async def slash(self, name: str, **options: Any) -> None:
        await self.choose_command(name)
        await self.fill(**options)
        if await self.choices.count():
            await self.page.keyboard.press("Escape")
        await self.by("command-send").click()

    async def plays(self, video: Locator) -> None:
        """Starts the film and waits until it has moved; fails when it does not."""
        await video.evaluate("video => { video.muted = true; return video.play() }")
        await self.page.wait_for_function("video => video.currentTime > 0.5", arg=await video.element_handle())

    async def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))
