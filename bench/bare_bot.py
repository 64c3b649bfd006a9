"""A discord.py bot that does nothing but acknowledge `/video` with a public message: what Matinee is held against."""

import asyncio
import os

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

API, TOKEN = "BENCH_API_URL", "BENCH_TOKEN"


class BareBot(discord.AutoShardedClient):
    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), max_messages=None)
        self.tree = app_commands.CommandTree(self)
        self.tree.add_command(app_commands.Command(name="video", description="Acknowledge", callback=video))

    async def setup_hook(self) -> None:
        _, url, _ = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
        await self.tree.sync()


@app_commands.describe(prompt="What you want to see")
async def video(interaction: discord.Interaction[BareBot], prompt: str) -> None:
    await interaction.response.send_message(f"Queued: {prompt}", allowed_mentions=discord.AllowedMentions.none())


async def main() -> None:
    Route.BASE = os.environ[API]
    async with BareBot() as bot:
        await bot.start(os.environ[TOKEN])


if __name__ == "__main__":
    asyncio.run(main())
