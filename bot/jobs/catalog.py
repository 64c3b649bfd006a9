"""The models on offer: every configured provider's, from memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.errors import InvalidRequest, NoSuchModel, NotAllowed, Rule
from bot.domain.generation import Asked, Capability, GenerationRequest, ModelSpec, candidates, plan
from bot.ports import DirectProvider, Provider, QueueProvider

COMMANDS = {
    Capability.TEXT_TO_VIDEO: "video",
    Capability.IMAGE_TO_VIDEO: "animate",
    Capability.TEXT_TO_IMAGE: "image",
}


class Catalog:
    def __init__(
        self,
        providers: Sequence[Provider],
        defaults: Mapping[Capability, str],
        prices: Mapping[str, float] | None = None,
    ) -> None:
        """`prices` of one attempt, by model, in the operator's currency."""
        self._providers = {provider.name: provider for provider in providers}
        self._directs = {each.name: each for each in providers if isinstance(each, DirectProvider)}
        self._queues = {each.name: each for each in providers if isinstance(each, QueueProvider)}
        self._defaults, self._prices = defaults, prices or {}

    @property
    def providers(self) -> Sequence[Provider]:
        return tuple(self._providers.values())

    def provider(self, name: str) -> Provider | None:
        """None when a job's provider has been taken out of the configuration."""
        return self._providers.get(name)

    def direct(self, name: str) -> DirectProvider | None:
        """None as well for a provider with a queue."""
        return self._directs.get(name)

    def queue(self, name: str) -> QueueProvider | None:
        """None as well for a provider without."""
        return self._queues.get(name)

    def price(self, model: str) -> float:
        """0 where the operator has set none."""
        return self._prices.get(model, 0)

    def models(self, capability: Capability | None = None) -> list[ModelSpec]:
        return [
            spec
            for provider in self._providers.values()
            for spec in provider.models()
            if capability in (None, spec.capability)
        ]

    def find(self, capability: Capability, model: str) -> ModelSpec:
        """Raises NoSuchModel, which names the right command for a model of another kind."""
        same = [spec for spec in self.models() if spec.id == model]
        for spec in same:
            if spec.capability is capability:
                return spec
        raise NoSuchModel(model, COMMANDS[same[0].capability] if same else None)

    def usual_seconds(self, request: GenerationRequest) -> float:
        """What the provider's document says about the time once started, before there are figures of our own.

        Raises NoSuchModel.
        """
        spec = self.find(request.capability, request.model)
        size = spec.sizes[request.size] if request.size is not None else None
        return (size.usual_seconds if size else None) or spec.usual_seconds

    def default(self, capability: Capability, chosen: str | None, denied: frozenset[str]) -> ModelSpec:
        """The guild's own default, else the operator's, else the first that the guild allows. Raises NotAllowed."""
        allowed = [spec for spec in self.models(capability) if spec.id not in denied]
        for wanted in (chosen, self._defaults.get(capability)):
            for spec in allowed:
                if spec.id == wanted:
                    return spec
        if not allowed:
            raise NotAllowed(Rule.NO_MODEL, COMMANDS[capability])
        return allowed[0]

    def able(self, asked: Asked, denied: frozenset[str], without: str) -> tuple[str, ...]:
        """Models, at most three, that could do exactly what was asked."""
        return tuple(
            spec.id
            for spec in self.models(asked.capability)
            if spec.id != without and spec.id not in denied and _accepts(spec, asked)
        )[:3]


def _accepts(spec: ModelSpec, asked: Asked) -> bool:
    try:
        candidates(spec, asked)
        plan(spec, replace(asked, prompt="a"), seed=0)
    except InvalidRequest:
        return False
    return True
