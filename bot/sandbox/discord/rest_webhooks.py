"""Callbacks and follow-ups; the token in the path is all the authorisation there is."""

from __future__ import annotations

from .errors import ApiError
from .interaction import Callback, Interaction
from .message import Json
from .routes import Call, Reply, Route

_WITH_MESSAGE = (Callback.MESSAGE, Callback.UPDATE)


async def callback(call: Call) -> Reply:
    interaction = await call.core.interactions.answer(
        call.id("interaction"), call.params["token"], call.json, call.files
    )
    if not call.flag("with_response"):
        return Reply()
    return Reply(200, _response(call, interaction))


def _response(call: Call, value: Interaction) -> Json:
    about: Json = {"id": str(value.id), "type": int(value.kind)}
    if value.original is not None:
        about |= {
            "response_message_id": str(value.original.id),
            "response_message_loading": value.original.loading,
            "response_message_ephemeral": value.original.ephemeral,
        }
    body: Json = {"interaction": about}
    if value.type in _WITH_MESSAGE and value.original is not None:
        body["resource"] = {"type": int(value.type), "message": call.core.wire.message(value.original)}
    return body


def _interaction(call: Call) -> Interaction:
    if "thread_id" in call.query:
        raise ApiError(400, 50035, "thread_id is not for interactions")
    call.flag("wait")
    call.flag("with_components")
    return call.core.interactions.by_token(call.id("application"), call.params["token"])


async def follow_up(call: Call) -> Reply:
    message = await call.core.interactions.follow_up(_interaction(call), call.json, call.files)
    return Reply(200, call.core.wire.message(message))


async def read(call: Call) -> Reply:
    interaction = _interaction(call)
    return Reply(200, call.core.wire.message(call.core.interactions.message(interaction, call.params["message"])))


async def edit(call: Call) -> Reply:
    interaction = _interaction(call)
    message = call.core.interactions.message(interaction, call.params["message"])
    await call.core.interactions.edit(interaction, message, call.json, call.files)
    return Reply(200, call.core.wire.message(message))


async def delete(call: Call) -> Reply:
    interaction = _interaction(call)
    call.core.messages.delete(call.core.interactions.message(interaction, call.params["message"]))
    return Reply()


_WEBHOOK = "/webhooks/{application}/{token:text}"
_MESSAGE = _WEBHOOK + "/messages/{message:text}"
_QUERY = frozenset({"with_components", "thread_id"})
ROUTES = [
    Route(
        "POST",
        "/interactions/{interaction}/{token:text}/callback",
        callback,
        "webhook",
        frozenset({"with_response"}),
        bot_token=False,
        form=True,
    ),
    Route(
        "POST",
        _WEBHOOK,
        follow_up,
        "webhook",
        _QUERY | {"wait"},
        bot_token=False,
        form=True,
        shared="webhook-channel",
    ),
    Route("GET", _MESSAGE, read, "webhook", _QUERY, bot_token=False),
    Route("PATCH", _MESSAGE, edit, "webhook", _QUERY, bot_token=False, form=True),
    Route("DELETE", _MESSAGE, delete, "webhook", _QUERY, bot_token=False),
]
