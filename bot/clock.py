"""Time and randomness as they are."""

import asyncio
import random
import secrets
import time

_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 10
# So many more than ten letters need that each of them is as likely as the others.
_ID_BITS = 80
_SEEDS = 2**31


# Boot time goes on while the machine is suspended. Where there is none of that name, the monotonic clock does so.
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """ports.Clock of this machine. A sleep that a suspension falls into ends late by as much, never early."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.clock_gettime(_BOOT)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class RandomIdentity:
    """Job ids that cannot be guessed and are hard to misread; nonces that Discord takes (at most 25 characters)."""

    def job_id(self) -> str:
        number, letters = secrets.randbits(_ID_BITS), ""
        while len(letters) < _ID_LENGTH:
            number, letter = divmod(number, len(_ID_ALPHABET))
            letters += _ID_ALPHABET[letter]
        return letters

    def nonce(self) -> str:
        return str(random.getrandbits(64))  # a name, not a secret

    def seed(self) -> int:
        return random.randrange(_SEEDS)  # noqa: S311  # a member may choose it
