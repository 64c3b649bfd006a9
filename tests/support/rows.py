"""Jobs and requests with only what a test cares about spelled out."""

import itertools
from dataclasses import replace
from typing import Any

from bot.domain.generation import Capability, GenerationRequest
from bot.domain.job import Artifact, Destination, Job, MediaKind
from bot.domain.limits import GuildLimits
from tests.support.clock import EPOCH

GUILD, OTHER_GUILD, CHANNEL, MEMBER, OTHER_MEMBER, MODERATOR = 11, 12, 21, 31, 32, 39
MODEL = "wan22-fast-t2v"
LIMITS = GuildLimits(
    jobs_per_hour=3600,
    burst=100,
    active_per_guild=50,
    active_per_member=50,
    queued_per_member=100,
    queued_per_guild=200,
)
FILM = Artifact("v-x.mp4", MediaKind.FILM, 1000, "ab" * 32, 832, 480, "h264", 81, 3.4)

_numbers = itertools.count(1)


def request(model: str = MODEL, **changes: Any) -> GenerationRequest:
    return replace(GenerationRequest(Capability.TEXT_TO_VIDEO, model, "a red balloon", seed=7), **changes)


def job(provider: str = "pipelet", *, guild: int = GUILD, member: int = MEMBER, **changes: Any) -> Job:
    number = next(_numbers)
    wanted: dict[str, Any] = {
        "id": f"job{number:07}",
        "interaction_id": 10**17 + number,
        "to": Destination(guild, CHANNEL, member, 20 * 2**20),
        "request": request(),
        "provider": provider,
        "nonce": f"nonce{number}",
        "created_at": EPOCH,
    }
    return Job(**(wanted | changes))


def limits(**changes: Any) -> GuildLimits:
    return replace(LIMITS, **changes)
