"""Who the bot is, and where its gateway is."""

from __future__ import annotations

from . import wire
from .errors import refuse
from .message import Json
from .routes import Call, Reply, Route


async def me(call: Call) -> Reply:
    extra: Json = {"verified": True, "mfa_enabled": False, "email": None, "locale": "en-US", "premium_type": 0}
    return Reply(200, wire.user(call.core.world.bot) | extra)


async def user(call: Call) -> Reply:
    found = call.core.world.users.get(call.id("user"))
    if found is None:
        raise refuse(10013)
    return Reply(200, wire.user(found))


async def application(call: Call) -> Reply:
    core = call.core
    body: Json = {
        "id": str(core.world.bot.id),
        "name": core.options.application_name,
        "icon": None,
        "description": "",
        "summary": "",
        "type": None,
        "bot": wire.user(core.world.bot),
        "bot_public": True,
        "bot_require_code_grant": False,
        "is_monetized": False,
        "is_verified": False,
        "is_discoverable": False,
        "owner": wire.user(core.world.operator),
        "team": None,
        "verify_key": "0" * 64,
        "flags": 0,
        "hook": True,
        "storefront_available": False,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "integration_types_config": {"0": {}, "1": {}},
        "approximate_guild_count": sum(1 for _ in core.world.guilds_of_bot()),
        "flags_new": "0",
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": [],
        "approximate_user_authorization_count": 0,
        "approximate_user_install_count": sum(each.installed for each in core.world.users.values()),
    }
    return Reply(200, body)


async def gateway(call: Call) -> Reply:
    return Reply(200, {"url": call.core.gateway.url})


async def gateway_bot(call: Call) -> Reply:
    core = call.core
    limit = core.gateway.start_limit()
    return Reply(200, {"url": core.gateway.url, "shards": core.options.shards, "session_start_limit": limit})


async def direct_channel(call: Call) -> Reply:
    problems = call.problems()
    problems.fields(call.json, frozenset({"recipient_id"}))
    recipient = str(call.json.get("recipient_id", ""))
    if not recipient.isdigit():
        problems.required(("recipient_id",))
    problems.check()
    found = call.core.world.users.get(int(recipient))
    if found is None:
        raise refuse(10013)
    if found.bot:
        raise refuse(50007)
    return Reply(200, wire.channel(call.core.world.direct_channel(found)))


async def guilds(call: Call) -> Reply:
    limit = call.number("limit", 200, 1, 200)
    found = list(call.core.world.guilds_of_bot())[:limit]
    keys = ("id", "name", "icon", "banner", "features")
    return Reply(
        200,
        [
            {key: value for key, value in wire.guild(each).items() if key in keys}
            | {"owner": each.owner is call.core.world.bot, "permissions": str(int(each.everyone.permissions))}
            for each in found
        ],
    )


async def leave(call: Call) -> Reply:
    call.guild().remove_member(call.core.world.bot)
    return Reply()


async def nothing(call: Call) -> Reply:
    """Entitlements and products: this application sells none."""
    call.own_application()
    return Reply(200, [])


async def emojis(call: Call) -> Reply:
    call.own_application()
    return Reply(200, {"items": []})


ROUTES = [
    Route("GET", "/users/@me", me, "login"),
    Route("GET", "/users/{user}", user),
    Route("GET", "/oauth2/applications/@me", application, "login"),
    Route("GET", "/applications/@me", application, "login"),
    Route("GET", "/gateway", gateway, "login", bot_token=False),
    Route("GET", "/gateway/bot", gateway_bot, "login"),
    Route("POST", "/users/@me/channels", direct_channel, "direct"),
    Route("GET", "/users/@me/guilds", guilds, query=frozenset({"limit", "before", "after", "with_counts"})),
    Route("DELETE", "/users/@me/guilds/{guild}", leave),
    Route(
        "GET", "/applications/{application}/entitlements", nothing, query=frozenset({"limit", "user_id", "guild_id"})
    ),
    Route("GET", "/applications/{application}/skus", nothing),
    Route("GET", "/applications/{application}/emojis", emojis),
]
