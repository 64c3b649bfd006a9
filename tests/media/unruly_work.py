"""What a taken-over child could try; run by `Children` in place of a real one."""

import os
import socket
import time
from pathlib import Path

from bot.media import _worker


def work(order):
    return {name: act for name, act in globals().items() if name.startswith("do_")}[f"do_{order['do']}"]()


def do_answer():
    return {"pid": os.getpid(), "environment": sorted(os.environ), "path": str(Path.cwd())}


def do_open_when_sealed():
    _worker.seal()
    tried = {}
    for name, act in (
        ("file", lambda: os.open("/etc/hostname", os.O_RDONLY)),
        ("socket", lambda: socket.socket()),
        ("pipe", os.pipe),
    ):
        try:
            act()
            tried[name] = "opened"
        except OSError as error:
            tried[name] = os.strerror(error.errno)
    return tried


def do_spin():
    while True:
        pass


def do_sleep():
    time.sleep(60)


def do_eat():
    return {"eaten": len(bytearray(4 << 30))}


def do_crash():
    os.abort()


def do_raise():
    raise LookupError


def do_print():
    os.write(1, b'{"forged": true}\n')
    return {"forged": False}


def do_flood():
    return {"x": "y" * 200_000}


def do_list():
    return ["no", "object"]


def do_nest():
    # 3 is where the answers go: the first descriptor that was free.
    os.write(3, b"[" * 60_000 + b"\n")
    time.sleep(60)


def do_linger():
    os._exit = lambda code: time.sleep(60)
    return {"done": True}
