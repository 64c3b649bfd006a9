"""`/admin`: a guild's own rules. Every call is authorised by the permissions that Discord sends along with it."""

from collections.abc import Sequence

import discord
from discord import app_commands
from discord.app_commands import AppCommandChannel, AppCommandThread, Choice, Range, Transform
from discord.ext import commands

from bot import texts
from bot.client import MatineeClient
from bot.domain.errors import NoSuchModel, NotAllowed, Rule, StorageUnavailable
from bot.domain.job import Job, JobState
from bot.jobs.catalog import COMMANDS
from bot.jobs.service import By
from cogs._cog import CoreCog, allowed_model_choices, denied, model_choices
from cogs._options import BadOption
from cogs._place import Interaction, by
from cogs._private import during, say
from cogs._until import parse_until
from cogs.jobs import after_cancel

_CAPABILITIES = {command: capability for capability, command in COMMANDS.items()}
_COMMANDS = [Choice(name=command, value=command) for command in COMMANDS.values()]
_STATES = [Choice(name=state.value.replace("_", " "), value=state.value) for state in JobState]
_AtLeastOne = Range[int, 1]
_Reason = Range[str, 1, 200]


class _Postable(app_commands.Transformer):
    """Channels of the kinds that films can be posted in, or in threads of."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        kinds = discord.ChannelType
        threads = [kinds.public_thread, kinds.private_thread, kinds.news_thread]
        # No media channels: Discord's OpenAPI description does not take their kind here.
        return [kinds.text, kinds.news, kinds.voice, kinds.stage_voice, kinds.forum, *threads]

    async def transform(
        self, interaction: discord.Interaction[discord.Client], value: AppCommandChannel | AppCommandThread, /
    ) -> AppCommandChannel | AppCommandThread:
        return value


_Channel = Transform[AppCommandChannel | AppCommandThread, _Postable]


def _may_administer(interaction: Interaction) -> bool:
    allowed = interaction.permissions
    return interaction.guild_id is not None and (allowed.manage_guild or allowed.administrator)


@app_commands.default_permissions(manage_guild=True)
class Admin(CoreCog, commands.GroupCog, group_name="admin", group_description="Matinee in this guild, for moderators"):
    limits = app_commands.Group(name="limits", description="This guild's own limits")
    models = app_commands.Group(name="models", description="The models that this guild uses")
    channels = app_commands.Group(name="channels", description="The channels where Matinee may be used")
    held = app_commands.Group(name="held", description="Jobs that wait for a moderator since a backup was restored")

    async def interaction_check(self, interaction: discord.Interaction[MatineeClient], /) -> bool:  # type: ignore[override]
        # Discord's own permission for a command is only a default, which a guild can open to everyone.
        if not _may_administer(interaction):
            raise NotAllowed(Rule.MODERATOR)
        return await super().interaction_check(interaction)

    def _by(self, interaction: Interaction) -> By:
        acting = by(interaction)
        return By(acting.guild_id, acting.member_id, moderator=True)

    @limits.command(name="show", description="This guild's limits, and the operator's above them")
    async def limits_show(self, interaction: Interaction) -> None:
        policies = self.core.policies
        own = await during(interaction, self.core.clock, policies.limits(by(interaction).guild_id))
        await say(interaction, texts.admin.limits(own, policies.operator))

    @limits.command(name="set", description="Set limits of this guild, within the operator's")
    @app_commands.describe(
        jobs_per_hour="How many jobs may start in an hour",
        burst="How many of them may start at once",
        active_per_guild="How many jobs may be made at a time",
        active_per_member="The same, of one member",
        queued_per_member="How many jobs of one member may wait",
        queued_per_guild="How many jobs may wait in all",
        spend_per_day="What jobs may cost in 24 hours, in the operator's currency",
    )
    async def limits_set(
        self,
        interaction: Interaction,
        jobs_per_hour: Range[float, 0.1] | None = None,
        burst: _AtLeastOne | None = None,
        active_per_guild: _AtLeastOne | None = None,
        active_per_member: _AtLeastOne | None = None,
        queued_per_member: _AtLeastOne | None = None,
        queued_per_guild: _AtLeastOne | None = None,
        spend_per_day: Range[float, 0] | None = None,
    ) -> None:
        given = {
            "jobs_per_hour": jobs_per_hour,
            "burst": burst,
            "active_per_guild": active_per_guild,
            "active_per_member": active_per_member,
            "queued_per_member": queued_per_member,
            "queued_per_guild": queued_per_guild,
            "spend_per_day": spend_per_day,
        }
        own = {name: value for name, value in given.items() if value is not None}
        if not own:
            raise BadOption(texts.admin.NOTHING_SET)
        acting, policies = by(interaction), self.core.policies
        now = await during(interaction, self.core.clock, policies.set_limits(acting.guild_id, acting.member_id, own))
        await say(interaction, texts.admin.limits(now, policies.operator))

    @models.command(name="allow", description="Switch a model on again")
    @app_commands.describe(model="A model that is off in this guild")
    async def models_allow(self, interaction: Interaction, model: str) -> None:
        acting, known = by(interaction), self._known(model)
        work = self.core.policies.allow_model(acting.guild_id, acting.member_id, known)
        await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.model_allowed(known))

    @models.command(name="deny", description="Switch a model off in this guild")
    @app_commands.describe(model="A model that is on in this guild")
    async def models_deny(self, interaction: Interaction, model: str) -> None:
        acting, known = by(interaction), self._known(model)
        work = self.core.policies.deny_model(acting.guild_id, acting.member_id, known)
        await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.model_denied(known))

    @models.command(name="default", description="The model that a command uses when none is named")
    @app_commands.describe(command="The command", model="A model of that command")
    @app_commands.choices(command=_COMMANDS)
    async def models_default(self, interaction: Interaction, command: str, model: str) -> None:
        acting, capability = by(interaction), _CAPABILITIES[command]
        spec = self.core.catalog.find(capability, model)
        policy = await during(interaction, self.core.clock, self.core.policies.of(acting.guild_id))
        if spec.id in policy.denied:
            raise NotAllowed(Rule.MODEL_DENIED, spec.id)
        work = self.core.policies.set_default(acting.guild_id, acting.member_id, capability, spec.id)
        await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.default_set(command, spec.id))

    @models_allow.autocomplete("model")
    async def _denied_models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        off = await denied(self.core, interaction.guild_id)
        return model_choices([spec for spec in self.core.catalog.models() if spec.id in off], typed)

    @models_deny.autocomplete("model")
    async def _allowed_models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        return await allowed_model_choices(self.core, interaction, None, typed)

    @models_default.autocomplete("model")
    async def _models_of_command(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        capability = _CAPABILITIES.get(str(interaction.namespace.command))
        return await allowed_model_choices(self.core, interaction, capability, typed)

    def _known(self, model: str) -> str:
        if all(spec.id != model for spec in self.core.catalog.models()):
            raise NoSuchModel(model)
        return model

    @channels.command(name="allow", description="Use Matinee only in this channel, and in others allowed so")
    @app_commands.describe(channel="A channel or thread of this guild")
    async def channels_allow(self, interaction: Interaction, channel: _Channel) -> None:
        acting = by(interaction)
        work = self.core.policies.allow_channel(acting.guild_id, acting.member_id, channel.id)
        policy = await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.channel_allowed(policy.channels))

    @channels.command(name="clear", description="Use Matinee in every channel again")
    async def channels_clear(self, interaction: Interaction) -> None:
        acting = by(interaction)
        work = self.core.policies.clear_channels(acting.guild_id, acting.member_id)
        await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.CHANNELS_CLEARED)

    @app_commands.command(description="Stop a member from asking Matinee for anything")
    @app_commands.describe(
        member="Who", reason="The member reads it", until="2h, 7d, 30m, or a date in UTC such as 2027-01-31T18:00"
    )
    async def block(
        self,
        interaction: Interaction,
        member: discord.Member | discord.User,
        reason: _Reason | None = None,
        until: str | None = None,
    ) -> None:
        acting = by(interaction)
        end = parse_until(until, self.core.clock.now()) if until is not None else None
        work = self.core.policies.block(acting.guild_id, acting.member_id, member.id, reason or "", end)
        await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.blocked(member.id, end))

    @app_commands.command(description="Let a blocked member ask again")
    @app_commands.describe(member="Who")
    async def unblock(self, interaction: Interaction, member: discord.Member | discord.User) -> None:
        acting = by(interaction)
        work = self.core.policies.unblock(acting.guild_id, acting.member_id, member.id)
        was_blocked = await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.unblocked(member.id, was_blocked))

    @app_commands.command(description="Who is blocked in this guild")
    async def blocked(self, interaction: Interaction) -> None:
        policy = await during(interaction, self.core.clock, self.core.policies.of(by(interaction).guild_id))
        await say(interaction, texts.admin.blocks(list(policy.blocks.values()), self.core.clock.now()))

    @app_commands.command(description="This guild's recent jobs")
    @app_commands.describe(member="Only this member's", state="Only those in this state")
    @app_commands.choices(state=_STATES)
    async def jobs(
        self,
        interaction: Interaction,
        member: discord.Member | discord.User | None = None,
        state: str | None = None,
    ) -> None:
        wanted = JobState(state) if state is not None else None
        work = self.core.jobs.recent(self._by(interaction), member.id if member is not None else None, wanted)
        await say(interaction, texts.admin.recent(await during(interaction, self.core.clock, work)))

    @app_commands.command(description="Cancel a job of this guild")
    @app_commands.describe(job="The job's id, as its queue message shows it")
    async def cancel(self, interaction: Interaction, job: str) -> None:
        work = self.core.jobs.cancel(job.strip().lower(), self._by(interaction))
        await say(interaction, after_cancel(await during(interaction, self.core.clock, work)))

    @cancel.autocomplete("job")
    async def _every_job(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        # Completion runs no checks of its own, and these are other members' prompts.
        if not _may_administer(interaction):
            return []
        jobs = self.core.jobs.completions(self._by(interaction), str(typed), whole_guild=True)
        return [Choice(name=texts.job_label(job), value=job.id) for job in jobs]

    @held.command(name="list", description="Jobs that wait for a moderator since a backup was restored")
    async def held_list(self, interaction: Interaction) -> None:
        jobs = await during(interaction, self.core.clock, self.core.jobs.held(self._by(interaction)))
        await say(interaction, texts.admin.held(jobs))

    @held.command(name="release", description="Let held jobs go on from where they were; it may cost again")
    @app_commands.describe(job="Only this one")
    async def held_release(self, interaction: Interaction, job: str | None = None) -> None:
        await say(interaction, texts.admin.released(await self._release(interaction, job, drop=False)))

    @held.command(name="drop", description="Cancel held jobs")
    @app_commands.describe(job="Only this one")
    async def held_drop(self, interaction: Interaction, job: str | None = None) -> None:
        await say(interaction, texts.admin.dropped(await self._release(interaction, job, drop=True)))

    async def _release(self, interaction: Interaction, job: str | None, *, drop: bool) -> Sequence[Job]:
        named = job.strip().lower() if job is not None else None
        work = self.core.jobs.release(self._by(interaction), named, drop=drop)
        return await during(interaction, self.core.clock, work)

    @held_release.autocomplete("job")
    @held_drop.autocomplete("job")
    async def _held_jobs(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        if not _may_administer(interaction):
            return []
        try:
            jobs = await self.core.jobs.held(self._by(interaction))
        except StorageUnavailable:
            return []
        return [Choice(name=texts.job_label(job), value=job.id) for job in jobs if str(typed).lower() in job.id]

    @app_commands.command(description="Take and start no requests in this guild for now")
    @app_commands.describe(reason="Members read it")
    async def pause(self, interaction: Interaction, reason: _Reason | None = None) -> None:
        acting = by(interaction)
        work = self.core.policies.pause(acting.guild_id, acting.member_id, reason or "")
        await during(interaction, self.core.clock, work)
        await say(interaction, texts.admin.paused(reason or ""))

    @app_commands.command(description="Take requests in this guild again")
    async def resume(self, interaction: Interaction) -> None:
        acting = by(interaction)
        await during(interaction, self.core.clock, self.core.policies.resume(acting.guild_id, acting.member_id))
        await say(interaction, texts.admin.RESUMED)
