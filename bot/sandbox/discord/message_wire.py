"""Messages as Discord writes them: links signed, references to files resolved."""

from __future__ import annotations

import copy
import zlib

from .cdn import Cdn
from .interaction import Interaction
from .message import Attachment, Json, Message, MessageType, walk
from .snowflake import iso
from .wire import user
from .world import User

ATTACHMENT_SCHEME = "attachment://"


class MessageWire:
    """Messages carry links, so that they need the CDN; links are signed anew each time."""

    def __init__(self, cdn: Cdn) -> None:
        self._cdn = cdn

    def attachment(self, value: Attachment) -> Json:
        body: Json = {
            "id": str(value.id),
            "filename": value.filename,
            "size": value.size,
            "url": self._cdn.url(value),
            "proxy_url": self._cdn.url(value, proxy=True),
        }
        if value.content_type:
            body["content_type"] = value.content_type
        if value.width is not None:
            body |= {"width": value.width, "height": value.height}
        if value.ephemeral:
            body["ephemeral"] = True
        optional = {"description": value.description, "title": value.title}
        body |= {key: text for key, text in optional.items() if text is not None}
        if value.spoiler:
            body |= {"is_spoiler": True, "flags": 1 << 3}
        return body

    def message(self, value: Message, *, nested: bool = False) -> Json:
        """A nested one, inside a reply, does not show what it answered itself."""
        in_embeds = {each.filename for each in value.attachments if self._shown_by_embed(value, each)}
        body: Json = {
            "id": str(value.id),
            "channel_id": str(value.channel.id),
            "author": user(value.author),
            "type": int(value.type),
            "content": value.content,
            "timestamp": iso(value.at),
            "edited_timestamp": None if value.edited_at is None else iso(value.edited_at),
            "tts": value.tts,
            "flags": int(value.flags),
            "pinned": value.pinned,
            "mention_everyone": value.mention_everyone,
            "mentions": [user(each) for each in value.mentions],
            "mention_roles": [str(each.id) for each in value.mention_roles],
            "embeds": [self._embed(value, each) for each in value.embeds],
            "attachments": [self.attachment(each) for each in value.attachments if each.filename not in in_embeds],
            "components": self._components(value),
        }
        body |= _optional(value)
        if value.reference is not None and not nested:
            body["message_reference"] = value.reference
            gone = value.referenced is None or value.referenced.deleted
            body["referenced_message"] = None if gone else self.message(value.referenced, nested=True)  # type: ignore[arg-type]
        return body

    def _shown_by_embed(self, value: Message, attachment: Attachment) -> bool:
        name = ATTACHMENT_SCHEME + attachment.filename
        return any(
            isinstance(each.get(key), dict) and each[key].get("url") == name
            for each in value.embeds
            for key in ("image", "thumbnail")
        )

    def _embed(self, value: Message, embed: Json) -> Json:
        shown = copy.deepcopy(embed)
        shown.setdefault("type", "rich")
        for key, name in (("image", "url"), ("thumbnail", "url"), ("author", "icon_url"), ("footer", "icon_url")):
            part = shown.get(key)
            if isinstance(part, dict) and (found := self._named(value, part.get(name))):
                part[name] = self._cdn.url(found)
                part["proxy_url" if name == "url" else "proxy_icon_url"] = self._cdn.url(found, proxy=True)
                if name == "url":
                    part |= {"width": found.width, "height": found.height}
        return shown

    def _components(self, value: Message) -> list[Json]:
        shown = copy.deepcopy(value.components)
        for each in walk(shown):
            media = [item["media"] for item in each.get("items", ())]
            media += [each[key] for key in ("media", "file") if isinstance(each.get(key), dict)]
            for item in media:
                self._fill_media(value, item)
            if each["type"] == 13 and (found := self._named(value, each["file"]["url"])):
                each |= {"name": found.filename, "size": found.size}
        return shown

    def _fill_media(self, value: Message, item: Json) -> None:
        found = self._named(value, item["url"])
        if found is None:
            item |= {"id": str(zlib.crc32(item["url"].encode())), "proxy_url": item["url"]}
            return
        item |= {
            "id": str(found.id),
            "url": self._cdn.url(found),
            "proxy_url": self._cdn.url(found, proxy=True),
            "width": found.width,
            "height": found.height,
            "content_type": found.content_type,
            "attachment_id": str(found.id),
        }

    def _named(self, value: Message, url: object) -> Attachment | None:
        if not isinstance(url, str):
            return None
        if not url.startswith(ATTACHMENT_SCHEME):
            return self._cdn.by_url(url)
        name = url.removeprefix(ATTACHMENT_SCHEME)
        return next((each for each in value.attachments if each.filename == name), None)


def _optional(value: Message) -> Json:
    body: Json = {}
    if value.channel.guild is not None:
        body["guild_id"] = str(value.channel.guild.id)
    if value.nonce is not None:
        body["nonce"] = value.nonce
    if value.poll is not None:
        body["poll"] = value.poll
    if value.reactions:
        body["reactions"] = [_reaction(name, users) for name, users in value.reactions.items()]
    if value.interaction is not None:
        body |= _of_interaction(value, value.interaction)
    return body


def _of_interaction(value: Message, interaction: Interaction) -> Json:
    application_id = str(value.channel.world.bot.id)
    body: Json = {"application_id": application_id, "webhook_id": application_id}
    body["interaction_metadata"] = _metadata(value, interaction)
    if value.type in (MessageType.CHAT_INPUT_COMMAND, MessageType.CONTEXT_MENU_COMMAND):
        body["interaction"] = {
            "id": str(interaction.id),
            "type": int(interaction.kind),
            "name": interaction.command,
            "user": user(interaction.user),
        }
    return body


def _metadata(value: Message, interaction: Interaction) -> Json:
    body: Json = {
        "id": str(interaction.id),
        "type": int(interaction.kind),
        "user": user(interaction.user),
        "authorizing_integration_owners": interaction.owners,
    }
    if interaction.original is not None and interaction.original is not value:
        body["original_response_message_id"] = str(interaction.original.id)
    if interaction.source is not None:
        body["interacted_message_id"] = str(interaction.source.id)
    if interaction.command:
        body |= {"name": interaction.command, "command_type": 1}
    return body


def _reaction(name: str, users: list[User]) -> Json:
    text, _, number = name.partition(":")
    return {
        "emoji": {"id": number or None, "name": text},
        "count": len(users),
        "count_details": {"normal": len(users), "burst": 0},
        "me": any(each.bot for each in users),
        "me_burst": False,
        "burst_colors": [],
    }
