"""`/queue`, `/cancel`, `/models`, and the buttons below our messages."""

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands

from bot import texts
from bot.domain.errors import NotAllowed, Rule
from bot.domain.job import Job, JobState
from bot.domain.messages import Button, Message, Verb
from cogs._acknowledge import acknowledge
from cogs._cog import CoreCog, denied
from cogs._errors import answer_error
from cogs._place import Interaction, by, here
from cogs._private import during, in_time, is_dead, say


def after_cancel(job: Job) -> Message:
    """What is left to say, by what became of the job."""
    if job.state in (JobState.CANCELLED, JobState.RECEIVED):
        return Message(texts.cancelled(job))
    if job.state.active:
        return texts.still_running(job)
    return Message(texts.refusal(NotAllowed(Rule.TOO_LATE, job.id)))


class JobsCog(CoreCog, name="Jobs"):
    @app_commands.command(description="This guild's queue and your own jobs")
    async def queue(self, interaction: Interaction) -> None:
        waiting, mine = await during(interaction, self.core.clock, self.core.jobs.overview(by(interaction)))
        await say(interaction, *texts.queue_list(waiting, mine))

    @app_commands.command(description="Cancel one of your jobs")
    @app_commands.describe(job="The job's id, as its queue message shows it")
    async def cancel(self, interaction: Interaction, job: str) -> None:
        await self._cancel(interaction, job.strip().lower())

    @cancel.autocomplete("job")
    async def _own_jobs(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        jobs = self.core.jobs.completions(by(interaction), str(typed))
        return [Choice(name=texts.job_label(job), value=job.id) for job in jobs]

    @app_commands.command(description="The models on offer: what each takes, its limits, its usual time")
    async def models(self, interaction: Interaction) -> None:
        off = await denied(self.core, interaction.guild_id)
        specs = [spec for spec in self.core.catalog.models() if spec.id not in off]
        offers = await during(interaction, self.core.clock, self.core.jobs.offers(specs))
        await say(interaction, *texts.models_list(offers))

    @commands.Cog.listener("on_interaction")
    async def on_press(self, interaction: Interaction) -> None:
        if interaction.type not in (discord.InteractionType.component, discord.InteractionType.modal_submit):
            return
        try:
            await self._press(interaction)
        except Exception as error:  # noqa: BLE001  # the root of this interaction's task; it logs what it does not know
            await answer_error(interaction, error)

    async def _press(self, interaction: Interaction) -> None:
        button = Button.parse(interaction.custom_id or "")
        if button is None or interaction.type is not discord.InteractionType.component:
            raise NotAllowed(Rule.STALE_BUTTON)
        job = await during(interaction, self.core.clock, self.core.jobs.find(button.job_id, by(interaction)))
        if not _belongs(button, interaction, job):
            raise NotAllowed(Rule.STALE_BUTTON)
        match button.verb:
            case Verb.CANCEL:
                await self._cancel(interaction, job.id)
            case Verb.DISCARD:
                await self._discard(interaction, job.id)
            case Verb.RETRY:
                await self._retry(interaction, job.id)

    async def _cancel(self, interaction: Interaction, job_id: str) -> None:
        job = await during(interaction, self.core.clock, self.core.jobs.cancel(job_id, by(interaction)))
        await say(interaction, after_cancel(job))

    async def _discard(self, interaction: Interaction, job_id: str) -> None:
        job = await during(interaction, self.core.clock, self.core.jobs.throw_away(job_id, by(interaction)))
        await say(interaction, after_cancel(job) if job.state is JobState.CANCELLED else texts.thrown_away(job))

    async def _retry(self, interaction: Interaction, job_id: str) -> None:
        core, place = self.core, here(interaction)
        if not await in_time(interaction, core.clock):
            return
        drafting = core.jobs.draft_retry(job_id, by(interaction), place.to.file_limit, place.parent_id)
        draft = await during(interaction, core.clock, drafting)
        if is_dead(interaction):
            return
        job = await core.jobs.accept(draft, interaction.id, retry_of=job_id)
        if job is not None:
            await acknowledge(interaction, core.jobs, job, core.clock)


def _belongs(button: Button, interaction: Interaction, job: Job) -> bool:
    """Whether the pressed message is one of ours about this very job, in its channel or a private answer."""
    message, own = interaction.message, interaction.client.user
    if message is None or own is None or message.author.id != own.id:
        return False
    names_it = f"`{job.id}`" in message.content
    if button.verb is Verb.DISCARD:
        return message.flags.ephemeral and names_it
    if interaction.channel_id != job.to.channel_id:
        return False
    if button.verb is Verb.CANCEL:
        return message.id == job.ack_message_id if job.ack_message_id is not None else names_it
    return message.id == job.ack_message_id or names_it
