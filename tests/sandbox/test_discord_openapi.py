"""A whole conversation with discord.py, held against Discord's own description."""

import io
from typing import Any

import discord as py
from discord import app_commands
from discord_kit import Stage, discord_py, png, stage
from openapi_kit import Description, load

from bot.sandbox.discord import SystemClock, Upload


class Form(py.ui.Modal, title="Why?"):
    reason: py.ui.Label["Form"] = py.ui.Label(
        text="Reason", component=py.ui.TextInput(custom_id="reason", style=py.TextStyle.paragraph)
    )
    picture: py.ui.Label["Form"] = py.ui.Label(text="Picture", component=py.ui.FileUpload(custom_id="file"))

    async def on_submit(self, interaction: py.Interaction) -> None:
        await interaction.response.edit_message(content="done", view=None)


class Buttons(py.ui.View):
    @py.ui.button(label="Why", custom_id="why", style=py.ButtonStyle.danger)
    async def why(self, interaction: py.Interaction, _button: Any) -> None:
        await interaction.response.send_modal(Form())

    @py.ui.select(cls=py.ui.ChannelSelect, custom_id="where")
    async def where(self, interaction: py.Interaction, _select: Any) -> None:
        await interaction.response.send_message("there", ephemeral=True)


class Card(py.ui.LayoutView):
    def __init__(self) -> None:
        super().__init__(timeout=None)
        button: py.ui.Button[Card] = py.ui.Button(label="Open", url="https://example.org")
        box: py.ui.Container[Card] = py.ui.Container(accent_color=0x5865F2)
        box.add_item(py.ui.Section(py.ui.TextDisplay("A film"), accessory=button))
        box.add_item(py.ui.Separator())
        box.add_item(py.ui.MediaGallery(py.MediaGalleryItem("attachment://a.png", description="A film")))
        self.add_item(box)


def build(tree: app_commands.CommandTree[py.AutoShardedClient]) -> None:
    @tree.command(name="go", description="Goes")
    @app_commands.default_permissions(send_messages=True)
    @app_commands.allowed_contexts(guilds=True, dms=True)
    async def go(
        interaction: py.Interaction,
        image: py.Attachment,
        model: str,
        seconds: app_commands.Range[int, 1, 9] = 3,
        who: py.User | None = None,
    ) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(
            content="ready",
            embed=py.Embed(title="Film", description="text", colour=1).set_image(url="attachment://a.png"),
            attachments=[py.File(io.BytesIO(await image.read()), "a.png")],
            view=Buttons(timeout=None),
        )
        extra = await interaction.followup.send("more", ephemeral=True, wait=True)
        await extra.edit(content="even more")
        await extra.delete()
        await interaction.followup.send(view=Card(), file=py.File(io.BytesIO(png()), "a.png"))
        await in_channel(interaction)

    @go.autocomplete("model")
    async def suggest(interaction: py.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name="Wan", value="wan")]

    limits = app_commands.Group(
        name="admin", description="Rules", default_permissions=py.Permissions(manage_guild=True)
    )

    @limits.command(name="set", description="Sets")
    @app_commands.choices(kind=[app_commands.Choice(name="One", value=1)])
    async def set_(interaction: py.Interaction, kind: int, channel: py.TextChannel | None = None) -> None:
        await interaction.response.send_message("set", ephemeral=True)

    tree.add_command(limits)


async def in_channel(interaction: py.Interaction) -> None:
    channel = interaction.channel
    assert isinstance(channel, py.TextChannel)
    message = await channel.send(
        interaction.user.mention,
        file=py.File(io.BytesIO(png()), "film.png", description="A film"),
        nonce="job",
        reference=await interaction.original_response(),
        allowed_mentions=py.AllowedMentions(users=[interaction.user], replied_user=False),
    )
    await message.edit(content="changed", attachments=[*message.attachments, py.File(io.BytesIO(b"x"), "b.txt")])
    await message.add_reaction("\N{THUMBS UP SIGN}")
    await channel.fetch_message(message.id)
    assert [each async for each in channel.history(limit=3)]
    await message.delete()
    await interaction.client.fetch_channel(channel.id)
    await interaction.client.fetch_guild(channel.guild.id)
    await interaction.client.fetch_user(interaction.user.id)
    thread = await channel.create_thread(name="talk", type=py.ChannelType.public_thread)
    await thread.send("in a thread")
    await interaction.user.send("psst")


async def converse(scene: Stage) -> None:
    alice, channel = scene.alice, scene.channel
    async with discord_py(scene.discord, build) as bot:
        assert bot.application_id is not None
        await alice.complete(channel, "go", focused="model", model="w")
        image = Upload("in.png", png())
        reply = await alice.slash(channel, "go", image=image, model="wan", who=scene.moderator.user)
        await scene.discord.until(alice.direct_messages)
        assert reply.message is not None
        opened = await alice.press(reply.message, "why")
        assert opened.modal is not None
        await alice.submit_modal(opened.modal, {"reason": "so", "file": [image]})
        await scene.moderator.slash(channel, "admin set", kind=1, channel=channel)


async def test_requests_and_answers_are_as_discord_describes_them() -> None:
    description = Description(load())
    async with stage(clock=SystemClock()) as scene:
        scene.guild.everyone.permissions |= scene.discord.PERMS_MODERATOR
        scene.guild.add_channel("elsewhere", topic="x", nsfw=True)
        await converse(scene)
        found = [each for entry in scene.discord.transcript.rest() for each in description.complaints(entry)]
        assert found == [], "\n".join(found)
        assert scene.discord.complaints == []
        assert len(scene.discord.transcript.rest()) > 25


async def test_an_error_is_as_discord_describes_it() -> None:
    description = Description(load())
    async with stage() as scene:
        await scene.send({"content": "x" * 2001})
        (entry,) = scene.discord.transcript.rest()
        assert entry.status == 400
        assert description.complaints(entry) == []
