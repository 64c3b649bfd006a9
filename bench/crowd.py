"""Members of many guilds who type commands at a given rate, whatever becomes of the earlier ones."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench.figures import CannotMeasure
from bot.sandbox.discord import PERMS_MEMBER, Channel, Interaction, MemberDriver, Message, SandboxDiscord


@dataclass(frozen=True, slots=True)
class Seat:
    """A member with a channel to herself, so that no channel's own pace is what gets measured."""

    member: MemberDriver
    channel: Channel


def seat(discord: SandboxDiscord, guilds: int, members: int, premium_tier: int = 0) -> list[Seat]:
    """`members` in each of `guilds`; neighbours in the list are of different guilds."""
    seats: list[list[Seat]] = []
    for number in range(guilds):
        guild = discord.world.add_guild(f"Guild {number}", premium_tier=premium_tier)
        row = []
        for place in range(members):
            user = discord.world.add_user(f"member-{number}-{place}")
            guild.add_member(user, permissions=PERMS_MEMBER)
            row.append(Seat(discord.member(user, guild), guild.add_channel(f"films-{place}")))
        seats.append(row)
    return [row[place] for place in range(members) for row in seats]


async def type_at(
    seats: list[Seat], rate: float, seconds: float, options: Mapping[str, object] | None = None
) -> list[Interaction]:
    """`rate` times a second somebody types `/video`; every answer, in the order of the questions."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        typed = []
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            typed.append(group.create_task(ask(seats[number % len(seats)], number, options)))
    return [task.result() for task in typed]


async def ask(seat: Seat, number: int = 0, options: Mapping[str, object] | None = None) -> Interaction:
    return await seat.member.slash(seat.channel, "video", prompt=f"a paper boat, take {number}", **(options or {}))


def job_of(reply: Interaction) -> str:
    """The id in a queue message. Raises CannotMeasure for a refusal, or no answer."""
    message = reply.message
    if message is None or reply.ephemeral or message.content.count("`") < 2:
        raise CannotMeasure(f"not queued: {reply.refusal or (message and message.content)}")
    return message.content.split("`")[1]


def film_of(job: str, channel: Channel) -> Message | None:
    for message in channel.messages.values():
        if message.attachments and job in message.attachments[0].filename:
            return message
    return None
