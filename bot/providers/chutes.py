"""Chutes: one POST held open until the raw film or picture comes back (chutes-*.md)."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.domain.generation import GenerationRequest, ModelSpec
from bot.providers._body import encode, spec_of
from bot.providers._chutes_models import DOCUMENTED_HOSTS, MODELS
from bot.providers._decoders import Raw
from bot.providers._http import PRODUCTION, Http, Wire, checked_url
from bot.providers._replies import HOLD_OPEN

__all__ = ["DOCUMENTED_HOSTS", "MODELS", "ChutesProvider"]


class ChutesProvider:
    name = "chutes"
    billed = True

    def __init__(
        self,
        token: str,
        *,
        concurrency: int,
        base_urls: Mapping[str, str] = DOCUMENTED_HOSTS,
        total: float = 900.0,
        ask: float = 30.0,
        wire: Wire = PRODUCTION,
    ) -> None:
        """`base_urls` by model id; a model without one is not offered.

        `total` bounds a generation, `ask` a question, in seconds.
        Raises ValueError for an unknown model, or a token or URL that cannot be one.
        """
        if unknown := set(base_urls) - {spec.id for spec in MODELS}:
            raise ValueError(f"chutes has no model {', '.join(sorted(unknown))}")
        self.concurrency = concurrency
        self._bases = {model: checked_url(url) for model, url in base_urls.items()}
        self._models = tuple(spec for spec in MODELS if spec.id in self._bases)
        self._total, self._ask = total, ask
        self._http = Http(self.name, token, wire)

    def models(self) -> Sequence[ModelSpec]:
        return self._models

    async def refresh(self) -> None:
        """Chutes describes its models nowhere: there is nothing to ask."""

    async def healthy(self) -> str:
        """Only that every host answers: no call checks the key for free."""
        hosts = sorted(set(self._bases.values()))
        asked = (self._http.reach(f"{host}/", self._ask) for host in hosts)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
        return f"all {len(hosts)} addresses answer; the key cannot be checked without spending"

    async def generate(self, request: GenerationRequest, images: Sequence[Path], into: Path) -> None:
        spec = spec_of(self.name, self._models, request)
        body = await encode(spec, request, images)
        url = self._bases[spec.id] + spec.path
        async with self._http.once(HOLD_OPEN, "POST", url, self._total, body) as reply:
            await reply.save(into, Raw())

    async def close(self) -> None:
        await self._http.close()
