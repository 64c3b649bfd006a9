"""What a message body may hold (resources/message#create-message, resources/webhook#execute-webhook)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .components import ComponentRules
from .errors import ApiError, Path, Problems, refuse
from .message import Flag, Json, Upload, walk

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif")
_BODY = frozenset({"content", "tts", "embeds", "allowed_mentions", "components", "attachments", "flags", "poll"})


@dataclass(frozen=True)
class Shape:
    """Which fields and flags a route takes; `edits` means that an absent field stays as it is."""

    fields: frozenset[str]
    flags: Flag
    edits: bool = False


_SILENT = Flag.SUPPRESS_EMBEDS | Flag.SUPPRESS_NOTIFICATIONS | Flag.IS_COMPONENTS_V2 | Flag.IS_VOICE_MESSAGE
CREATE = Shape(_BODY | {"nonce", "enforce_nonce", "message_reference", "sticker_ids"}, _SILENT)
# discord.js sends enforce_nonce with everything; it means nothing here.
RESPONSE = Shape(_BODY | {"enforce_nonce"}, _SILENT | Flag.EPHEMERAL)
UPDATE = Shape(_BODY | {"enforce_nonce"}, Flag.SUPPRESS_EMBEDS | Flag.IS_COMPONENTS_V2, edits=True)
EDIT = Shape(_BODY | {"enforce_nonce", "nonce"}, Flag.SUPPRESS_EMBEDS | Flag.IS_COMPONENTS_V2, edits=True)
_EMBED = {
    "title": 256,
    "description": 4096,
    "url": 2048,
}
_EMBED_FIELDS = frozenset(
    {"title", "type", "description", "url", "timestamp", "color", "footer", "image", "thumbnail", "author",
     "fields", "provider", "video", "flags", "content_scan_version", "reference_id"}
)  # fmt: skip
_MEDIA = frozenset(
    {"url", "proxy_url", "width", "height", "content_type", "placeholder", "placeholder_version",
     "description", "flags"}
)  # fmt: skip
_PARTS: dict[str, tuple[frozenset[str], dict[str, int]]] = {
    "footer": (frozenset({"text", "icon_url", "proxy_icon_url"}), {"text": 2048}),
    "author": (frozenset({"name", "url", "icon_url", "proxy_icon_url"}), {"name": 256}),
    "image": (_MEDIA, {}),
    "thumbnail": (_MEDIA, {}),
}
_ATTACHMENT = frozenset(
    {"id", "filename", "description", "title", "is_spoiler", "duration_secs", "waveform", "is_remix"}
)
# Editing clients send whole attachment objects back; nothing of these is taken from them.
_ATTACHMENT_ECHO = frozenset(
    {"size", "url", "proxy_url", "width", "height", "content_type", "ephemeral", "spoiler", "flags",
     "placeholder", "placeholder_version"}
)  # fmt: skip


class MessageRules:
    """Checks one body against one shape; raises `ApiError` with every reason at once."""

    def __init__(self, problems: Problems, shape: Shape, body: Json, files: dict[int, Upload]) -> None:
        self._problems = problems
        self._shape = shape
        self._body = body
        self._files = files
        self._names = {each.filename for each in files.values()}
        self._ids = set(map(str, files))

    def check(self, *, kept: Mapping[str, str] | None = None, v2: bool = False) -> None:
        """`kept` are names by id of the files that an edited message has; `v2` what it already is."""
        kept = kept or {}
        if not self._problems.fields(self._body, self._shape.fields):
            self._problems.check()
        self._names |= set(kept.values())
        self._ids |= set(kept)
        flags = self._flags()
        v2 = v2 or Flag.IS_COMPONENTS_V2 in flags
        self._plain()
        self._attachments()
        self._embeds()
        self._allowed_mentions()
        self._components(v2=v2)
        if v2:
            self._v2_alone()
        self._problems.check()
        if not self._shape.edits and not has_something(self._body, self._files):
            raise refuse(50006)

    def _flags(self) -> Flag:
        value = self._body.get("flags")
        if value is None:
            return Flag(0)
        if not self._problems.number(value, ("flags",), 0, 2**31 - 1):
            return Flag(0)
        if stray := value & ~int(self._shape.flags):
            self._problems.add(("flags",), "SANDBOX_FLAGS_NOT_ALLOWED", f"These bits cannot be set here: {stray}")
        return Flag(value & int(self._shape.flags))

    def _plain(self) -> None:
        body = self._body
        if body.get("content") is not None:
            self._problems.text(body["content"], ("content",), 0, 2000)
        for name in ("tts", "enforce_nonce"):
            if body.get(name) is not None:
                self._problems.boolean(body[name], (name,))
        nonce = body.get("nonce")
        if isinstance(nonce, str):
            self._problems.text(nonce, ("nonce",), 0, 25)
        elif nonce is not None:
            self._problems.number(nonce, ("nonce",), -(2**63), 2**64)
        if body.get("enforce_nonce") and nonce is None and not self._shape.edits:
            self._problems.required(("nonce",))

    def _attachments(self) -> None:
        listed = self._body.get("attachments")
        if len(self._files) > 10:
            raise refuse(30015)
        if listed is None:
            return
        if not self._problems.items(listed, ("attachments",), 0, 10):
            return
        extra = _ATTACHMENT_ECHO if self._shape.edits else frozenset[str]()
        for index, each in enumerate(listed):
            path: Path = ("attachments", index)
            if not self._problems.fields(each, _ATTACHMENT | extra, path):
                continue
            if not _is_id(each.get("id")):
                self._problems.required((*path, "id"))
            elif str(each["id"]) not in self._ids:
                self._problems.add((*path, "id"), "ATTACHMENT_NOT_FOUND", "No file of this id came with the request")
            if each.get("description") is not None:
                self._problems.text(each["description"], (*path, "description"), 0, 1024)
            if isinstance(each.get("filename"), str):
                self._names.add(each["filename"])

    def _embeds(self) -> None:
        embeds = self._body.get("embeds")
        if embeds is None or not self._problems.items(embeds, ("embeds",), 0, 10):
            return
        for index, each in enumerate(embeds):
            if self._problems.fields(each, _EMBED_FIELDS, ("embeds", index)):
                self._embed(each, ("embeds", index))
        if self._problems.clean and sum(map(_embed_size, embeds)) > 6000:
            self._problems.add(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")

    def _embed(self, embed: Json, path: Path) -> None:
        for name, most in _EMBED.items():
            if embed.get(name) is not None:
                self._problems.text(embed[name], (*path, name), 0, most)
        for name, (allowed, limits) in _PARTS.items():
            part = embed.get(name)
            if part is None or not self._problems.fields(part, allowed, (*path, name)):
                continue
            for text, most in limits.items():
                self._problems.text(part.get(text), (*path, name, text), 1, most)
            for url in ("url", "icon_url"):
                if part.get(url) is not None and (name != "author" or url == "icon_url"):
                    self._image(part[url], (*path, name, url))
        self._embed_fields(embed.get("fields"), path)
        if not any(
            embed.get(each)
            for each in ("title", "description", "fields", "image", "thumbnail", "author", "footer", "url")
        ):
            self._problems.required((*path, "description"))

    def _embed_fields(self, fields: object, path: Path) -> None:
        if fields is None or not self._problems.items(fields, (*path, "fields"), 0, 25):
            return
        for index, each in enumerate(fields):
            where = (*path, "fields", index)
            if self._problems.fields(each, frozenset({"name", "value", "inline"}), where):
                self._problems.text(each.get("name"), (*where, "name"), 1, 256)
                self._problems.text(each.get("value"), (*where, "value"), 1, 1024)

    def _image(self, url: object, path: Path) -> None:
        if not self._problems.text(url, path, 1, 2048):
            return
        self._reference(url, path)
        if url.startswith("attachment://") and not url.lower().endswith(IMAGE_ENDINGS):
            self._problems.add(path, "URL_TYPE_INVALID_URL", "An embed shows .jpg, .jpeg, .png, .webp and .gif")

    def _reference(self, url: str, path: Path) -> None:
        if url.startswith(("https://", "http://")):
            return
        if not url.startswith("attachment://"):
            self._problems.add(
                path, "URL_TYPE_INVALID_SCHEME", f'Scheme "{url.split(":", maxsplit=1)[0][:20]}" is not supported.'
            )
        elif url.removeprefix("attachment://") not in self._names:
            self._problems.add(path, "MEDIA_ATTACHMENT_NOT_FOUND", "The referenced attachment was not found")

    def _allowed_mentions(self) -> None:
        value = self._body.get("allowed_mentions")
        known = frozenset({"parse", "users", "roles", "replied_user"})
        if value is None or not self._problems.fields(value, known, ("allowed_mentions",)):
            return
        parse = value.get("parse") or []
        for index, each in enumerate(parse):
            if each not in ("users", "roles", "everyone"):
                self._problems.add(
                    ("allowed_mentions", "parse", index),
                    "BASE_TYPE_CHOICES",
                    "Value must be one of ('users', 'roles', 'everyone').",
                )
        for kind in ("users", "roles"):
            ids = value.get(kind) or []
            self._problems.items(ids, ("allowed_mentions", kind), 0, 100)
            if ids and kind in parse:
                self._problems.add(
                    ("allowed_mentions",),
                    "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                    f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
                )

    def _components(self, *, v2: bool) -> None:
        value = self._body.get("components")
        if value is not None:
            ComponentRules(self._problems, self._reference).message(value, ("components",), v2=v2)

    def _v2_alone(self) -> None:
        for name in ("content", "embeds", "poll", "sticker_ids"):
            if self._body.get(name):
                self._problems.add(
                    (name,),
                    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                    f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
                )


def has_something(body: Json, files: dict[int, Upload]) -> bool:
    parts = ("content", "embeds", "components", "poll", "sticker_ids")
    return bool(files) or any(body.get(each) for each in parts) or bool((body.get("content") or "").strip())


def check_sizes(files: dict[int, Upload], limit: int) -> None:
    """Raises 413 when one file is above the limit, in bytes."""
    if any(len(each.data) > limit for each in files.values()):
        raise ApiError(413, 40005, "Request entity too large")


def texts(body: Json) -> str:
    """All text in which mentions count."""
    shown = [str(body.get("content") or "")]
    shown += [str(each["content"]) for each in walk(body.get("components") or []) if each.get("type") == 10]
    return "\n".join(shown)


def _embed_size(embed: Json) -> int:
    total = sum(len((embed.get(each) or "").strip()) for each in ("title", "description"))
    total += len((embed.get("footer") or {}).get("text", "").strip())
    total += len((embed.get("author") or {}).get("name", "").strip())
    return total + sum(len(each["name"].strip()) + len(each["value"].strip()) for each in embed.get("fields") or [])


def _is_id(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value.isdigit())
