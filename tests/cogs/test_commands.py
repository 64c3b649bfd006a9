"""The commands as Discord is told about them."""

import json

from cogs_kit import Matinee, World

from bot.client import MatineeClient
from cogs import command_table

OPTIONS = "model? aspect? quality? duration? fps? steps? guidance? seed? negative_prompt? spoiler?"


def test_the_table_lists_every_command_with_its_options() -> None:
    table = {name: (options, words) for name, options, words in command_table()}
    assert table["/video"][0] == f"prompt {OPTIONS}"
    assert table["/animate"][0] == f"image prompt? last_image? {OPTIONS}"
    assert table["/image"][0] == "prompt model? aspect? steps? guidance? seed? negative_prompt? spoiler?"
    assert list(table)[3:6] == ["/queue", "/cancel", "/models"]
    assert {name.removeprefix("/admin ") for name in table if name.startswith("/admin")} == {
        "limits show", "limits set", "models allow", "models deny", "models default", "channels allow",
        "channels clear", "block", "unblock", "blocked", "jobs", "cancel", "pause", "resume", "held list",
        "held release", "held drop",
    }  # fmt: skip
    assert all(words for _, words in table.values())


def payloads(client: MatineeClient) -> dict[str, dict]:
    return {command.name: command.to_dict(client.tree) for command in client.tree.get_commands()}


def test_commands_are_for_guilds_only_and_admin_for_who_manages_them(matinee: Matinee) -> None:
    commands = payloads(matinee.client)
    assert set(commands) == {"video", "animate", "image", "queue", "cancel", "models", "show", "admin"}
    for name, command in commands.items():
        assert command["contexts"] == [0]
        assert command["integration_types"] == [0]
        assert command["default_member_permissions"] == (32 if name == "admin" else None)
    kinds = {option["name"]: option["type"] for option in commands["animate"]["options"]}
    assert kinds == {
        "image": 11, "prompt": 3, "last_image": 11, "model": 3, "aspect": 3, "quality": 3, "duration": 10, "fps": 4,
        "steps": 4, "guidance": 10, "seed": 4, "negative_prompt": 3, "spoiler": 5,
    }  # fmt: skip


def test_commands_keep_to_discords_sizes(matinee: Matinee) -> None:
    for command in payloads(matinee.client).values():
        assert len(json.dumps(command)) < 8000
        assert all(1 <= len(text) <= 100 for text in descriptions(command))


def descriptions(command: dict) -> list[str]:
    return [command["description"], *(text for inner in command.get("options", []) for text in descriptions(inner))]


async def test_commands_are_sent_only_when_their_definition_changed(world: World) -> None:
    client = world.matinee.client
    before = len(world.env.http_requests)
    mark = await client.sync_commands("something older")
    assert mark is not None
    assert [each.method for each in world.env.http_requests[before:]] == ["PUT"]
    assert await client.sync_commands(mark) is None
    assert len(world.env.http_requests) == before + 1
    client.tree.remove_command("image")
    assert await client.sync_commands(mark) not in (None, mark)
