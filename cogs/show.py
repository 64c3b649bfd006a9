"""`/show`: how a job stands; and a film that could not be posted, delivered into the answer."""

from pathlib import Path

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot import texts
from bot.domain.errors import DeliveryError, DeliveryRevoked, NotAllowed, StorageUnavailable
from bot.domain.job import Artifact, Job, JobState
from bot.domain.messages import Message
from bot.ui import sendable
from cogs._cog import CoreCog
from cogs._place import Interaction, by, here
from cogs._private import defer, during, is_dead, is_deferred, say


class Show(CoreCog):
    @app_commands.command(description="How a job stands; delivers a result that could not be posted")
    @app_commands.describe(job="The job's id, as its queue message shows it")
    async def show(self, interaction: Interaction, job: str) -> None:
        core = self.core
        found = await during(interaction, core.clock, core.jobs.find(job.strip().lower(), by(interaction)))
        kept = found.artifact if found.state is JobState.UNDELIVERABLE else None
        if kept is not None and not core.showing.keeps(kept):
            await say(interaction, texts.not_shown(found, gone=True))
            return
        if kept is not None:
            with core.showing.once(found):
                await self._deliver(interaction, found, kept)
            return
        waiting = found.state is JobState.QUEUED
        place = await during(interaction, core.clock, core.jobs.place(found)) if waiting else None
        await say(interaction, texts.report(found, place))

    @show.autocomplete("job")
    async def _own_jobs(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        try:
            jobs = await self.core.showing.own(by(interaction), str(typed))
        except StorageUnavailable:
            return []
        return [Choice(name=texts.job_label(job), value=job.id) for job in jobs]

    async def _may_be_seen(self, interaction: Interaction) -> bool:
        """By everybody: where the film that this member asks for could be posted now, as far as moderators let it."""
        try:
            place = here(interaction)
            to = place.to
            await self.core.policies.check_member(to.guild_id, to.channel_id, place.parent_id, to.member_id)
        except NotAllowed:
            return False
        return True

    async def _deliver(self, interaction: Interaction, job: Job, artifact: Artifact) -> None:
        # An answer that had to be deferred in private cannot become public any more.
        public = not is_deferred(interaction) and await self._may_be_seen(interaction)
        await defer(interaction, self.core.clock, private=not public)
        if is_dead(interaction):
            return

        async def give(film: Path, name: str, words: Message) -> int:
            file = discord.File(film, filename=name)
            return (await interaction.edit_original_response(attachments=[file], **sendable(words))).id

        seen_in = interaction.channel_id if public else None
        try:
            await self.core.showing.hand_over(job, artifact, interaction.filesize_limit, give, seen_in)
        except (DeliveryError, DeliveryRevoked, OSError) as error:
            await say(interaction, texts.not_shown(job, gone=isinstance(error, FileNotFoundError)))
