"""Pipelet: a request is queued, asked after, and fetched as JSON with the film in it (pipelet-queue.md).

The addresses in its replies are not read: ours are built from the configured base URL (ruling 12).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.domain.errors import BadResponse, Rejected
from bot.domain.generation import GenerationRequest, ModelSpec
from bot.domain.job import Cancelled, Completed, Failed, InProgress, InQueue, RemoteHandle, RemoteStatus, Unknown
from bot.providers._base64_stream import FilmDecoder
from bot.providers._body import encode, spec_of
from bot.providers._http import PRODUCTION, Http, Wire, checked_url
from bot.providers._pipelet_models import MODELS
from bot.providers._replies import ASK, CANCEL, CREATE, FETCH, Answer

__all__ = ["MODELS", "PipeletProvider"]

DOCUMENTED_URL = "https://batch.pipelet.net"

# It becomes part of an address that carries our key, so it must not be able to leave its place there.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_MODEL_IDS = frozenset(spec.id for spec in MODELS)
# Nobody waits behind more: such a number is no place, and members read it.
_MOST_AHEAD = 999_999
_PROGRESS = re.compile(r"Progress:\s*(\d{1,6})/(\d{1,6})\b", re.ASCII)
_NO_SUCH_REQUEST = "matinee-doctor-asks-for-nothing"


class _Created(Answer):
    request_id: str | int


class _Messages(Answer):
    message: str | None = None
    detail_message: str | None = None


class _Status(Answer):
    """Only `status` decides; the rest decorates, and must never cost a paid film."""

    status: str
    queue_position: Any = None
    statusMessages: Any = None  # noqa: N815  # the provider's spelling

    def said(self) -> _Messages:
        try:
            return _Messages.model_validate(self.statusMessages)
        except ValidationError:
            return _Messages()


class PipeletProvider:
    name = "pipelet"
    billed = True

    def __init__(
        self,
        token: str,
        *,
        concurrency: int,
        base_url: str = DOCUMENTED_URL,
        create: float = 120.0,
        ask: float = 30.0,
        fetch: float = 300.0,
        wire: Wire = PRODUCTION,
    ) -> None:
        """`create`, `ask` and `fetch` bound one call of that kind, in seconds.

        Raises ValueError for a token or URL that cannot be one.
        """
        self.concurrency = concurrency
        self._base = checked_url(base_url)
        self._create, self._ask, self._fetch = create, ask, fetch
        self._http = Http(self.name, token, wire)

    def models(self) -> Sequence[ModelSpec]:
        return MODELS

    async def refresh(self) -> None:
        """Pipelet describes its models nowhere: there is nothing to ask."""

    async def healthy(self) -> str:
        """Asks after a request that cannot exist: whoever says "not found" has looked at our key."""
        url = self._request_url(RemoteHandle(MODELS[0].id, _NO_SUCH_REQUEST)) + "/status"
        try:
            async with self._http.get(ASK, url, self._ask):
                pass
        except (BadResponse, Rejected) as error:
            if error.status is None or not 400 <= error.status < 500:
                raise
        return "reachable, the key is accepted"

    async def submit(self, request: GenerationRequest, images: Sequence[Path]) -> RemoteHandle:
        spec = spec_of(self.name, MODELS, request)
        body = await encode(spec, request, images)
        async with self._http.once(CREATE, "POST", self._base + spec.path, self._create, body) as reply:
            request_id = str((await reply.parse(_Created)).request_id)
            if not _REQUEST_ID.fullmatch(request_id):
                raise reply.broken("the request id is not usable")
        return RemoteHandle(spec.id, request_id)

    async def poll(self, handle: RemoteHandle) -> RemoteStatus:
        async with self._http.get(ASK, f"{self._request_url(handle)}/status", self._ask) as reply:
            return self._status(await reply.parse(_Status))

    def _status(self, reply: _Status) -> RemoteStatus:
        match reply.status:
            case "IN_QUEUE" if type(reply.queue_position) is int and 0 <= reply.queue_position <= _MOST_AHEAD:
                return InQueue(reply.queue_position)
            case "IN_PROGRESS":
                return _progress(reply.said().detail_message or "")
            case "COMPLETED":
                return Completed()
            case "FAILED":
                said = reply.said()
                return Failed(self._http.quote(": ".join(filter(None, (said.message, said.detail_message)))))
            case "CANCELLED":
                return Cancelled()
            case word:
                return Unknown(self._http.quote(word, 40))

    async def fetch(self, handle: RemoteHandle, into: Path) -> None:
        async with self._http.get(FETCH, self._request_url(handle), self._fetch) as reply:
            await reply.save(into, FilmDecoder())

    async def cancel(self, handle: RemoteHandle) -> bool:
        """Unavailable after any doubt: then the status tells whether it was cancelled."""
        async with self._http.once(CANCEL, "PUT", f"{self._request_url(handle)}/cancel", self._ask) as reply:
            if reply.status == 204:
                return True
            # A repeated PUT meets the conflict that its own first copy made.
            if reply.status == 409 and not reply.asked_twice:
                return False
            raise reply.broken(f"HTTP {reply.status} does not tell whether it was cancelled")

    async def close(self) -> None:
        await self._http.close()

    def _request_url(self, handle: RemoteHandle) -> str:
        if handle.model not in _MODEL_IDS or not _REQUEST_ID.fullmatch(handle.request_id):
            raise BadResponse(self.name, "this remote handle is not one of ours")
        return f"{self._base}/queue/{handle.model}/requests/{handle.request_id}"


def _progress(text: str) -> InProgress:
    found = _PROGRESS.search(text)
    if found is None:
        return InProgress()
    done, total = int(found[1]), int(found[2])
    return InProgress(done, total) if total > 0 and done <= total else InProgress()
