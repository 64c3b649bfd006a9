"""What every cog here shares."""

from dataclasses import dataclass

import discord
from discord.app_commands import Choice
from discord.ext import commands

from bot import texts
from bot.client import MatineeClient
from bot.domain.errors import StorageUnavailable
from bot.domain.generation import Capability, ModelSpec
from bot.jobs.catalog import Catalog
from bot.jobs.policy import Policies
from bot.jobs.service import Jobs
from bot.jobs.showing import Showing
from bot.ports import Clock
from cogs import _options
from cogs._place import Interaction

MOST_CHOICES = 25


@dataclass(frozen=True, slots=True)
class Core:
    """What cogs translate into."""

    jobs: Jobs
    catalog: Catalog
    policies: Policies
    clock: Clock
    showing: Showing


class CoreCog(commands.Cog):
    def __init__(self, core: Core) -> None:
        self.core = core

    async def interaction_check(self, interaction: discord.Interaction[MatineeClient], /) -> bool:  # type: ignore[override]
        _options.check(interaction)
        return True


async def denied(core: Core, guild_id: int | None) -> frozenset[str]:
    """The models that a guild has switched off; none while the database is busy: this only serves menus."""
    if guild_id is None:
        return frozenset()
    try:
        return (await core.policies.of(guild_id)).denied
    except StorageUnavailable:
        return frozenset()


def model_choices(specs: list[ModelSpec], typed: str) -> list[Choice[str]]:
    """A model of two kinds is one choice."""
    wanted = str(typed).strip().lower()
    found = {spec.id: spec for spec in specs if wanted in spec.id.lower() and len(spec.id) <= 100}
    return [Choice(name=texts.model_label(spec), value=spec.id) for spec in found.values()][:MOST_CHOICES]


async def allowed_model_choices(
    core: Core, interaction: Interaction, capability: Capability | None, typed: str
) -> list[Choice[str]]:
    off = await denied(core, interaction.guild_id)
    return model_choices([spec for spec in core.catalog.models(capability) if spec.id not in off], typed)
