"""Registering commands, and what a member's client makes of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from discord_kit import Stage, png, stage

from bot.sandbox.discord import Permission, Refused, SandboxDiscord, Upload


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage(rate_limits=False) as made:
        yield made


def option(kind: int = 3, name: str = "a", **extra: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "description": "An option"} | extra


def command(*options: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {"name": "go", "description": "Goes", "options": list(options)} | extra


CHOICES = [{"name": f"n{each}", "value": str(each)} for each in range(26)]
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("capital letters", command(name="Go"), "0.name: APPLICATION_COMMAND_INVALID_NAME"),
    ("space", command(name="g o"), "0.name: APPLICATION_COMMAND_INVALID_NAME"),
    ("33 letters", command(name="x" * 33), "0.name: BASE_TYPE_BAD_LENGTH"),
    ("no description", {"name": "go"}, "0.description: BASE_TYPE_REQUIRED"),
    ("long description", command(description="x" * 101), "0.description: BASE_TYPE_BAD_LENGTH"),
    ("26 options", command(*(option(name=f"o{n}") for n in range(26))), "0.options: BASE_TYPE_MAX_LENGTH"),
    (
        "required last",
        command(option(), option(name="b", required=True)),
        "0.options.1: APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
    ),
    ("same name twice", command(option(), option()), "0.options.1: APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATED"),
    ("26 choices", command(option(choices=CHOICES)), "0.options.0.choices: BASE_TYPE_MAX_LENGTH"),
    (
        "choices and autocomplete",
        command(option(choices=CHOICES[:2], autocomplete=True)),
        "0.options.0.autocomplete: APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES",
    ),
    (
        "length of a number",
        command(option(4, max_length=3)),
        "0.options.0.max_length: APPLICATION_COMMAND_OPTIONS_FIELD_INVALID",
    ),
    ("length beyond 6000", command(option(max_length=6001)), "0.options.0.max_length: NUMBER_TYPE_MAX"),
    (
        "group in a group",
        command(option(2, options=[option(2, options=[option(1)])])),
        "0.options.0: APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
    ),
    ("unknown type", command(option(12)), "0.options.0.type: BASE_TYPE_CHOICES"),
    ("unknown context", command(contexts=[5]), "0.contexts: BASE_TYPE_CHOICES"),
    (
        "above 8000",
        command(
            *(
                option(name=f"o{n}", choices=[{"name": f"{m}" * 100, "value": f"{m}" * 9} for m in range(4)])
                for n in range(20)
            )
        ),
        "0: APPLICATION_COMMAND_TOO_LARGE",
    ),
]


@pytest.mark.parametrize(("body", "reason"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
async def test_a_bad_command_is_refused_with_its_reason(scene: Stage, body: dict[str, Any], reason: str) -> None:
    answer = await scene.rest("PUT", f"/applications/{scene.application}/commands", [body])
    assert (answer.status, answer.code) == (400, 50035)
    assert reason in answer.reasons()
    assert scene.discord.commands.all(None) == []


async def test_counts_and_names_are_limited_per_kind(scene: Stage) -> None:
    many = [{"name": f"c{each}"} for each in range(101)]
    assert (await scene.register(*many)).code == 30032
    menus = [{"name": f"Menu {each}", "type": 3, "description": ""} for each in range(16)]
    assert (await scene.register(*menus)).code == 30032
    assert (await scene.register(*menus[:15], *many[:100])).status == 200
    twice = await scene.register({"name": "go"}, {"name": "go"})
    assert twice.reasons() == {": APPLICATION_COMMANDS_DUPLICATE_NAME"}


async def test_creating_is_limited_per_day_and_updating_is_not(scene: Stage) -> None:
    scene.discord.commands.creates_per_day = 3
    await scene.register({"name": "a"}, {"name": "b"})
    await scene.register({"name": "a"}, {"name": "b"})
    await scene.register({"name": "c"})
    assert (await scene.register({"name": "d"})).code == 30034
    scene.clock.advance(86_401)
    assert (await scene.register({"name": "d"})).status == 200


async def test_ids_stay_and_versions_change(scene: Stage) -> None:
    first = (await scene.register({"name": "go"})).body[0]
    second = (await scene.register({"name": "go"}, {"name": "new"})).body
    assert second[0]["id"] == first["id"]
    assert second[0]["version"] != first["version"]
    path = f"/applications/{scene.application}/commands"
    assert (await scene.rest("POST", path, command())).status == 200
    assert (await scene.rest("POST", path, command(name="third"))).status == 201
    changed = await scene.rest("PATCH", f"{path}/{first['id']}", {"description": "Better"})
    assert (changed.body["id"], changed.body["description"]) == (first["id"], "Better")
    assert (await scene.rest("DELETE", f"{path}/{first['id']}")).status == 204
    assert (await scene.rest("GET", f"{path}/{first['id']}")).code == 10063
    assert len((await scene.rest("GET", path)).body) == 2


async def test_a_guild_has_its_own_commands(scene: Stage) -> None:
    await scene.rest("PUT", f"/applications/{scene.application}/guilds/{scene.guild.id}/commands", [command()])
    other = scene.discord.world.add_guild("Other").add_channel("lobby")
    assert other.guild is not None
    other.guild.add_member(scene.alice.user)
    assert [each["name"] for each in scene.alice.commands(scene.channel)] == ["go"]
    assert scene.alice.commands(other) == []
    _, opened = await scene.slash()
    assert opened.data["guild_id"] == str(scene.guild.id)
    await scene.callback(opened, 4, {"content": "x"})


async def test_what_the_client_does_not_let_through(scene: Stage) -> None:
    await scene.register(
        command(
            option(required=True, min_length=2, max_length=4),
            option(4, "n", min_value=1, max_value=9),
            option(5, "b"),
            option(3, "c", choices=CHOICES[:2]),
            option(11, "f", file_types=["image"]),
            option(7, "ch", channel_types=[0]),
            option(6, "u"),
        )
    )
    voice = scene.guild.add_channel("talk", "voice")
    refused: list[dict[str, Any]] = [
        {},
        {"a": "x"},
        {"a": "xxxxx"},
        {"a": 5},
        {"a": "xx", "n": 0},
        {"a": "xx", "n": 10},
        {"a": "xx", "n": 1.5},
        {"a": "xx", "n": True},
        {"a": "xx", "b": "yes"},
        {"a": "xx", "c": "n7"},
        {"a": "xx", "f": "path"},
        {"a": "xx", "f": Upload("a.exe", b"MZ")},
        {"a": "xx", "ch": voice},
        {"a": "xx", "u": scene.channel},
        {"a": "xx", "stray": 1},
    ]
    for options in refused:
        with pytest.raises(Refused):
            await scene.alice.slash(scene.channel, "go", **options)
    with pytest.raises(Refused):
        await scene.alice.slash(scene.channel, "nothing")
    assert scene.discord.interactions == []


async def test_options_resolve_to_what_they_name(scene: Stage) -> None:
    await scene.register(
        command(option(11, "f"), option(6, "u"), option(7, "ch"), option(8, "r"), option(9, "m"), option(10, "x"))
    )
    role = scene.guild.add_role("Critics")
    task, opened = await scene.slash(
        f=Upload("a.png", png()), u=scene.moderator.user, ch=scene.channel, r=role, m=role, x=0.5
    )
    resolved = opened.data["resolved"]
    assert {key: list(value) for key, value in resolved.items()} == {
        "attachments": [opened.data["options"][0]["value"]],
        "users": [str(scene.moderator.user.id)],
        "members": [str(scene.moderator.user.id)],
        "channels": [str(scene.channel.id)],
        "roles": [str(role.id)],
    }
    assert "user" not in resolved["members"][str(scene.moderator.user.id)]
    await scene.callback(opened, 4, {"content": "x"})
    await task


async def test_sub_commands_are_called_by_their_path(scene: Stage) -> None:
    sub = option(1, "set", options=[option(4, "n", required=True)])
    await scene.register(command(option(2, "limits", options=[sub]), name="admin"))
    task, opened = await scene.slash("admin limits set", n=3)
    assert opened.data["options"] == [
        {"name": "limits", "type": 2, "options": [
            {"name": "set", "type": 1, "options": [{"name": "n", "type": 4, "value": 3}]}
        ]}
    ]  # fmt: skip
    await scene.callback(opened, 4, {"content": "x"})
    assert (await task).command == "admin limits set"
    for wrong in ("admin", "admin limits", "admin nothing"):
        with pytest.raises(Refused):
            await scene.alice.slash(scene.channel, wrong)


async def test_who_is_offered_a_command(scene: Stage) -> None:
    await scene.register(
        command(name="all"),
        command(name="moderators", default_member_permissions=str(int(Permission.MANAGE_GUILD))),
        command(name="administrators", default_member_permissions="0"),
        command(name="guilds", contexts=[0]),
        command(name="private", contexts=[1]),
        command(name="personal", integration_types=[1]),
        command(name="adult", nsfw=True),
    )

    def names(member: Any, channel: Any) -> list[str]:
        return [each["name"] for each in member.commands(channel)]

    assert names(scene.alice, scene.channel) == ["all", "guilds"]
    assert names(scene.moderator, scene.channel) == ["all", "moderators", "guilds"]
    assert names(scene.alice, scene.alice.direct) == ["all", "moderators", "administrators", "private", "adult"]
    owner = scene.discord.member("operator", scene.guild)
    assert "administrators" in names(owner, scene.channel)
    scene.alice.user.installed = True
    late = scene.guild.add_channel("late", nsfw=True)
    assert names(scene.alice, late) == ["all", "guilds", "personal", "adult"]
    late.set_permissions(scene.guild.everyone, deny=Permission.USE_APPLICATION_COMMANDS)
    assert names(scene.alice, late) == []


async def test_the_payload_has_every_key_that_a_library_needs(scene: Stage) -> None:
    await scene.register(command(option(11, "f")))
    gateway = await scene.gateway(intents=0)
    await gateway.event("READY")
    task, opened = await scene.slash(f=Upload("a.png", png()))
    payload = (await gateway.event("INTERACTION_CREATE"))["d"]
    await scene.callback(opened, 4, {"content": "x"})
    await task
    needed = {"id", "application_id", "type", "token", "version", "guild_id", "guild", "channel_id", "channel"}
    needed |= {"member", "locale", "guild_locale", "app_permissions", "entitlements", "context", "data"}
    needed |= {"authorizing_integration_owners", "attachment_size_limit"}
    assert set(payload) == needed
    assert payload["attachment_size_limit"] == 20 * 1024 * 1024
    assert payload["authorizing_integration_owners"] == {"0": str(scene.guild.id)}
    assert Permission(int(payload["app_permissions"])) == SandboxDiscord.PERMS_BOT | SandboxDiscord.PERMS_MEMBER
    (attachment,) = payload["data"]["resolved"]["attachments"].values()
    assert {"id", "filename", "size", "url", "proxy_url", "content_type", "width", "height"} < set(attachment)


async def test_the_payload_tells_what_the_bot_may_not_do(scene: Stage) -> None:
    await scene.register(command())
    scene.channel.set_permissions(scene.bot_member, deny=Permission.ATTACH_FILES)
    gateway = await scene.gateway(intents=0)
    await gateway.event("READY")
    task, opened = await scene.slash()
    payload = (await gateway.event("INTERACTION_CREATE"))["d"]
    await scene.callback(opened, 4, {"content": "x"})
    await task
    assert Permission.ATTACH_FILES not in Permission(int(payload["app_permissions"]))
    assert Permission.ATTACH_FILES in Permission(int(payload["member"]["permissions"]))


async def test_a_direct_message_has_a_user_and_no_guild(scene: Stage) -> None:
    await scene.register(command())
    gateway = await scene.gateway(intents=0)
    await gateway.event("READY")
    task, opened = await scene.opened(scene.alice.slash(scene.alice.direct, "go"))
    payload = (await gateway.event("INTERACTION_CREATE"))["d"]
    await scene.callback(opened, 4, {"content": "x"})
    await task
    assert payload["user"]["username"] == "alice"
    assert {"guild_id", "member", "guild"}.isdisjoint(payload)
    assert payload["context"] == 1
    assert payload["channel"]["type"] == 1


async def test_context_menus_carry_their_target(scene: Stage) -> None:
    await scene.register(
        {"name": "Use as start", "type": 3, "description": ""}, {"name": "Who", "type": 2, "description": ""}
    )
    said = await scene.moderator.say(scene.channel, "a storyboard")
    _, on_message = await scene.opened(scene.alice.message_command(said, "Use as start"))
    assert on_message.data["target_id"] == str(said.id)
    assert on_message.data["resolved"]["messages"][str(said.id)]["content"] == "a storyboard"
    await scene.callback(on_message, 4, {"content": "x"})
    _, on_user = await scene.opened(scene.alice.user_command(scene.channel, scene.moderator.user, "Who"))
    assert list(on_user.data["resolved"]) == ["members", "users"]
    await scene.callback(on_user, 4, {"content": "x"})


async def test_a_disabled_or_foreign_or_missing_button_cannot_be_pressed(scene: Stage) -> None:
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go", "disabled": True}]}
    sent = await scene.send({"content": "x", "components": [row]})
    message = scene.channel.messages[int(sent.body["id"])]
    for what in ("go", "missing"):
        with pytest.raises(Refused):
            await scene.alice.press(message, what)
    scene.channel.set_permissions(scene.guild.everyone, deny=Permission.VIEW_CHANNEL)
    with pytest.raises(Refused):
        await scene.alice.press(message, "go")
