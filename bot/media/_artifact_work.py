"""What is done to results, in the child; the order's `task` says which."""

import warnings
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from bot.media import _film_encode
from bot.media._film_check import Unusable, check_film
from bot.media._formats import HEAD_BYTES, sniff
from bot.media._still import KINDS, check_still, fit_still
from bot.media._worker import seal

Image.preinit()
warnings.simplefilter("error", Image.DecompressionBombWarning)


def work(order: dict[str, Any]) -> dict[str, object]:
    """`task`, `source`, and for all but "check" `target`; for a fit `limit`.

    A check answers with the facts, the others with nothing; all with `unusable` (a sentence), or `errno` when the
    disk refused.
    """
    try:
        return _TASKS[order["task"]](order)
    except Unusable as error:
        return {"unusable": str(error)}
    except OSError as error:
        return {"errno": error.errno}


def _check(order: dict[str, Any]) -> dict[str, object]:
    with Path(order["source"]).open("rb") as file:
        seal()
        kind = _kind(file)
        if kind == "film":
            return check_film(file)
        if kind not in KINDS:
            raise Unusable("is no film and no picture")
        return check_still(file, kind)


def _kind(file: BinaryIO) -> str | None:
    kind = sniff(file.read(HEAD_BYTES))
    file.seek(0)
    return kind


def _remux(order: dict[str, Any]) -> dict[str, object]:
    _film_encode.remux(Path(order["source"]), Path(order["target"]))
    return {}


def _encode(order: dict[str, Any]) -> dict[str, object]:
    _film_encode.encode(Path(order["source"]), Path(order["target"]))
    return {}


def _fit(order: dict[str, Any]) -> dict[str, object]:
    with Path(order["source"]).open("rb") as file:
        kind = _kind(file)
        if kind == "film":
            _film_encode.fit(Path(order["source"]), Path(order["target"]), order["limit"])
            return {}
        with Path(order["target"]).open("wb") as out:
            seal()
            out.write(fit_still(file, str(kind), order["limit"]))
    return {}


_TASKS = {"check": _check, "remux": _remux, "encode": _encode, "fit": _fit}
