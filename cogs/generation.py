"""`/video`, `/animate` and `/image`."""

from collections.abc import Sequence
from typing import TypeVar

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from bot.domain.generation import Asked, Aspect, Capability, Quality
from bot.jobs.service import Upload
from cogs._acknowledge import acknowledge
from cogs._cog import CoreCog, allowed_model_choices
from cogs._place import Interaction, here
from cogs._private import during, in_time, is_dead

F = TypeVar("F")
Text = Range[str, 1, 2000]

# Providers want words with a picture; these ask for no more than the member did.
_MOTION = "Bring this picture to life with natural, gentle motion."
_OPTIONS = {
    "prompt": "What you want to see, 1 to 2000 characters",
    "image": "The first frame: JPEG, PNG, WebP, GIF, HEIC or AVIF",
    "last_image": "The last frame, for models that can end on one",
    "model": "The AI model; /models says what each one takes",
    "aspect": "The shape of the picture",
    "quality": "How many pixels",
    "duration": "Length in seconds",
    "fps": "Frames per second",
    "steps": "More steps take longer and show more detail",
    "guidance": "How strictly to follow the prompt",
    "seed": "The same seed and request give the same result",
    "negative_prompt": "What you do not want to see",
    "spoiler": "Hide the result until it is clicked",
}
_ASPECTS = [Choice(name=aspect.value, value=aspect.value) for aspect in Aspect]
_QUALITIES = [Choice(name=quality.value, value=quality.value) for quality in Quality]


def _option(value: str | None, kind: type[F]) -> F | None:
    return None if value is None else kind(value)  # type: ignore[call-arg]


class Generation(CoreCog):
    @app_commands.command(description="Make a film from words")
    @app_commands.describe(**{name: words for name, words in _OPTIONS.items() if "image" not in name})
    @app_commands.choices(aspect=_ASPECTS, quality=_QUALITIES)
    async def video(
        self,
        interaction: Interaction,
        prompt: Text,
        model: str | None = None,
        aspect: str | None = None,
        quality: str | None = None,
        duration: float | None = None,
        fps: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        negative_prompt: Text | None = None,
        spoiler: bool = False,
    ) -> None:
        asked = Asked(
            Capability.TEXT_TO_VIDEO,
            prompt,
            model=model,
            aspect=_option(aspect, Aspect),
            quality=_option(quality, Quality),
            duration=duration,
            fps=fps,
            steps=steps,
            guidance=guidance,
            seed=seed,
            negative_prompt=negative_prompt,
            spoiler=spoiler,
        )
        await self._generate(interaction, asked)

    @app_commands.command(description="Make a film from a picture")
    @app_commands.describe(**_OPTIONS)
    @app_commands.choices(aspect=_ASPECTS, quality=_QUALITIES)
    async def animate(
        self,
        interaction: Interaction,
        image: discord.Attachment,
        prompt: Text | None = None,
        last_image: discord.Attachment | None = None,
        model: str | None = None,
        aspect: str | None = None,
        quality: str | None = None,
        duration: float | None = None,
        fps: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        negative_prompt: Text | None = None,
        spoiler: bool = False,
    ) -> None:
        asked = Asked(
            Capability.IMAGE_TO_VIDEO,
            _MOTION if prompt is None else prompt,
            model=model,
            aspect=_option(aspect, Aspect),
            quality=_option(quality, Quality),
            duration=duration,
            fps=fps,
            steps=steps,
            guidance=guidance,
            seed=seed,
            negative_prompt=negative_prompt,
            spoiler=spoiler,
            last_image=last_image is not None,
        )
        pictures = {"image": image, "last_image": last_image}
        uploads = [Upload(name, file.url, file.size) for name, file in pictures.items() if file is not None]
        await self._generate(interaction, asked, uploads)

    @app_commands.command(description="Make a picture from words")
    @app_commands.describe(
        **{name: _OPTIONS[name] for name in ("prompt", "model", "aspect", "steps", "guidance", "seed")},
        negative_prompt=_OPTIONS["negative_prompt"],
        spoiler=_OPTIONS["spoiler"],
    )
    @app_commands.choices(aspect=_ASPECTS)
    async def image(
        self,
        interaction: Interaction,
        prompt: Text,
        model: str | None = None,
        aspect: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        negative_prompt: Text | None = None,
        spoiler: bool = False,
    ) -> None:
        asked = Asked(
            Capability.TEXT_TO_IMAGE,
            prompt,
            model=model,
            aspect=_option(aspect, Aspect),
            steps=steps,
            guidance=guidance,
            seed=seed,
            negative_prompt=negative_prompt,
            spoiler=spoiler,
        )
        await self._generate(interaction, asked)

    @video.autocomplete("model")
    async def _video_models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        return await allowed_model_choices(self.core, interaction, Capability.TEXT_TO_VIDEO, typed)

    @animate.autocomplete("model")
    async def _animate_models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        return await allowed_model_choices(self.core, interaction, Capability.IMAGE_TO_VIDEO, typed)

    @image.autocomplete("model")
    async def _image_models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        return await allowed_model_choices(self.core, interaction, Capability.TEXT_TO_IMAGE, typed)

    async def _generate(self, interaction: Interaction, asked: Asked, uploads: Sequence[Upload] = ()) -> None:
        core, place = self.core, here(interaction)
        if not await in_time(interaction, core.clock):
            return
        drafting = core.jobs.draft(asked, place.to, uploads, place.parent_id)
        draft = await during(interaction, core.clock, drafting)
        if is_dead(interaction):
            core.jobs.discard(draft)
            return
        job = await core.jobs.accept(draft, interaction.id)
        if job is not None:
            await acknowledge(interaction, core.jobs, job, core.clock)
