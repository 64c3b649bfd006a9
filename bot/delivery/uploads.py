"""Members' pictures, fetched from Discord's CDN: bounded in place, bytes and time."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver

from bot.delivery.addresses import Guarded, Origin, origin
from bot.domain.errors import BadPicture, PictureProblem, StorageUnavailable
from bot.ports import Clock

_TRIES = 3
_PAUSE_SECONDS = 0.5
_PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class Upload(Protocol):
    """What a member attached, as the interaction's resolved attachments have it; `size` is in bytes."""

    @property
    def option(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def size(self) -> int: ...


class _Passing(Exception):
    """The same request may succeed at once."""


class CdnUploads:
    """`trusted` is the operator's own `discord.api_url`: pictures may come from that origin too, and when it is on
    loopback, from any port there. `limit` is in bytes, `seconds` is for all tries together.
    """

    def __init__(
        self,
        directory: Path,
        limit: int,
        clock: Clock,
        *,
        trusted: yarl.URL | None = None,
        seconds: float = 30.0,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self._directory, self._limit, self._clock = directory, limit, clock
        self._trusted, self._seconds, self._resolver = trusted, seconds, resolver

    async def fetch(self, upload: Upload) -> Path:
        """The bytes in a file that the caller removes. Raises BadPicture, StorageUnavailable when the disk refuses."""
        source = origin(upload.url, self._trusted)
        if source is None:
            raise BadPicture(PictureProblem.UNREACHABLE, option=upload.option)
        if upload.size > self._limit:
            raise BadPicture(PictureProblem.TOO_MANY_BYTES, self._limit, upload.option)
        try:
            with _NewFile(self._directory) as path:
                async with asyncio.timeout(self._seconds):
                    await self._insist(source, path, upload.option)
        except TimeoutError as error:
            raise BadPicture(PictureProblem.UNREACHABLE, option=upload.option) from error
        except OSError as error:
            raise StorageUnavailable(full=True) from error
        return path

    async def _insist(self, source: Origin, path: Path, option: str) -> None:
        for _ in range(_TRIES - 1):
            try:
                return await self._download(source, path, option)
            except (_Passing, aiohttp.ClientError, ConnectionError):
                await self._clock.sleep(_PAUSE_SECONDS)
        try:
            await self._download(source, path, option)
        except (_Passing, aiohttp.ClientError, ConnectionError) as error:
            raise BadPicture(PictureProblem.UNREACHABLE, option=option) from error

    async def _download(self, source: Origin, path: Path, option: str) -> None:
        # A session of its own: nothing of one member's download, no cookie and no connection, is left for another's.
        connector = aiohttp.TCPConnector(resolver=Guarded(self._resolver(), source.admits), force_close=True)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.get(source.url, allow_redirects=False) as response,
        ):
            if response.status in _PASSING_STATUS:
                raise _Passing
            if response.status != 200 or response.headers.get("Content-Encoding", "identity") != "identity":
                raise BadPicture(PictureProblem.UNREACHABLE, option=option)
            await self._store(response, path, option)

    async def _store(self, response: aiohttp.ClientResponse, path: Path, option: str) -> None:
        too_many = BadPicture(PictureProblem.TOO_MANY_BYTES, self._limit, option)
        if (response.content_length or 0) > self._limit:
            raise too_many
        received = 0
        with path.open("wb") as file:
            async for chunk in response.content.iter_chunked(64 * 1024):
                received += len(chunk)
                if received > self._limit:
                    raise too_many
                file.write(chunk)
        if received == 0:
            raise BadPicture(PictureProblem.EMPTY, option=option)


class _NewFile:
    """A file that only we can read, under a name that nobody can guess; gone again when the block fails."""

    def __init__(self, directory: Path) -> None:
        handle, name = tempfile.mkstemp(prefix="upload-", suffix=".part", dir=directory)
        os.close(handle)
        self._path = Path(name)

    def __enter__(self) -> Path:
        return self._path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._path.unlink(missing_ok=True)
