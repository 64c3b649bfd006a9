"""Making a film small enough for the place it goes to."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import discord

from bot.delivery.answers import Answer, Refused
from bot.domain.errors import DeliveryError, Undeliverable
from bot.domain.job import Artifact
from bot.ports import Artifacts, Clock, UnusableMedia

T = TypeVar("T")

MIB = 1024 * 1024
# discord.py 2.7.1 still says 10 MiB; Discord raised its default in September 2026 (reference#uploading-files).
DEFAULT_LIMIT = 20 * MIB
_BY_TIER = {2: 50 * MIB, 3: 100 * MIB}
_PLATEAUS = (100 * MIB, 50 * MIB, 25 * MIB, 20 * MIB, 10 * MIB, 8 * MIB)
_MARGIN = 0.95
_ENCODINGS = 3
_REMEMBER_SECONDS = 3_600.0


class FileLimits:
    """Upload limits in bytes: by a guild's boosts, and for an hour what Discord has refused there."""

    def __init__(self, client: discord.Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._learned: dict[int | None, tuple[int, float]] = {}

    def of(self, guild_id: int | None) -> int:
        """None stands for direct messages."""
        guild = self._client.get_guild(guild_id) if guild_id is not None else None
        limit = _BY_TIER.get(guild.premium_tier, DEFAULT_LIMIT) if guild is not None else DEFAULT_LIMIT
        learned, until = self._learned.get(guild_id, (limit, 0.0))
        return min(limit, learned) if until > self._clock.monotonic() else limit

    def learn(self, guild_id: int | None, refused: int) -> int:
        """As `below`, and remembered; a refusal below all known limits says something of that one upload only."""
        limit = below(refused)
        if limit in _PLATEAUS:
            self._learned[guild_id] = (limit, self._clock.monotonic() + _REMEMBER_SECONDS)
        return limit


def below(refused: int) -> int:
    """The next lower limit that Discord is known to have had, after it refused so many bytes."""
    return next((plateau for plateau in _PLATEAUS if plateau < refused), refused // 4)


class Fitting:
    """One artifact and its smaller encodings; those are removed at the end, the artifact is not."""

    def __init__(self, artifacts: Artifacts, artifact: Artifact) -> None:
        self._artifacts = artifacts
        self.original = self._current = artifact
        self._made: list[Artifact] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for artifact in self._made:
            self._artifacts.forget(artifact)

    async def deliver(self, limit: int, attempt: Callable[[Artifact], Awaitable[T]], lower: Callable[[int], int]) -> T:
        """Attempt with what fits, and again with less each time that Discord says it is too large.

        `lower` makes a new limit out of the bytes that were refused. Raises DeliveryError (TOO_LARGE) after three
        encodings, and what `attempt` raises otherwise.
        """
        while True:
            film = await self._within(limit)
            try:
                return await attempt(film)
            except Refused as refused:
                if refused.answer is not Answer.TOO_LARGE:
                    raise
            limit = lower(film.size)

    async def _within(self, limit: int) -> Artifact:
        if self._current.size <= limit:
            return self._current
        if len(self._made) == _ENCODINGS:
            raise DeliveryError(Undeliverable.TOO_LARGE, f"{self._current.size} bytes, the limit is {limit}")
        try:
            self._current = await self._artifacts.fit(self.original, int(limit * _MARGIN))
        except UnusableMedia as error:
            raise DeliveryError(Undeliverable.TOO_LARGE, str(error)) from error
        self._made.append(self._current)
        return self._current
