"""Files by signed links that expire, as cdn.discordapp.com gives them out (reference#signed-attachment-cdn-urls)."""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
from urllib.parse import quote, urlsplit

from aiohttp import web
from PIL import Image

from bot.sandbox.clock import Clock

from .media import inspect
from .message import Attachment, Upload
from .options import SandboxOptions
from .snowflake import Snowflakes
from .transcript import Entry, Transcript

ATTACHMENTS = "attachments"
EPHEMERAL = "ephemeral-attachments"
_AVATARS = ("#5865f2", "#747f8d", "#3ba55c", "#faa61a", "#ed4245", "#eb459e")


class Cdn:
    """`origin` is known only once the sandbox listens; the media proxy is the same files below /media."""

    def __init__(self, clock: Clock, ids: Snowflakes, options: SandboxOptions, transcript: Transcript) -> None:
        self.origin = ""
        self._clock = clock
        self._ids = ids
        self._options = options
        self._transcript = transcript
        self._key = secrets.token_bytes(16)
        self._files: dict[str, Attachment] = {}

    async def store(self, upload: Upload, folder: str, *, ephemeral: bool = False) -> Attachment:
        """`folder` is a channel's id, or the application's for files given to a command."""
        facts = await inspect(upload.data, upload.filename)
        attachment = Attachment(
            self._ids.next(),
            _safe_name(upload.filename),
            upload.data,
            facts.sha256,
            facts.content_type,
            f"/{EPHEMERAL if ephemeral else ATTACHMENTS}/{folder}",
            facts.width,
            facts.height,
            ephemeral,
        )
        self._files[_path(attachment)] = attachment
        return attachment

    def forget(self, attachment: Attachment) -> None:
        self._files.pop(_path(attachment), None)

    def url(self, attachment: Attachment, *, proxy: bool = False) -> str:
        path = _path(attachment)
        issued = int(self._clock.now())
        expires = f"{issued + int(self._options.link_lifetime):x}"
        signature = self._sign(path, expires, f"{issued:x}")
        place = f"{self.origin}/media{quote(path)}" if proxy else f"{self.origin}{quote(path)}"
        return f"{place}?ex={expires}&is={issued:x}&hm={signature}&"

    def by_url(self, url: str) -> Attachment | None:
        """The file that one of this origin's links leads to, expired or not."""
        if not url.startswith(self.origin + "/"):
            return None
        return self._files.get(urlsplit(url).path.removeprefix("/media"))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        response = self._answer(request)
        self._transcript.append(Entry("cdn", self._clock.now(), request.method, request.path, status=response.status))
        return response

    async def avatar(self, request: web.Request) -> web.Response:
        """The picture of somebody who has set none."""
        target = io.BytesIO()
        Image.new("RGB", (64, 64), _AVATARS[int(request.match_info["number"])]).save(target, "PNG")
        return web.Response(body=target.getvalue(), content_type="image/png")

    def _answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/media")
        expires, issued = request.query.get("ex", ""), request.query.get("is", "")
        valid = hmac.compare_digest(self._sign(path, expires, issued), request.query.get("hm", ""))
        attachment = self._files.get(path)
        if attachment is None or not valid or int(expires, 16) <= self._clock.now():
            return web.Response(status=404, text="This content is no longer available.")
        return _with_range(request, attachment)

    def _sign(self, path: str, expires: str, issued: str) -> str:
        text = f"{path}?{expires}&{issued}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _with_range(request: web.Request, attachment: Attachment) -> web.Response:
    headers = {
        "Content-Type": attachment.content_type or "application/octet-stream",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600",
        "Access-Control-Allow-Origin": "*",
    }
    try:
        wanted = request.http_range
    except ValueError:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{attachment.size}"})
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=attachment.data, headers=headers)
    start, stop, _ = wanted.indices(attachment.size)
    if start >= stop:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{attachment.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{attachment.size}"
    return web.Response(status=206, body=attachment.data[start:stop], headers=headers)


def _path(attachment: Attachment) -> str:
    return f"{attachment.folder}/{attachment.id}/{attachment.filename}"


def _safe_name(name: str) -> str:
    """Discord rewrites every other character, which is why an attachment:// reference to it breaks."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1].replace(" ", "_")
    kept = "".join(each for each in base if each.isascii() and (each.isalnum() or each in "._-"))
    return kept.lstrip(".")[:255] or "unknown"
