"""Interactions that no client would send: payloads in Discord's form with anything in them."""

from __future__ import annotations

from typing import Any

from e2e_kit import Scene

from bot.sandbox.discord import Channel, Interaction, MemberDriver, Message

KINDS = {str: 3, bool: 5, int: 4, float: 10}


def option(name: str, value: Any, kind: int | None = None) -> dict[str, Any]:
    return {"name": name, "type": kind or KINDS[type(value)], "value": value}


async def command(
    it: Scene,
    name: str,
    *options: dict[str, Any],
    member: MemberDriver | None = None,
    channel: Channel | None = None,
    resolved: dict[str, Any] | None = None,
    **payload: Any,
) -> Interaction:
    known = [each for each in it.discord.commands.all(None) if each["name"] == name]
    data: dict[str, Any] = {"id": known[0]["id"] if known else "1234567890", "name": name, "type": 1}
    data |= {"options": list(options)} | ({"resolved": resolved} if resolved else {})
    return await it.discord.raw_interaction(
        {"data": data, **payload}, channel=channel or it.channel, member=member or it.alice
    )


async def animate(it: Scene, url: str, *, size: int = 1000, filename: str = "cat.png", **facts: Any) -> Interaction:
    """`/animate` with a resolved attachment that says whatever is wanted of it."""
    attachment = {"id": "77", "filename": filename, "size": size, "url": url, "proxy_url": url} | facts
    return await command(it, "animate", option("image", "77", 11), resolved={"attachments": {"77": attachment}})


async def press(
    it: Scene, custom_id: str, source: Message, *, member: MemberDriver | None = None, kind: int = 2
) -> Interaction:
    data = {"custom_id": custom_id, "component_type": kind, "id": 1}
    return await it.discord.raw_interaction(
        {"type": 3, "data": data}, channel=source.channel, member=member or it.alice, source=source
    )
