"""A guild that was left and lets the bot in again is told once, wherever that was."""

from delivery_kit import Cause, JobState, Scene

from bot.sandbox.discord import Permission
from bot.sandbox.discord.permissions import NONE


async def test_who_was_told_directly_meanwhile_is_not_told_in_the_channel_as_well(scene: Scene):
    job = await scene.job(JobState.CANCELLED, cause=Cause.GUILD_LEFT)
    scene.channel.set_permissions(scene.guild.bot, deny=Permission.VIEW_CHANNEL)
    await scene.delivery.tell(job)
    assert len(scene.direct) == 1
    scene.channel.set_permissions(scene.guild.bot, deny=NONE)
    await scene.restarted().tell(job)
    assert len(scene.direct) == 1
    assert scene.notices(job) == []
    assert "**cancelled**" in scene.queue_message(job).content


async def test_who_was_not_is_told_there_now(scene: Scene):
    job = await scene.job(JobState.CANCELLED, cause=Cause.GUILD_LEFT)
    for _ in range(2):
        await scene.restarted().tell(job)
    assert len(scene.notices(job)) == 1
    assert scene.direct == []
