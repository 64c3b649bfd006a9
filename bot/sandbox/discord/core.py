"""Builds the parts of the sandbox and holds them together."""

from __future__ import annotations

from .buckets import Buckets
from .cdn import Cdn
from .commands import Commands
from .faults import FaultBook
from .gateway import Gateway
from .hub import Hub
from .interactions import Interactions
from .message_wire import MessageWire
from .messages import Messages
from .nonces import Nonces
from .options import SandboxOptions
from .payload import Payloads
from .snowflake import Snowflakes
from .transcript import Transcript
from .world import World


class Core:
    """`complaints` are requests, fields and frames that the documents do not know."""

    def __init__(self, bot_token: str, options: SandboxOptions) -> None:
        self.bot_token = bot_token
        self.options = options
        self.clock = options.clock
        self.hub = Hub()
        self.complaints: list[str] = []
        self.transcript = Transcript()
        self.ids = Snowflakes(self.clock)
        self.world = World(self.hub, self.ids, self.clock, options.bot_username)
        self.cdn = Cdn(self.clock, self.ids, options, self.transcript)
        self.wire = MessageWire(self.cdn)
        self.messages = Messages(self.world, self.cdn, self.hub, self.ids, self.clock)
        self.commands = Commands(self.hub, self.ids, self.clock, self.world.bot.id)
        self.interactions = Interactions(
            self.world, self.messages, self.hub, self.ids, self.clock, options, self.complain
        )
        self.payloads = Payloads(self.world, self.wire, self.interactions, self.clock)
        self.nonces = Nonces(self.hub, self.clock, options)
        self.buckets = Buckets(self.clock)
        self.gateway = Gateway(bot_token, options, self.world, self.wire, self.hub, self.transcript, self.complain)

        self.faults = FaultBook(self.gateway.inflict)

    def complain(self, sentence: str) -> None:
        self.complaints.append(sentence)
