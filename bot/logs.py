"""One line for each event: for people on a terminal, JSON elsewhere. What looks like a secret of ours is cut out."""

import logging
import sys
from collections.abc import Iterable

import structlog
from structlog.typing import EventDict, WrappedLogger


def set_up(secrets: Iterable[str], *, verbose: bool = False) -> None:
    """Route all logging through one handler on standard error. `secrets` never appear, whoever logs them."""
    terminal = sys.stderr.isatty()
    console = [_escape, structlog.dev.ConsoleRenderer()]
    render = console if terminal else [structlog.processors.JSONRenderer(ensure_ascii=True)]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _Redact(secrets),
                *render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    # These write interaction tokens and request bodies at DEBUG.
    for name in ("discord", "aiohttp", "asyncio", "aiosqlite", "PIL"):
        logging.getLogger(name).setLevel(logging.INFO)


class _Redact:
    def __init__(self, secrets: Iterable[str]) -> None:
        # One may begin as another does.
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._clean(value) for key, value in event.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, (int, float, bool, type(None))):
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What others have written moves no cursor and begins no line of its own; JSON escapes it anyhow."""
    return {key: _plain(value, "\n" if key == "exception" else "") for key, value in event.items()}


def _plain(value: object, kept: str) -> object:
    if not isinstance(value, str):
        return value
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode() for each in value
    )
