"""What a test or a demo may set; every value can be changed while the sandbox runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.sandbox.clock import Clock, SystemClock

from .buckets import DEFAULT_LIMITS, Limit

MIB = 1024 * 1024
_LIMIT_BY_TIER = {0: 20 * MIB, 1: 20 * MIB, 2: 50 * MIB, 3: 100 * MIB}


@dataclass
class SandboxOptions:
    """Times are seconds, sizes are bytes.

    `file_limit` replaces the limit that a guild's boost tier gives. `request_limit` is the whole
    body of one upload; a higher file limit raises it. `privileged_intents` are the ones switched on
    in the application's settings. `identify_every` is the pause that Discord wants between two
    identifies of one shard bucket; 0 leaves it out, so that a bot may be restarted at once.
    """

    clock: Clock = field(default_factory=SystemClock)
    file_limit: int | None = None
    request_limit: int = 25 * MIB
    deadline: float = 3.0
    token_lifetime: float = 900.0
    link_lifetime: float = 86_400.0
    nonce_window: float = 300.0
    heartbeat_interval: float = 41.25
    resume_window: float = 120.0
    identify_every: float = 0.0
    identifies_per_day: int = 1000
    max_concurrency: int = 1
    shards: int = 1
    privileged_intents: int = 0
    rate_limits: bool = True
    global_limit: int = 50
    limits: dict[str, Limit] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    application_name: str = "Matinee"
    bot_username: str = "matinee"

    def limit_for(self, premium_tier: int) -> int:
        """Bytes of one attachment."""
        return self.file_limit if self.file_limit is not None else _LIMIT_BY_TIER[premium_tier]
