"""Members of three guilds who ask, cancel and retry, and whose prompts would ping everybody if they could."""

import asyncio
import contextlib
import random
import re
from dataclasses import dataclass, field

from bot.sandbox.discord import (
    PERMS_MEMBER,
    Channel,
    Interaction,
    MemberDriver,
    Message,
    Refused,
    SandboxDiscord,
    Upload,
)
from tests.support.media import picture

MARK = re.compile(r"take\d{5}")
_GUILDS, _MEMBERS = 3, 3
_SECONDS = 1.2
_PROMPTS = (
    "a paper boat", "@everyone come and see", "<@{other}> and <@&{role}>", "@here ```\n# big", "[free](https://example.org)",
    "</admin pause:1> \u202eback", "a fox, slow pan, 35 mm",
)  # fmt: skip
_ASKED = (
    ("video", "wan22-fast-t2v", 5), ("video", "wan22-fast-t2v-pro", 3), ("video", "wan2.1-14b", 4),
    ("video", "skyreels", 2), ("video", "cogvideox", 2), ("image", "qwen-image", 3), ("animate", "wan22-fast-i2v", 2),
    ("animate", "wan2.1-14b", 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seat:
    member: MemberDriver
    channel: Channel
    guild_id: int


@dataclass(slots=True)
class Ask:
    """`mark` stands in the prompt, and so in the queue message and in what the provider was sent."""

    mark: str
    seat: Seat
    at: float
    reply: Interaction | None = None


@dataclass
class Crowd:
    discord: SandboxDiscord
    dice: random.Random
    seats: list[Seat] = field(default_factory=list)
    asks: dict[str, Ask] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=dict)
    _acts: set[asyncio.Task[None]] = field(default_factory=set)

    def take_seats(self) -> None:
        for number in range(_GUILDS):
            guild = self.discord.world.add_guild(f"Guild {number}")
            self._role = guild.add_role("everybody", mentionable=True)
            for place in range(_MEMBERS):
                user = self.discord.world.add_user(f"member-{number}-{place}")
                guild.add_member(user, permissions=PERMS_MEMBER)
                channel = guild.add_channel(f"films-{place}")
                self.seats.append(Seat(self.discord.member(user, guild), channel, guild.id))

    async def busy(self, jobs: int, presses: int) -> None:
        """Ask and press within about a second; the answers are waited for elsewhere."""
        acts = [self._ask] * jobs + [self._press] * presses
        self.dice.shuffle(acts)
        for act in acts:
            task = asyncio.create_task(act())
            self._acts.add(task)
            task.add_done_callback(self._acts.discard)
            await asyncio.sleep(self.dice.uniform(0, 2 * _SECONDS / len(acts)))

    async def answered(self) -> None:
        await asyncio.gather(*self._acts)

    async def _ask(self) -> None:
        seat = self.dice.choice(self.seats)
        mark = f"take{len(self.asks):05d}"
        ask = self.asks[mark] = Ask(mark, seat, self.discord.world.clock.now())
        ((command, model, _),) = self.dice.choices(_ASKED, weights=[row[2] for row in _ASKED])
        other = self.dice.choice(self.seats).member.user
        words = self.dice.choice(_PROMPTS).format(other=other.id, role=self._role.id)
        options: dict[str, object] = {"prompt": f"{mark} {words}", "model": model}
        if command == "animate":
            options["image"] = Upload("cat.png", picture())
        with contextlib.suppress(Refused):
            ask.reply = await seat.member.slash(seat.channel, command, **options)

    async def _press(self) -> None:
        buttons = sorted(
            (message.id, seat.channel.id, button["label"])
            for seat in self.seats
            for message in seat.member.messages(seat.channel)
            for button in message.buttons
            if not message.ephemeral
        )
        if not buttons:
            return
        found, channel, label = self.dice.choice(buttons[-6:])
        seat = next(each for each in self.seats if each.channel.id == channel)
        message = seat.channel.messages[found]
        with contextlib.suppress(Refused):
            reply = await seat.member.press(message, label)
            await self._press_on(seat, reply.message)

    async def _press_on(self, seat: Seat, answer: Message | None) -> None:
        """What a private answer offers, such as throwing a running job's result away."""
        if answer is not None and answer.ephemeral and answer.buttons:
            await seat.member.press(answer, answer.buttons[0]["label"])
