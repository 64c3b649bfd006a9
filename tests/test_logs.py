"""What the log says, on a terminal and elsewhere."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOSTILE = "\\x1b]0;mine\\x07\\x1b[2J\\r\\nbot.app fine\\u202e"
SPOKEN = f'''
import logging
from bot import logs
logs.set_up(["hush", "hush-hush", ""], verbose=True)
log = logging.getLogger("somebody")
log.warning("they said {HOSTILE}", extra={{"why": "{HOSTILE}", "tokens": "hush-hush hush"}})
try:
    raise ValueError("{HOSTILE} hush-hush")
except ValueError:
    log.exception("an event could not be read")
'''


def test_elsewhere_each_event_is_one_line_of_json_without_a_secret():
    said = subprocess.run([sys.executable, "-c", SPOKEN], cwd=ROOT, capture_output=True, check=True).stderr
    first, second = map(json.loads, said.splitlines())
    assert (first["event"][:9], first["tokens"], second["event"]) == (
        "they said",
        "[secret] [secret]",
        "an event could not be read",
    )
    assert b"hush" not in said
    assert b"\x1b" not in said


def test_on_a_terminal_nobody_elses_words_move_the_cursor():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1"}
    subprocess.run([sys.executable, "-c", SPOKEN], cwd=ROOT, stderr=theirs, check=True, env=environment)
    os.close(theirs)
    said = b""
    while part := _read(ours):
        said += part
    os.close(ours)
    text = said.decode().replace("\r\n", "\n")
    # A traceback has lines of its own.
    told, _, _ = text.partition("Traceback")
    assert "an event could not be read" in text
    assert "hush" not in text
    assert len(told.splitlines()) == 2
    for unwanted in ("\x1b]", "\x1b[2J", "\x07", "\r", "\u202e"):
        assert unwanted not in text


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
