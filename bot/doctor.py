"""`matinee doctor`: is this installation ready? One line for each thing, nothing spent."""

import asyncio
import tempfile
from collections.abc import Awaitable
from pathlib import Path

import aiohttp

from bot.config import ConfigurationError, Settings, load
from bot.domain.errors import ProviderError, StorageUnavailable
from bot.models import AnyProvider, build_providers, check_models
from storage.database import Database, UnusableDatabaseError, caution

_SECONDS = 10.0
_UNAUTHORIZED = 401


class _Finding(Exception):
    pass


async def examine(file: Path | None) -> int:
    """Print what was found; 1 when anything fails."""
    try:
        settings = load(file)
        providers = build_providers(settings)
        check_models(settings, providers)
    except ConfigurationError as error:
        print(f"FAIL  configuration  {error.line(file)}")
        return 1
    print(f"ok    configuration  {file or 'environment'}")
    looks: list[tuple[str, Awaitable[str]]] = [
        ("discord", _discord(settings)),
        *((provider.name, _provider(provider)) for provider in providers),
        ("media", asyncio.to_thread(_folder, settings.media.directory)),
        ("database", _database(settings)),
    ]
    return 0 if all([await _check(name, look) for name, look in looks]) else 1


async def _check(name: str, look: Awaitable[str]) -> bool:
    try:
        said = await look
    except _Finding as finding:
        print(f"FAIL  {name:<13}  {finding}")
        return False
    print(f"ok    {name:<13}  {said}")
    return True


async def _discord(settings: Settings) -> str:
    headers = {"Authorization": f"Bot {settings.discord.token.get_secret_value()}"}
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    url = f"{settings.discord.api_url}/users/@me"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            if response.status == _UNAUTHORIZED:
                raise _Finding("the token is refused; fix: set discord.token to the bot's current token")
            if response.status != 200:
                raise _Finding(f"{settings.discord.api_url} answers status {response.status}")
            name = (await response.json(content_type=None)).get("username")
    except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError) as error:
        raise _Finding(f"{settings.discord.api_url} cannot be used ({type(error).__name__})") from None
    return f"logged in as {name}"


async def _provider(provider: AnyProvider) -> str:
    try:
        return await provider.healthy()
    except ProviderError as error:
        raise _Finding(error.detail) from None
    finally:
        await provider.close()


def _folder(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"matinee")
            file.flush()
    except OSError as error:
        raise _Finding(f"{folder} cannot be written ({error.strerror})") from None
    return f"{folder} can be written"


async def _database(settings: Settings) -> str:
    path = settings.storage.path
    try:
        database = await Database.open(path)
    except StorageUnavailable as error:
        raise _Finding(f"{path} cannot be opened ({error.__cause__})") from None
    except UnusableDatabaseError as error:
        raise _Finding(f"{path}: {error}") from None
    await database.close()
    return f"{path} is sound; {caution() or 'its SQLite is safe with other programs'}"
