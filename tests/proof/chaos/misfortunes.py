"""What can go wrong outside the process, a row each: `where: what`."""

from collections.abc import Mapping
from typing import Any

from bot.sandbox.discord import Fault
from bot.sandbox.providers import ProviderFault

_SOON = {"Retry-After": "1"}
_PROVIDER_KINDS: Mapping[str, Mapping[str, Any]] = {
    **{str(status): {"status": status} for status in (400, 401, 402, 403, 404, 500, 502, 504)},
    "429": {"status": 429, "headers": _SOON, "times": 2},
    "503": {"status": 503, "headers": _SOON},
    "500 and billed": {"status": 500, "billed": True},
    "request lost": {"drop": "before_read"},
    "answer lost": {"drop": "after_read"},
    "cut": {"drop": "mid_body"},
    "truncated": {"truncate_at": 0.8},
    "garbage": {"garbage": b"no film, and no JSON either"},
    "no HTTP": {"raw": b"\x16\x03\x01 this is not a status line\r\n\r\n"},
    "slow": {"delay": 1.5},
    "unknown word": {"status_word": "DREAMING"},
    "failed": {"status_word": "FAILED", "reason": "no frames left"},
}
_OF_FILMS = [
    "400", "429", "500", "502", "503", "504", "cut", "truncated", "garbage", "slow", "request lost", "answer lost",
    "no HTTP", "500 and billed",
]  # fmt: skip
_OF_QUESTIONS = ["429", "500", "502", "503", "504", "request lost", "answer lost", "garbage", "slow"]
# Rows that close a provider for a while.
_CLOSING = ["401", "402", "403", "404"]
_MET: Mapping[tuple[str, str], list[str]] = {
    ("chutes", "generate"): _OF_FILMS + _CLOSING,
    ("cogvideox", "generate"): _OF_FILMS,
    ("cogvideox", "health"): ["500"],
    ("pipelet", "create"): ["400", "429", "500", "502", "503", "504", "request lost", "answer lost", "garbage", "slow",
                            "500 and billed", *_CLOSING],
    ("pipelet", "status"): [*_OF_QUESTIONS, "unknown word", "failed", "401"],
    ("pipelet", "result"): [*_OF_QUESTIONS, "cut", "truncated"],
    ("pipelet", "cancel"): ["500", "answer lost"],
}  # fmt: skip

PROVIDERS: Mapping[str, Mapping[str, Any]] = {
    f"{provider} {step}: {kind}": {"provider": provider, "step": step, **_PROVIDER_KINDS[kind]}
    for (provider, step), kinds in _MET.items()
    for kind in kinds
}
CLOSING = frozenset(row for row in PROVIDERS if row.rpartition(": ")[2] in _CLOSING)

_ACKNOWLEDGEMENT, _EDIT = "POST /interactions/*/*/callback", "PATCH /channels/*/messages/*"
_MESSAGE, _SEARCH, _ORIGINAL = "POST /channels/*/messages", "GET /channels/*/messages", "GET /webhooks/*/*/messages/*"
_DISCORD: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "acknowledgement: answer lost": (_ACKNOWLEDGEMENT, {"drop": "after"}),
    "acknowledgement: request lost": (_ACKNOWLEDGEMENT, {"drop": "before"}),
    "acknowledgement: 502 after it": (_ACKNOWLEDGEMENT, {"effect_then_status": 502}),
    "acknowledgement: too late": (_ACKNOWLEDGEMENT, {"status": 404, "code": 10062}),
    "acknowledgement: slow": (_ACKNOWLEDGEMENT, {"answer_after": 1.2}),
    "message: answer lost": (_MESSAGE, {"drop": "after", "times": 2}),
    "message: request lost": (_MESSAGE, {"drop": "before"}),
    "message: 502 after it": (_MESSAGE, {"effect_then_status": 502, "times": 3}),
    "message: 500": (_MESSAGE, {"status": 500, "times": 2}),
    "message: 429 storm": (_MESSAGE, {"retry_after": 0.4, "times": 6}),
    "message: 429 for all": (_MESSAGE, {"retry_after": 0.8, "scope": "global"}),
    "message: slow": (_MESSAGE, {"answer_after": 1.2}),
    "message: filtered": (_MESSAGE, {"status": 400, "code": 200000, "times": 2}),
    "message: no permission": (_MESSAGE, {"status": 403, "code": 50013}),
    "edit: 429 storm": (_EDIT, {"retry_after": 0.4, "times": 6}),
    "edit: answer lost": (_EDIT, {"drop": "after"}),
    "edit: 500": (_EDIT, {"status": 500}),
    "search: 500": (_SEARCH, {"status": 500}),
    "search: request lost": (_SEARCH, {"drop": "before"}),
    "look at the answer: 404": (_ORIGINAL, {"status": 404, "code": 10008}),
}
DISCORD = tuple(_DISCORD)
GATEWAY: Mapping[str, str] = {
    f"gateway: {kind.replace('_', ' ')}": kind for kind in ("drop", "reconnect", "invalid", "invalid_resumable")
}


def at_provider(row: str) -> ProviderFault:
    return ProviderFault(**PROVIDERS[row])


def at_discord(row: str) -> Fault:
    if row in GATEWAY:
        return Fault(gateway=GATEWAY[row])  # type: ignore[arg-type]
    where, kind = _DISCORD[row]
    return Fault(where, **kind)
