"""The shipped command with a wall clock that jumps: `python -m tests.proof.chaos.shifted AFTER BY run ...`.

`time.time` moves by BY seconds, AFTER seconds from now; the monotonic clock, like the machine's own, never does.
"""

import sys
import time
from collections.abc import Callable


def jumping(after: float, by: float) -> Callable[[], float]:
    real, monotonic = time.time, time.monotonic
    moment = monotonic() + after

    def now() -> float:
        return real() + (by if monotonic() >= moment else 0.0)

    return now


if __name__ == "__main__":
    time.time = jumping(float(sys.argv[1]), float(sys.argv[2]))
    del sys.argv[1:3]
    from bot.__main__ import main

    main()
