"""A small discord.py bot with one of everything that the sandbox's page has to show."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.sandbox.discord import SandboxDiscord
from tests.support.media import picture, small_film

MODELS = ("wan2.1-14b", "wander", "skyreels", "cogvideox")


class Words(discord.ui.Modal, title="Change the words"):
    prompt: discord.ui.TextInput[Words] = discord.ui.TextInput(label="Prompt", custom_id="words", max_length=50)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"New words: {self.prompt.value}")


class FilmButtons(discord.ui.View):
    @discord.ui.button(label="Again", style=discord.ButtonStyle.primary, custom_id="again")
    async def again(self, interaction: discord.Interaction, button: discord.ui.Button[FilmButtons]) -> None:
        button.disabled = True
        await interaction.response.edit_message(content="Asked for **again**", view=self)

    @discord.ui.button(label="Change words", custom_id="change")
    async def change(self, interaction: discord.Interaction, _: discord.ui.Button[FilmButtons]) -> None:
        await interaction.response.send_modal(Words())

    @discord.ui.select(
        placeholder="Pick a model", custom_id="pick", options=[discord.SelectOption(label=name) for name in MODELS]
    )
    async def pick(self, interaction: discord.Interaction, select: discord.ui.Select[FilmButtons]) -> None:
        await interaction.response.send_message(f"Picked {select.values[0]}", ephemeral=True)


class Panel(discord.ui.LayoutView):
    """Components V2: a poster, words, and a button that counts in them."""

    def __init__(self, shows: int = 0) -> None:
        super().__init__(timeout=None)
        self.shows = shows
        self.words: discord.ui.TextDisplay[Panel] = discord.ui.TextDisplay(f"## Tonight\nShows: {shows}")
        button: discord.ui.Button[Panel] = discord.ui.Button(label="One more", custom_id="more")
        button.callback = self._more  # type: ignore[method-assign]
        poster = discord.MediaGalleryItem("attachment://poster.png", description="The poster")
        self.add_item(
            discord.ui.Container(
                self.words,
                discord.ui.Separator(),
                discord.ui.MediaGallery(poster),
                discord.ui.ActionRow(button),
                accent_colour=0xF0B955,
            )
        )

    async def _more(self, interaction: discord.Interaction) -> None:
        self.shows += 1
        self.words.content = f"## Tonight\nShows: {self.shows}"
        await interaction.response.edit_message(view=self)


class PageBot(discord.Client):
    """Films wait for `finish`. The models for "w" are held back (`holding`) until a longer text was asked for."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), guild_ready_timeout=0)
        self.tree = app_commands.CommandTree(self)
        self.holding = asyncio.Event()
        self.overtaken = asyncio.Event()
        self.finish = asyncio.Event()
        self._add_commands()

    async def setup_hook(self) -> None:
        await self.tree.sync()

    def _add_commands(self) -> None:
        video = app_commands.Command(name="video", description="Make a short film from words", callback=self._video)
        video.autocomplete("model")(self._models)
        self.tree.add_command(video)
        for name, description, callback in (
            ("animate", "Bring a picture to life", self._animate),
            ("refuse", "Be told no", self._refuse),
            ("silent", "Never be answered", self._silent),
            ("panel", "See tonight's show", self._panel),
            ("whisper", "Get a direct message", self._whisper),
        ):
            self.tree.add_command(app_commands.Command(name=name, description=description, callback=callback))
        admin = app_commands.Group(
            name="admin", description="For moderators", default_permissions=discord.Permissions(manage_guild=True)
        )
        limits = app_commands.Group(name="limits", description="Limits", parent=admin)
        limits.add_command(
            app_commands.Command(name="set", description="Set what a member may ask for", callback=self._set_limit)
        )
        self.tree.add_command(admin)

    @app_commands.describe(prompt="What the film shows", model="Which model makes it", seconds="How long it is")
    async def _video(
        self,
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 200],
        model: str = MODELS[0],
        seconds: app_commands.Range[int, 1, 8] = 3,
        spoiler: bool = False,
    ) -> None:
        await interaction.response.defer()
        await self.finish.wait()
        made = discord.File(io.BytesIO(await asyncio.to_thread(small_film, seconds)), "film.mp4", spoiler=spoiler)
        words = f"{interaction.user.mention} your film: **{prompt}** by `{model}` <t:1700000000:R>"
        await interaction.edit_original_response(content=words, attachments=[made], view=FilmButtons())

    async def _models(self, _: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        if current == "w":
            self.holding.set()
            await self.overtaken.wait()
        elif current:
            self.overtaken.set()
        return [app_commands.Choice(name=name, value=name) for name in MODELS if current in name]

    @app_commands.describe(image="The first frame", prompt="What happens")
    async def _animate(self, interaction: discord.Interaction, image: discord.Attachment, prompt: str) -> None:
        data = await image.read()
        again = discord.File(io.BytesIO(data), image.filename)
        await interaction.response.send_message(f"{image.filename}: {len(data)} bytes, {prompt}", file=again)

    async def _refuse(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Not now: 2 films an hour.", ephemeral=True)

    async def _silent(self, interaction: discord.Interaction) -> None:
        pass

    async def _panel(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(view=Panel(), file=discord.File(io.BytesIO(picture()), "poster.png"))

    async def _whisper(self, interaction: discord.Interaction) -> None:
        await interaction.user.send("Only for your ears")
        await interaction.response.send_message("Sent", ephemeral=True)

    @app_commands.describe(per_hour="Films in an hour", member="Whom it holds for")
    async def _set_limit(
        self,
        interaction: discord.Interaction,
        per_hour: app_commands.Range[int, 0, 100],
        member: discord.Member | None = None,
    ) -> None:
        whom = member.mention if member else "everyone"
        await interaction.response.send_message(f"{whom}: {per_hour} an hour")


@asynccontextmanager
async def running(sandbox: SandboxDiscord) -> AsyncIterator[PageBot]:
    """The bot, online in the sandbox."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bot {sandbox.bot_token}"}
        async with session.get(f"{sandbox.api_url}/gateway/bot", headers=headers) as response:
            gateway = (await response.json())["url"]
    # discord.py knows its addresses only as class attributes.
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = sandbox.api_url, yarl.URL(gateway)
    bot = PageBot()
    task = asyncio.create_task(bot.start(sandbox.bot_token))
    try:
        await asyncio.wait({task, asyncio.create_task(bot.wait_until_ready())}, return_when=asyncio.FIRST_COMPLETED)
        yield bot
    finally:
        await bot.close()
        await task
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before
