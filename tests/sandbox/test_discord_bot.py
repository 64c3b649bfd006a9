"""An unmodified discord.py bot over sockets."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import discord as py
import pytest
from discord import app_commands
from discord_kit import TOKEN, Stage, discord_py, png, pointed_at, stage

from bot.sandbox.discord import Fault, SystemClock, Upload

Tree = app_commands.CommandTree[py.AutoShardedClient]


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage(clock=SystemClock()) as made:
        yield made
        assert made.discord.complaints == []


def one_command(body: Callable[..., Any], **names: str) -> Callable[[Tree], None]:
    def build(tree: Tree) -> None:
        tree.command(name=names.get("name", "go"), description="Goes")(body)

    return build


async def test_it_logs_in_and_syncs_its_commands(scene: Stage) -> None:
    async def go(interaction: py.Interaction, prompt: str) -> None: ...

    async with discord_py(scene.discord, one_command(go)) as bot:
        assert bot.user is not None
        assert bot.user.id == scene.discord.world.bot.id
        assert [each["name"] for each in scene.alice.commands(scene.channel)] == ["go"]


async def test_a_picture_goes_in_and_the_deferred_answer_comes_out_with_a_file(scene: Stage) -> None:
    seen: dict[str, Any] = {}

    async def go(interaction: py.Interaction, image: py.Attachment, steps: app_commands.Range[int, 1, 9] = 3) -> None:
        seen.update(type=image.content_type, width=image.width, limit=interaction.filesize_limit, steps=steps)
        await interaction.response.defer()
        data = await image.read()
        await interaction.edit_original_response(content="Here.", attachments=[py.File(io.BytesIO(data), "back.png")])

    async with discord_py(scene.discord, one_command(go)):
        reply = await scene.alice.slash(scene.channel, "go", image=Upload("in.png", png(16, 9)), steps=5)
        message = reply.message
        assert message is not None
        assert message.loading or message.content
        await scene.discord.until(lambda: not message.loading)
    assert seen == {"type": "image/png", "width": 16, "limit": 20 * 1024 * 1024, "steps": 5}
    assert message.content == "Here."
    assert message.attachments[0].data == png(16, 9)
    assert (message.attachments[0].width, message.attachments[0].height) == (16, 9)


async def test_the_first_follow_up_fills_the_loading_message_and_the_second_is_new(scene: Stage) -> None:
    async def go(interaction: py.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        await interaction.followup.send("first")
        await interaction.followup.send("second", ephemeral=True)

    async with discord_py(scene.discord, one_command(go)):
        await scene.alice.slash(scene.channel, "go")
        await scene.discord.until(lambda: len(scene.alice.messages(scene.channel)) == 2)
        await scene.discord.until(lambda: not scene.alice.messages(scene.channel)[0].loading)
    first, second = scene.alice.messages(scene.channel)
    assert (first.content, second.content) == ("first", "second")
    assert first.ephemeral
    assert scene.moderator.messages(scene.channel) == []


async def test_choices_are_suggested_while_typing(scene: Stage) -> None:
    async def go(interaction: py.Interaction, model: str) -> None: ...

    async def suggest(interaction: py.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}!", value=typed)]

    def build(tree: Tree) -> None:
        tree.command(name="go", description="Goes")(app_commands.autocomplete(model=suggest)(go))

    async with discord_py(scene.discord, build):
        found = await scene.alice.complete(scene.channel, "go", focused="model", model="wan")
    assert found == [{"name": "wan!", "value": "wan"}]


async def test_a_button_opens_a_dialog_and_the_dialog_is_answered(scene: Stage) -> None:
    class Why(py.ui.Modal, title="Why?"):
        reason: py.ui.TextInput["Why"] = py.ui.TextInput(label="Reason", custom_id="reason", max_length=20)

        async def on_submit(self, interaction: py.Interaction) -> None:
            await interaction.response.edit_message(content=f"Because {self.reason.value}", view=None)

    class Choice(py.ui.View):
        @py.ui.button(label="Cancel it", custom_id="cancel:1")
        async def cancel(self, interaction: py.Interaction, _button: Any) -> None:
            await interaction.response.send_modal(Why())

    async def go(interaction: py.Interaction) -> None:
        await interaction.response.send_message("Working", view=Choice(timeout=None), ephemeral=True)

    async with discord_py(scene.discord, one_command(go)):
        first = await scene.alice.slash(scene.channel, "go")
        assert first.message is not None
        opened = await scene.alice.press(first.message, "cancel")
        assert opened.modal is not None
        done = await scene.alice.submit_modal(opened.modal, {"reason": "I can"})
    assert done.message is first.message
    assert first.message.content == "Because I can"
    assert first.message.components == []
    assert first.ephemeral


async def test_selects_resolve_what_was_chosen(scene: Stage) -> None:
    chosen: list[Any] = []

    class Pick(py.ui.View):
        @py.ui.select(cls=py.ui.UserSelect, placeholder="Who", custom_id="who", max_values=2)
        async def who(self, interaction: py.Interaction, select: Any) -> None:
            chosen.extend(each.display_name for each in select.values)
            await interaction.response.defer()

    async def go(interaction: py.Interaction) -> None:
        await interaction.response.send_message("Pick", view=Pick(timeout=None))

    async with discord_py(scene.discord, one_command(go)):
        first = await scene.alice.slash(scene.channel, "go")
        assert first.message is not None
        reply = await scene.alice.select(first.message, "who", [scene.alice.user, scene.moderator.user])
    assert reply.type == 6
    assert sorted(chosen) == ["Alice", "Mona"]


async def test_a_channel_message_with_the_same_nonce_is_posted_once(scene: Stage) -> None:
    async def go(interaction: py.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        channel = interaction.channel
        assert isinstance(channel, py.TextChannel)
        first = await channel.send("a film", nonce="job-1", file=py.File(io.BytesIO(png()), "a.png"))
        again = await channel.send("a film", nonce="job-1", file=py.File(io.BytesIO(png()), "a.png"))
        await interaction.edit_original_response(content=str(first.id == again.id))

    async with discord_py(scene.discord, one_command(go)):
        reply = await scene.alice.slash(scene.channel, "go")
        await scene.discord.until(lambda: reply.message is not None and reply.message.content)
    assert reply.message is not None
    assert reply.message.content == "True"
    assert [each.content for each in scene.moderator.messages(scene.channel)] == ["a film"]


def kept_ones(scene: Stage) -> int:
    return len(scene.alice.messages(scene.channel))


async def test_history_direct_messages_edits_reactions_and_deletes(scene: Stage) -> None:
    async def go(interaction: py.Interaction) -> None:
        await interaction.response.send_message("ok")
        channel = interaction.channel
        assert isinstance(channel, py.TextChannel)
        await interaction.user.send("psst")
        kept = await channel.send("one", reference=await interaction.original_response())
        await (await channel.send("two")).delete()
        await kept.edit(content="changed")
        await kept.add_reaction("\N{THUMBS UP SIGN}")
        async with channel.typing():
            last = [each.content async for each in channel.history(limit=10)]
        await channel.send(" / ".join(last))

    async with discord_py(scene.discord, one_command(go)):
        await scene.alice.slash(scene.channel, "go")
        await scene.discord.until(
            lambda: scene.alice.messages(scene.channel)[-1].content.endswith("ok") and kept_ones(scene) == 3
        )
    _, kept, last = scene.alice.messages(scene.channel)
    assert last.content == "changed / ok"
    assert list(kept.reactions) == ["\N{THUMBS UP SIGN}"]
    assert kept.referenced is not None
    assert [each.content for each in scene.alice.direct_messages()] == ["psst"]


async def test_a_full_bucket_makes_the_bot_wait_and_a_429_makes_it_try_again(scene: Stage) -> None:
    async def go(interaction: py.Interaction) -> None:
        await interaction.response.defer()
        channel = interaction.channel
        assert isinstance(channel, py.TextChannel)
        for number in range(7):
            await channel.send(str(number))

    scene.discord.options.limits["message-create"] = type(scene.discord.options.limits["message-create"])(5, 0.5)
    scene.discord.faults.add(Fault("POST /channels/*/messages", retry_after=0.2, scope="shared"))
    async with discord_py(scene.discord, one_command(go)):
        await scene.alice.slash(scene.channel, "go")
        await scene.discord.until(lambda: len(scene.alice.messages(scene.channel)) == 8)
    answered = [each.status for each in scene.discord.transcript.rest("POST", "/channels/")]
    assert answered == [429] + [200] * 7


@pytest.mark.parametrize("fault", ["drop", "reconnect"])
async def test_the_session_is_resumed_and_what_was_missed_is_replayed(scene: Stage, fault: Any) -> None:
    async def go(interaction: py.Interaction) -> None:
        await interaction.response.send_message("heard")

    async with discord_py(scene.discord, one_command(go)):
        scene.discord.faults.add(Fault(gateway=fault))
        await scene.discord.until(lambda: not scene.discord.gateway.online)
        reply = await scene.alice.slash(scene.channel, "go")
        assert reply.message is not None
        assert any(each.event == "RESUMED" for each in scene.discord.transcript)


async def test_an_invalid_session_makes_it_identify_again(scene: Stage) -> None:
    async def go(interaction: py.Interaction) -> None:
        await interaction.response.send_message("heard")

    async with discord_py(scene.discord, one_command(go)):
        scene.discord.faults.add(Fault(gateway="invalid"))
        await scene.discord.until(lambda: sum(e.event == "READY" for e in scene.discord.transcript) == 2)
        assert (await scene.alice.slash(scene.channel, "go")).message is not None


async def test_a_wrong_token_is_a_failed_login(scene: Stage) -> None:
    scene.discord.options.rate_limits = False
    bot = py.AutoShardedClient(intents=py.Intents.none())
    with pointed_at(scene.discord), pytest.raises(py.LoginFailure):
        await bot.login(TOKEN + "x")
    await bot.close()


async def test_nobody_answering_is_a_refusal_at_the_deadline(scene: Stage) -> None:
    scene.discord.options.deadline = 0.1
    told: asyncio.Queue[py.NotFound] = asyncio.Queue()

    async def go(interaction: py.Interaction) -> None:
        await asyncio.sleep(0.2)
        try:
            await interaction.response.defer()
        except py.NotFound as error:
            told.put_nowait(error)

    async with discord_py(scene.discord, one_command(go)):
        reply = await scene.alice.slash(scene.channel, "go")
        assert reply.refusal == "The application did not respond"
        assert (await asyncio.wait_for(told.get(), 5)).code == 10062


async def test_a_new_layout_message_shows_its_media(scene: Stage) -> None:
    class Card(py.ui.LayoutView):
        def __init__(self) -> None:
            super().__init__(timeout=None)
            box: py.ui.Container[Card] = py.ui.Container(accent_color=0x5865F2)
            box.add_item(py.ui.TextDisplay("A film"))
            box.add_item(py.ui.MediaGallery(py.MediaGalleryItem("attachment://a.png")))
            self.add_item(box)

    async def go(interaction: py.Interaction) -> None:
        await interaction.response.defer()
        await interaction.followup.send(view=Card(), file=py.File(io.BytesIO(png()), "a.png"))

    async with discord_py(scene.discord, one_command(go)):
        reply = await scene.alice.slash(scene.channel, "go")
        await scene.discord.until(lambda: reply.message is not None and reply.message.components)
    assert reply.message is not None
    shown = scene.discord.message_json(reply.message)
    media = shown["components"][0]["components"][1]["items"][0]["media"]
    assert media["content_type"] == "image/png"
    assert media["url"].startswith(scene.discord.origin + "/attachments/")
    assert reply.message.text == "A film"
