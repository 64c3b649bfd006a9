"""The providers and models that the configuration means, and whether there are such."""

from collections.abc import Collection, Sequence

from bot.config import ConfigurationError, Settings
from bot.domain.generation import Capability
from bot.domain.stand_in import FallBack, GoesRound, in_order
from bot.jobs.catalog import COMMANDS
from bot.providers.chutes import DOCUMENTED_HOSTS, ChutesProvider
from bot.providers.chutes import MODELS as CHUTES_MODELS
from bot.providers.cogvideox import CogVideoXProvider
from bot.providers.pipelet import MODELS as PIPELET_MODELS
from bot.providers.pipelet import PipeletProvider

AnyProvider = ChutesProvider | CogVideoXProvider | PipeletProvider


def build_providers(settings: Settings) -> list[AnyProvider]:
    """Raises ConfigurationError for a token, an address or a model id that cannot be one."""
    configured = settings.providers
    built: list[AnyProvider] = []
    section = ""
    try:
        if chutes := configured.chutes:
            section = "chutes"
            urls = {**DOCUMENTED_HOSTS, **chutes.base_urls}
            built.append(
                ChutesProvider(chutes.token.get_secret_value(), concurrency=chutes.concurrency, base_urls=urls)
            )
        if cogvideox := configured.cogvideox:
            section = "cogvideox"
            built.append(
                CogVideoXProvider(
                    cogvideox.token.get_secret_value(), base_url=cogvideox.base_url, concurrency=cogvideox.concurrency
                )
            )
        if pipelet := configured.pipelet:
            section = "pipelet"
            built.append(
                PipeletProvider(
                    pipelet.token.get_secret_value(), base_url=pipelet.base_url, concurrency=pipelet.concurrency
                )
            )
    except ValueError as error:
        raise ConfigurationError(f"configuration: providers.{section}: {error}; fix: correct that section") from None
    return built


def check_models(settings: Settings, providers: Sequence[AnyProvider]) -> None:
    """A model that no document knows is a typing error. Raises ConfigurationError."""
    known = {(spec.capability, spec.id) for spec in (*CHUTES_MODELS, *PIPELET_MODELS)}
    known |= {(spec.capability, spec.id) for provider in providers for spec in provider.models()}
    for capability, model in defaults_of(settings).items():
        key = COMMANDS[capability]
        fitting = {name for kind, name in known if kind is capability}
        _check_model(f"defaults.{key}", model, f"model for /{key}", fitting)
    for model, section in settings.models.items():
        _check_model(f"models.{model}", model, "model", {name for _, name in known})
        kinds = {kind for kind, name in known if name == model}
        fitting = {name for kind, name in known if kind in kinds} - {model}
        for other in section.fall_back:
            _check_model(f"models.{model}.fall_back", other, f"stand-in for {model}", fitting)
        try:
            in_order(stand_ins_of(settings), model)
        except GoesRound as way:
            raise ConfigurationError(
                f"configuration: models.{model}.fall_back: goes round, from {way}; fix: leave one of them out"
            ) from None


def _check_model(key: str, model: str, what: str, fitting: Collection[str]) -> None:
    if model not in fitting:
        raise ConfigurationError(
            f"configuration: {key}: {model!r} is no {what}; fix: one of {', '.join(sorted(fitting))}"
        )


def stand_ins_of(settings: Settings) -> FallBack:
    return {model: section.fall_back for model, section in settings.models.items()}


def prices_of(settings: Settings) -> dict[str, float]:
    return {model: section.price for model, section in settings.models.items()}


def defaults_of(settings: Settings) -> dict[Capability, str]:
    return {
        Capability.TEXT_TO_VIDEO: settings.defaults.video,
        Capability.IMAGE_TO_VIDEO: settings.defaults.animate,
        Capability.TEXT_TO_IMAGE: settings.defaults.image,
    }
