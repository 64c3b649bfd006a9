"""The child's side of `_child`: limits first, imports second, then one order in and one answer out.

Protocol, one line each: the child writes READY once its work module is imported; it reads a JSON order; it writes a
JSON answer and ends. Standard library only, and little of it: the start of a child is part of a member's wait.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys

READY = b"ready\n"
OUT_OF_MEMORY = b'{"failed": "memory"}\n'
ORDER_BYTES = 65536

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def main(module: str, limits: str, parent: str) -> None:
    _restrain(json.loads(limits), int(parent))
    answers = os.dup(1)
    # A library that prints must not be taken for an answer.
    os.dup2(2, 1)
    work = importlib.import_module(module).work
    os.write(answers, READY)
    order = sys.stdin.buffer.readline(ORDER_BYTES)
    if order:
        try:
            answer = json.dumps(work(json.loads(order))).encode() + b"\n"
        except MemoryError:
            answer = OUT_OF_MEMORY
        os.write(answers, answer)
    # Nothing is left to tidy, and tearing down half-read decoders has crashed before.
    os._exit(0)


def seal() -> None:
    """From here on this process opens no file and no socket; what is open stays usable."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _restrain(limits: dict[str, int], parent: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # macOS refuses this one; there the deadline has to do.
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    # The parent may have died before the line above took effect.
    if os.getppid() != parent:
        os._exit(0)
    _be_nice(limits["nice"])
    for what, value in (
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_FSIZE, limits["written"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value))


def _be_nice(level: int) -> None:
    os.nice(level)
    try:
        # Linux may weigh sessions against each other; then the niceness within this one's own means nothing.
        group = os.open("/proc/self/autogroup", os.O_WRONLY)
        os.write(group, str(level).encode())
        os.close(group)
    except OSError:
        pass
