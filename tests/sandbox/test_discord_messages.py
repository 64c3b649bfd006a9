"""What a message may hold, who may write it, and whom it pings."""

from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from discord_kit import Stage, png, stage

from bot.sandbox.discord import Limit, Permission, Upload

MIB = 1024 * 1024


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage(rate_limits=False) as made:
        yield made


def button(custom_id: str = "a", **extra: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": custom_id} | extra


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def text(content: str = "x") -> dict[str, Any]:
    return {"type": 10, "content": content}


V2 = {"flags": 1 << 15}
LINES = [{"name": "n", "value": "v" * 1000}] * 7
SELECT: dict[str, Any] = {"type": 3, "custom_id": "s", "options": [{"label": "a", "value": "a"}]}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("too long", {"content": "x" * 2001}, "content: BASE_TYPE_MAX_LENGTH"),
    ("content no text", {"content": 5}, "content: STRING_TYPE_CONVERT"),
    ("embed title", {"embeds": [{"title": "x" * 257}]}, "embeds.0.title: BASE_TYPE_MAX_LENGTH"),
    ("embeds in sum", {"embeds": [{"fields": LINES}]}, "embeds: MAX_EMBED_SIZE_EXCEEDED"),
    ("eleven embeds", {"embeds": [{"title": "x"}] * 11}, "embeds: BASE_TYPE_MAX_LENGTH"),
    (
        "field without name",
        {"embeds": [{"fields": [{"name": "", "value": "v"}]}]},
        "embeds.0.fields.0.name: BASE_TYPE_BAD_LENGTH",
    ),
    ("an empty embed", {"embeds": [{}]}, "embeds.0.description: BASE_TYPE_REQUIRED"),
    (
        "no emoji",
        {"components": [row(button(emoji={"name": "smile"}))]},
        "components.0.components.0.emoji.name: BUTTON_COMPONENT_INVALID_EMOJI",
    ),
    (
        "film in an embed",
        {"embeds": [{"image": {"url": "attachment://sent.mp4"}}]},
        "embeds.0.image.url: URL_TYPE_INVALID_URL",
    ),
    ("six rows", {"components": [row(button(str(n))) for n in range(6)]}, "components: BASE_TYPE_MAX_LENGTH"),
    (
        "six buttons",
        {"components": [row(*(button(str(n)) for n in range(6)))]},
        "components.0.components: BASE_TYPE_BAD_LENGTH",
    ),
    ("twice the same id", {"components": [row(button(), button())]}, "components: COMPONENT_CUSTOM_ID_DUPLICATED"),
    (
        "long label",
        {"components": [row(button(label="x" * 81))]},
        "components.0.components.0.label: BASE_TYPE_MAX_LENGTH",
    ),
    (
        "long custom_id",
        {"components": [row(button("x" * 101))]},
        "components.0.components.0.custom_id: BASE_TYPE_BAD_LENGTH",
    ),
    (
        "link without url",
        {"components": [row({"type": 2, "style": 5, "label": "x"})]},
        "components.0.components.0.url: BASE_TYPE_REQUIRED",
    ),
    (
        "nothing to read",
        {"components": [row({"type": 2, "style": 1, "custom_id": "x"})]},
        "components.0.components.0: BUTTON_COMPONENT_INVALID",
    ),
    (
        "select beside button",
        {"components": [row(button(), SELECT)]},
        "components.0.components: COMPONENT_LAYOUT_WIDTH_EXCEEDED",
    ),
    (
        "same value twice",
        {"components": [row(SELECT | {"options": SELECT["options"] * 2})]},
        "components.0.components.0.options.1.value: SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
    ),
    ("new layout unannounced", {"components": [text()]}, "components.0.type: UNION_TYPE_CHOICES"),
    (
        "new layout with content",
        V2 | {"content": "x", "components": [text()]},
        "content: MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
    ),
    (
        "41 components",
        V2 | {"components": [{"type": 17, "components": [text() for _ in range(20)]}] * 2},
        "components: COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
    ),
    (
        "4001 characters",
        V2 | {"components": [text("x" * 2001), text("x" * 2000)]},
        "components: COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
    ),
    (
        "eleven pictures",
        V2 | {"components": [{"type": 12, "items": [{"media": {"url": "https://a.b/c.png"}}] * 11}]},
        "components.0.items: BASE_TYPE_BAD_LENGTH",
    ),
    (
        "missing file",
        V2 | {"components": [{"type": 13, "file": {"url": "attachment://no.png"}}]},
        "components.0.file.url: MEDIA_ATTACHMENT_NOT_FOUND",
    ),
    (
        "box in a box",
        V2 | {"components": [{"type": 17, "components": [{"type": 17, "components": [text()]}]}]},
        "components.0.components.0.type: UNION_TYPE_CHOICES",
    ),
    ("private in a channel", {"content": "x", "flags": 64}, "flags: SANDBOX_FLAGS_NOT_ALLOWED"),
    (
        "mentions both ways",
        {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        "allowed_mentions: MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
    ),
    ("long nonce", {"content": "x", "nonce": "n" * 26}, "nonce: BASE_TYPE_MAX_LENGTH"),
    (
        "file that is not there",
        {"content": "x", "attachments": [{"id": 1, "filename": "a.png"}]},
        "attachments.0.id: ATTACHMENT_NOT_FOUND",
    ),
    (
        "answer to nothing",
        {"content": "x", "message_reference": {"message_id": "123456789012345678"}},
        "message_reference: REPLIES_UNKNOWN_MESSAGE",
    ),
]


@pytest.mark.parametrize(("body", "reason"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
async def test_a_bad_body_is_refused_with_its_reason(scene: Stage, body: dict[str, Any], reason: str) -> None:
    answer = await scene.send(body, Upload("sent.mp4", b"film"))
    assert (answer.status, answer.code) == (400, 50035)
    assert answer.reasons() == {reason}
    assert scene.channel.messages == {}
    assert scene.discord.complaints == []


async def test_all_reasons_come_at_once(scene: Stage) -> None:
    answer = await scene.send({"content": "x" * 2001, "nonce": "n" * 26})
    assert answer.reasons() == {"content: BASE_TYPE_MAX_LENGTH", "nonce: BASE_TYPE_MAX_LENGTH"}


async def test_an_empty_message_is_refused(scene: Stage) -> None:
    assert (await scene.send({"content": ""})).code == 50006


async def test_an_unknown_field_is_refused_and_complained_of(scene: Stage) -> None:
    answer = await scene.send({"content": "x", "colour": "red"})
    assert answer.reasons() == {"colour: SANDBOX_UNKNOWN_FIELD"}
    assert scene.discord.complaints == ["unknown field colour"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nonsense", 404), ("PUT", "/users/@me", 405)])
async def test_an_unknown_route_is_refused_and_complained_of(scene: Stage, method: str, path: str, status: int) -> None:
    assert (await scene.rest(method, path)).status == status
    assert scene.discord.complaints == [f"unknown route {method} {path}"]


async def test_an_unknown_query_is_refused_and_complained_of(scene: Stage) -> None:
    answer = await scene.rest("GET", f"/channels/{scene.channel.id}/messages?limits=5")
    assert answer.status == 400
    assert len(scene.discord.complaints) == 1


async def test_a_file_above_the_limit_is_too_large(scene: Stage) -> None:
    scene.discord.options.file_limit = 1000
    assert (await scene.send({"content": "x"}, Upload("a.bin", bytes(1000)))).status == 200
    answer = await scene.send({"content": "x"}, Upload("a.bin", bytes(1001)))
    assert (answer.status, answer.code) == (413, 40005)


@pytest.mark.parametrize(("tier", "limit"), [(0, 20), (1, 20), (2, 50), (3, 100)])
async def test_the_limit_follows_the_boost_tier(scene: Stage, tier: int, limit: int) -> None:
    assert scene.discord.options.limit_for(tier) == limit * MIB


async def test_a_whole_request_has_a_limit_too(scene: Stage) -> None:
    files = tuple(Upload(f"{each}.bin", bytes(9 * MIB)) for each in range(3))
    answer = await scene.send({"content": "x"}, *files)
    assert (answer.status, answer.code) == (413, 40005)


async def test_more_than_ten_files_are_refused(scene: Stage) -> None:
    answer = await scene.send({"content": "x"}, *(Upload(f"{each}.txt", b"x") for each in range(11)))
    assert answer.code == 30015


async def test_names_and_descriptions_come_from_the_list_of_attachments(scene: Stage) -> None:
    listed = [{"id": "0", "filename": "film one!.png", "description": "A film"}]
    answer = await scene.send({"attachments": listed}, Upload("ignored.png", png(4, 3)))
    (attachment,) = answer.body["attachments"]
    assert (attachment["filename"], attachment["description"]) == ("film_one.png", "A film")
    assert (attachment["content_type"], attachment["width"], attachment["height"]) == ("image/png", 4, 3)


async def test_a_picture_used_by_an_embed_is_shown_there(scene: Stage) -> None:
    answer = await scene.send({"embeds": [{"image": {"url": "attachment://a.png"}}]}, Upload("a.png", png()))
    assert answer.body["attachments"] == []
    assert answer.body["embeds"][0]["image"]["url"].startswith(scene.discord.origin)


async def test_a_repeated_nonce_returns_the_first_message(scene: Stage) -> None:
    body = {"content": "once", "nonce": "n", "enforce_nonce": True}
    first, second = await scene.send(body), await scene.send(body)
    assert first.body["id"] == second.body["id"]
    assert len(scene.channel.messages) == 1


async def test_the_same_nonce_is_free_again_after_a_while_elsewhere_or_when_refused(scene: Stage) -> None:
    body = {"content": "once", "nonce": "n", "enforce_nonce": True}
    assert (await scene.send(body | {"content": "x" * 2001})).status == 400
    await scene.send(body)
    other = scene.guild.add_channel("other")
    await scene.rest("POST", f"/channels/{other.id}/messages", body)
    scene.clock.advance(301)
    await scene.send(body)
    assert (len(scene.channel.messages), len(other.messages)) == (2, 1)


async def test_a_repeated_nonce_of_a_deleted_message_is_unknown(scene: Stage) -> None:
    body = {"content": "once", "nonce": "n", "enforce_nonce": True}
    first = await scene.send(body)
    scene.moderator.delete(scene.channel.messages[int(first.body["id"])])
    again = await scene.send(body)
    assert (again.status, again.code) == (404, 10008)
    assert scene.channel.messages == {}


async def test_whom_a_message_pings(scene: Stage) -> None:
    alice, mona = scene.alice.user, scene.moderator.user
    everyone = f"{alice.mention} {mona.mention} @everyone"

    async def pinged(allowed: Any) -> list[str]:
        sent = await scene.send({"content": everyone} | ({"allowed_mentions": allowed} if allowed is not None else {}))
        return sorted(each.username for each in scene.channel.messages[int(sent.body["id"])].notified)

    assert await pinged(None) == ["alice", "mona"]
    assert await pinged({"parse": []}) == []
    assert await pinged({"parse": [], "users": [str(alice.id)]}) == ["alice"]
    scene.channel.set_permissions(scene.bot_member, allow=Permission.MENTION_EVERYONE)
    assert await pinged({"parse": ["everyone"]}) == ["alice", "mona", "operator"]


async def test_a_reply_pings_unless_told_otherwise_and_an_edit_never_does(scene: Stage) -> None:
    said = await scene.alice.say(scene.channel, "hello")
    reference = {"message_reference": {"message_id": said.id, "channel_id": scene.channel.id}}
    loud = await scene.send(reference | {"content": "hi"})
    quiet = await scene.send(reference | {"content": "hi", "allowed_mentions": {"parse": [], "replied_user": False}})
    messages = scene.channel.messages
    assert [each.username for each in messages[int(loud.body["id"])].notified] == ["alice"]
    assert messages[int(quiet.body["id"])].notified == []
    path = f"/channels/{scene.channel.id}/messages/{quiet.body['id']}"
    edited = await scene.rest("PATCH", path, {"content": scene.alice.user.mention})
    assert [each["username"] for each in edited.body["mentions"]] == ["alice"]
    assert messages[int(quiet.body["id"])].notified == []


async def test_a_reply_to_what_is_gone_can_be_sent_anyway(scene: Stage) -> None:
    reference = {"message_id": "123456789012345678", "fail_if_not_exists": False}
    answer = await scene.send({"content": "x", "message_reference": reference})
    assert answer.status == 200
    assert "message_reference" not in answer.body


async def test_an_edit_keeps_what_it_lists_and_adds_what_it_brings(scene: Stage) -> None:
    first = await scene.send({"content": "x"}, Upload("a.png", png()), Upload("b.png", png()))
    path = f"/channels/{scene.channel.id}/messages/{first.body['id']}"
    kept = [first.body["attachments"][1], {"id": "0", "filename": "c.png"}]
    answer = await scene.rest("PATCH", path, {"attachments": kept}, (Upload("c.png", png()),))
    assert [each["filename"] for each in answer.body["attachments"]] == ["b.png", "c.png"]
    emptied = await scene.rest("PATCH", path, {"attachments": [], "content": ""})
    assert emptied.code == 50006


async def test_a_member_s_message_is_not_the_bot_s_to_edit_or_delete(scene: Stage) -> None:
    said = await scene.alice.say(scene.channel, "mine")
    path = f"/channels/{scene.channel.id}/messages/{said.id}"
    assert (await scene.rest("PATCH", path, {"content": "yours"})).code == 50005
    assert (await scene.rest("DELETE", path)).code == 50013
    scene.channel.set_permissions(scene.bot_member, allow=Permission.MANAGE_MESSAGES)
    assert (await scene.rest("DELETE", path)).status == 204


async def test_history_is_read_before_after_around_and_newest_first(scene: Stage) -> None:
    sent = [(await scene.send({"content": str(each)})).body["id"] for each in range(6)]

    async def read(query: str) -> list[str]:
        answer = await scene.rest("GET", f"/channels/{scene.channel.id}/messages?{query}")
        return [each["content"] for each in answer.body]

    assert await read("limit=2") == ["5", "4"]
    assert await read(f"before={sent[2]}") == ["1", "0"]
    assert await read(f"after={sent[2]}&limit=2") == ["4", "3"]
    assert await read(f"around={sent[3]}&limit=3") == ["4", "3", "2"]
    assert (await scene.rest("GET", f"/channels/{scene.channel.id}/messages?limit=101")).code == 50035


@pytest.mark.parametrize(
    ("denied", "body", "files", "code"),
    [
        (Permission.VIEW_CHANNEL, {"content": "x"}, 0, 50001),
        (Permission.SEND_MESSAGES, {"content": "x"}, 0, 50013),
        (Permission.ATTACH_FILES, {"content": "x"}, 1, 50013),
        (Permission.EMBED_LINKS, {"embeds": [{"title": "x"}]}, 0, 50013),
    ],
)
async def test_a_denied_permission_is_felt(scene: Stage, denied: Permission, body: Any, files: int, code: int) -> None:
    scene.channel.set_permissions(scene.bot_member, deny=denied)
    answer = await scene.send(body, *(Upload("a.png", png()) for _ in range(files)))
    assert (answer.status, answer.code) == (403, code)


async def test_a_reply_needs_to_read_the_history(scene: Stage) -> None:
    said = await scene.alice.say(scene.channel, "hello")
    scene.channel.set_permissions(scene.bot_member, deny=Permission.READ_MESSAGE_HISTORY)
    answer = await scene.send({"content": "x", "message_reference": {"message_id": str(said.id)}})
    assert answer.code == 160002
    assert (await scene.rest("GET", f"/channels/{scene.channel.id}/messages")).body == []


async def test_a_thread_asks_for_its_own_permission(scene: Stage) -> None:
    thread = scene.guild.add_channel("talk", "thread", parent=scene.channel)
    scene.channel.set_permissions(scene.bot_member, deny=Permission.SEND_MESSAGES)
    path = f"/channels/{thread.id}/messages"
    assert (await scene.rest("POST", path, {"content": "x"})).status == 200
    scene.channel.set_permissions(scene.bot_member, deny=Permission.SEND_MESSAGES_IN_THREADS)
    assert (await scene.rest("POST", path, {"content": "x"})).code == 50013
    scene.channel.set_permissions(scene.bot_member)
    thread.locked = True
    assert (await scene.rest("POST", path, {"content": "x"})).code == 50083


async def test_where_the_bot_was_kicked_and_where_a_channel_is_gone(scene: Stage) -> None:
    scene.guild.remove_member(scene.discord.world.bot)
    assert (await scene.send({"content": "x"})).code == 50001
    assert (await scene.rest("GET", f"/guilds/{scene.guild.id}")).code == 10004
    scene.channel.delete()
    assert (await scene.send({"content": "x"})).code == 10003


async def test_closed_direct_messages_and_a_forum_take_no_message(scene: Stage) -> None:
    opened = await scene.rest("POST", "/users/@me/channels", {"recipient_id": scene.alice.user.id})
    scene.alice.user.direct_messages = False
    answer = await scene.rest("POST", f"/channels/{opened.body['id']}/messages", {"content": "x"})
    assert (answer.status, answer.code) == (403, 50007)
    forum = scene.guild.add_channel("ideas", "forum")
    assert (await scene.rest("POST", f"/channels/{forum.id}/messages", {"content": "x"})).code == 50008


async def test_a_stranger_cannot_be_written_to(scene: Stage) -> None:
    opened = await scene.rest("POST", "/users/@me/channels", {"recipient_id": str(scene.alice.user.id)})
    scene.guild.remove_member(scene.alice.user)
    assert (await scene.rest("POST", f"/channels/{opened.body['id']}/messages", {"content": "x"})).code == 50007
    scene.alice.user.installed = True
    assert (await scene.rest("POST", f"/channels/{opened.body['id']}/messages", {"content": "x"})).status == 200


async def test_an_old_message_is_not_edited_for_ever(scene: Stage) -> None:
    scene.discord.options.rate_limits = True
    scene.discord.options.limits["old-message-edit"] = Limit(1, 3600)
    path = f"/channels/{scene.channel.id}/messages/{(await scene.send({'content': 'x'})).body['id']}"
    assert [(await scene.rest("PATCH", path, {"content": each})).status for each in "ab"] == [200, 200]
    scene.clock.advance(3601)
    assert (await scene.rest("PATCH", path, {"content": "c"})).status == 200
    answer = await scene.rest("PATCH", path, {"content": "d"})
    assert (answer.status, answer.code) == (400, 30046)


async def test_a_stray_form_part_is_refused_and_complained_of(scene: Stage) -> None:
    form = aiohttp.FormData({"payload_json": "{}"})
    form.add_field("file", b"x", filename="a.txt")
    headers = {"Authorization": f"Bot {scene.discord.bot_token}"}
    url = f"{scene.discord.api_url}/channels/{scene.channel.id}/messages"
    async with scene.session.post(url, data=form, headers=headers) as reply:
        assert reply.status == 400
    assert scene.discord.complaints == ["unexpected form part file for POST /channels/{channel}/messages"]


async def test_threads_are_started_on_messages_and_alone(scene: Stage) -> None:
    scene.channel.set_permissions(scene.bot_member, allow=Permission.CREATE_PUBLIC_THREADS)
    sent = await scene.send({"content": "x"})
    path = f"/channels/{scene.channel.id}/messages/{sent.body['id']}/threads"
    started = await scene.rest("POST", path, {"name": "talk"})
    assert (started.status, started.body["id"], started.body["type"]) == (201, sent.body["id"], 11)
    assert (await scene.rest("POST", path, {"name": "talk"})).code == 160004
    alone = await scene.rest("POST", f"/channels/{scene.channel.id}/threads", {"name": "apart", "type": 12})
    assert alone.body["type"] == 12


async def test_a_wrong_token_is_unauthorized(scene: Stage) -> None:
    answer = await scene.rest("GET", "/users/@me", token="x")
    assert (answer.status, answer.body) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_answers_are_exactly_json(scene: Stage) -> None:
    answer = await scene.rest("GET", "/users/@me")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Via"]


async def test_the_date_is_the_sandbox_s_own(scene: Stage) -> None:
    scene.clock.advance(86_400 * 400)
    answer = await scene.rest("GET", "/users/@me")
    told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert told == pytest.approx(scene.clock.now(), abs=1)
