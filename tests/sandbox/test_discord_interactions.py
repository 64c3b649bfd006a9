"""Deadlines, tokens and callbacks, by bare HTTP and a clock that is moved by hand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from discord_kit import Stage, png, stage

from bot.sandbox.discord import Permission, Upload

MODAL = {
    "custom_id": "m",
    "title": "Why",
    "components": [{"type": 18, "label": "Reason", "component": {"type": 4, "custom_id": "r", "style": 1}}],
}


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as made:
        await made.register({"name": "go"}, {"name": "pick", "options": [CHOICE]})
        yield made
        assert made.discord.complaints == []


CHOICE = {"type": 3, "name": "model", "description": "Which", "autocomplete": True, "required": True}


async def test_an_answer_after_three_seconds_is_unknown(scene: Stage) -> None:
    task, opened = await scene.slash()
    scene.clock.advance(3.01)
    answer = await scene.callback(opened, 5)
    assert (answer.status, answer.code) == (404, 10062)
    assert (await task).refusal == "The application did not respond"


async def test_an_answer_just_in_time_counts(scene: Stage) -> None:
    task, opened = await scene.slash()
    scene.clock.advance(2.9)
    assert (await scene.callback(opened, 5)).status == 204
    assert (await task).acknowledged_after == pytest.approx(2.9)


async def test_a_second_answer_is_refused(scene: Stage) -> None:
    _, opened = await scene.slash()
    await scene.callback(opened, 5)
    answer = await scene.callback(opened, 4, {"content": "hi"})
    assert (answer.status, answer.code) == (400, 40060)


async def test_a_wrong_token_is_an_unknown_interaction(scene: Stage) -> None:
    _, opened = await scene.slash()
    answer = await scene.rest("POST", f"/interactions/{opened.id}/nonsense/callback", {"type": 5}, token=None)
    assert (answer.status, answer.code) == (404, 10062)


async def test_the_token_is_worth_nothing_before_the_answer_and_after_fifteen_minutes(scene: Stage) -> None:
    _, opened = await scene.slash()
    early = await scene.rest("POST", scene.webhook(opened), {"content": "x"}, token=None)
    assert (early.status, early.code) == (404, 10015)
    await scene.callback(opened, 5)
    scene.clock.advance(901)
    late = await scene.rest("PATCH", scene.webhook(opened, "@original"), {"content": "x"}, token=None)
    assert (late.status, late.code) == (401, 50027)


async def test_with_response_tells_of_the_message(scene: Stage) -> None:
    _, opened = await scene.slash()
    path = f"/interactions/{opened.id}/{opened.token}/callback?with_response=true"
    answer = await scene.rest("POST", path, {"type": 4, "data": {"content": "hi", "flags": 64}}, token=None)
    assert answer.status == 200
    assert answer.body["interaction"]["response_message_ephemeral"] is True
    assert answer.body["resource"]["message"]["content"] == "hi"


@pytest.mark.parametrize(
    ("kind", "data"), [(6, None), (7, {"content": "x"}), (8, {"choices": []}), (1, None), (99, None)]
)
async def test_a_command_cannot_be_answered_by(scene: Stage, kind: int, data: Any) -> None:
    _, opened = await scene.slash()
    answer = await scene.callback(opened, kind, data)
    assert (answer.status, answer.code) == (400, 50035)
    assert answer.reasons() == {"type: BASE_TYPE_CHOICES"}


async def test_after_a_refused_answer_a_good_one_still_counts(scene: Stage) -> None:
    task, opened = await scene.slash()
    refused = await scene.callback(opened, 4, {"content": "x" * 2001})
    assert refused.reasons() == {"data.content: BASE_TYPE_MAX_LENGTH"}
    assert (await scene.callback(opened, 4, {"content": "x" * 2000})).status == 204
    assert (await task).message is not None


async def test_a_deferral_takes_only_the_private_flag(scene: Stage) -> None:
    _, opened = await scene.slash()
    assert (await scene.callback(opened, 5, {"flags": 1 << 15})).code == 50035
    assert (await scene.callback(opened, 5, {"flags": 64})).status == 204


async def test_a_loading_message_loses_its_flag_by_the_first_edit(scene: Stage) -> None:
    task, opened = await scene.slash()
    await scene.callback(opened, 5)
    message = (await task).message
    assert message is not None
    assert message.loading
    answer = await scene.rest("PATCH", scene.webhook(opened, "@original"), {"content": "done"}, token=None)
    assert answer.body["flags"] == 0
    assert answer.body["edited_timestamp"] is None


async def test_the_first_follow_up_fills_in_and_cannot_change_who_sees_it(scene: Stage) -> None:
    task, opened = await scene.slash()
    await scene.callback(opened, 5)
    answer = await scene.rest("POST", scene.webhook(opened), {"content": "all of you", "flags": 64}, token=None)
    message = (await task).message
    assert message is not None
    assert answer.body["id"] == str(message.id)
    assert not message.ephemeral
    second = await scene.rest("POST", scene.webhook(opened), {"content": "only you", "flags": 64}, token=None)
    assert second.body["id"] != str(message.id)
    assert second.body["flags"] == 64


async def test_a_message_of_another_token_is_unknown(scene: Stage) -> None:
    _, first = await scene.slash()
    await scene.callback(first, 4, {"content": "one"})
    _, second = await scene.slash()
    await scene.callback(second, 4, {"content": "two"})
    assert first.message is not None
    answer = await scene.rest("GET", scene.webhook(second, str(first.message.id)), token=None)
    assert (answer.status, answer.code) == (404, 10008)


async def test_a_deleted_answer_is_unknown_to_its_token(scene: Stage) -> None:
    task, opened = await scene.slash()
    await scene.callback(opened, 4, {"content": "one"})
    message = (await task).message
    assert message is not None
    scene.moderator.delete(message)
    answer = await scene.rest("GET", scene.webhook(opened, "%40original"), token=None)
    assert (answer.status, answer.code) == (404, 10008)


async def test_more_than_25_choices_are_refused(scene: Stage) -> None:
    _, opened = await scene.opened(scene.alice.complete(scene.channel, "pick", focused="model", model="w"))
    many = [{"name": f"n{each}", "value": str(each)} for each in range(26)]
    answer = await scene.callback(opened, 8, {"choices": many})
    assert answer.reasons() == {"data.choices: BASE_TYPE_MAX_LENGTH"}
    assert (await scene.callback(opened, 8, {"choices": many[:25]})).status == 204


async def test_a_choice_of_the_wrong_type_is_refused(scene: Stage) -> None:
    _, opened = await scene.opened(scene.alice.complete(scene.channel, "pick", focused="model"))
    answer = await scene.callback(opened, 8, {"choices": [{"name": "one", "value": 1}]})
    assert answer.reasons() == {"data.choices.0.value: STRING_TYPE_CONVERT"}


async def test_a_dialog_cannot_answer_a_dialog(scene: Stage) -> None:
    task, opened = await scene.slash()
    await scene.callback(opened, 9, MODAL)
    modal = (await task).modal
    assert modal is not None
    second, submitted = await scene.opened(scene.alice.submit_modal(modal, {"r": "because"}))
    assert (await scene.callback(submitted, 9, MODAL)).code == 50035
    assert (await scene.callback(submitted, 7, {"content": "x"})).code == 50035
    assert (await scene.callback(submitted, 4, {"content": "x"})).status == 204
    assert (await second).message is not None


async def test_an_update_changes_the_message_of_the_button(scene: Stage) -> None:
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Again", "custom_id": "again"}]}
    sent = await scene.send({"content": "one", "components": [row]})
    message = scene.channel.messages[int(sent.body["id"])]
    task, opened = await scene.opened(scene.alice.press(message, "again"))
    await scene.callback(opened, 7, {"content": "two", "components": []})
    assert (await task).message is message
    assert message.content == "two"
    assert message.buttons == []


async def test_a_user_installed_application_has_five_follow_ups_and_answers_in_private(scene: Stage) -> None:
    elsewhere = scene.discord.world.add_guild("Elsewhere", bot_permissions=None)
    channel = elsewhere.add_channel("lobby")
    channel.set_permissions(elsewhere.everyone, deny=Permission.USE_EXTERNAL_APPS)
    elsewhere.add_member(scene.alice.user)
    scene.alice.user.installed = True
    await scene.register({"name": "go", "integration_types": [0, 1], "contexts": [0, 1, 2]})
    task, opened = await scene.opened(scene.alice.slash(channel, "go"))
    await scene.callback(opened, 4, {"content": "public?"})
    assert (await task).ephemeral
    statuses = [
        (await scene.rest("POST", scene.webhook(opened), {"content": str(each)}, token=None)).status
        for each in range(5)
        if scene.clock.advance(1) is None
    ]
    assert statuses == [200] * 5
    scene.clock.advance(5)
    sixth = await scene.rest("POST", scene.webhook(opened), {"content": "6"}, token=None)
    assert (sixth.status, sixth.code) == (400, 40094)


async def test_a_dialog_takes_files(scene: Stage) -> None:
    upload = {"type": 18, "label": "Picture", "component": {"type": 19, "custom_id": "f"}}
    task, opened = await scene.slash()
    await scene.callback(opened, 9, {"custom_id": "m", "title": "T", "components": [upload]})
    modal = (await task).modal
    assert modal is not None
    _, submitted = await scene.opened(scene.alice.submit_modal(modal, {"f": [Upload("a.png", png())]}))
    (file_id,) = submitted.data["components"][0]["component"]["values"]
    told = submitted.data["resolved"]["attachments"][file_id]
    assert told["content_type"] == "image/png"
    assert told["ephemeral"] is True
    assert "/ephemeral-attachments/" in told["url"]
    await scene.callback(submitted, 4, {"content": "thanks"})


async def test_where_the_channel_is_gone_there_is_nothing_to_answer_in(scene: Stage) -> None:
    _, opened = await scene.slash()
    scene.channel.delete()
    answer = await scene.callback(opened, 4, {"content": "x"})
    assert (answer.status, answer.code) == (404, 10003)


async def test_a_forged_interaction_reaches_the_bot_unchecked(scene: Stage) -> None:
    gateway = await scene.gateway(intents=0)
    await gateway.event("READY")
    payload = {"type": 3, "data": {"custom_id": "forged", "component_type": 2, "id": 1}}
    task, opened = await scene.opened(scene.discord.raw_interaction(payload, channel=scene.channel, member=scene.alice))
    heard = await gateway.event("INTERACTION_CREATE")
    assert heard["d"]["data"]["custom_id"] == "forged"
    await scene.callback(opened, 4, {"content": "no"})
    assert (await task).message is not None
