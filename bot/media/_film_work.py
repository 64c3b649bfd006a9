"""What is done to films, in the child; the order's `task` says which: "check", "remux", "encode" or "fit"."""

from pathlib import Path
from typing import Any

from bot.media import _film_encode
from bot.media._film_check import Unusable, check_film
from bot.media._worker import seal


def work(order: dict[str, Any]) -> dict[str, object]:
    """`task`, `source`; for all but a check `target`; for a fit `limit` in bytes.

    A check answers with the facts, the others with nothing; all with `unusable` (a sentence), or `errno` when the
    disk refused.
    """
    source, target = Path(order["source"]), Path(order.get("target", ""))
    try:
        match order["task"]:
            case "check":
                with source.open("rb") as file:
                    seal()
                    return check_film(file)
            case "remux":
                _film_encode.remux(source, target)
            case "encode":
                _film_encode.encode(source, target)
            case "fit":
                _film_encode.fit(source, target, order["limit"])
            case unknown:
                raise ValueError(unknown)
    except Unusable as error:
        return {"unusable": str(error)}
    except OSError as error:
        return {"errno": error.errno}
    return {}
