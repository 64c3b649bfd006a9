"""Jobs as rows and back."""

import functools
import json
import sqlite3
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from bot.domain.errors import Stale
from bot.domain.generation import Capability, GenerationRequest
from bot.domain.job import Artifact, Cause, Destination, Job, JobState, MediaKind, RemoteHandle

_PLAIN = (
    "id", "interaction_id", "provider", "nonce", "created_at", "epoch", "ack_message_id", "queued_at", "not_before",
    "tries", "first_try_at", "attempt_id", "started_at", "made_at", "result_message_id", "detail", "ended_at",
    "retry_of", "charged", "asked_model",
)  # fmt: skip

_COMPARED = ("id", "state", "epoch", "ack_message_id", "discard")


def to_row(job: Job) -> dict[str, Any]:
    columns = {name: _encode(value) for name, value in job._asdict().items() if name != "to"}
    return columns | _flat(job.to) | _derived(job)


def to_job(row: sqlite3.Row | Mapping[str, Any]) -> Job:
    return Job(
        **{name: row[name] for name in _PLAIN},
        to=Destination(row["guild_id"], row["channel_id"], row["member_id"], row["file_limit"]),
        request=_request(row["request"]),
        state=JobState(row["state"]),
        remote=RemoteHandle(**json.loads(row["remote"])) if row["remote"] else None,
        artifact=_artifact(row["artifact"]) if row["artifact"] else None,
        discard=Cause(row["discard"]) if row["discard"] else None,
        told=bool(row["told"]),
        repeated=bool(row["repeated"]),
        direct=bool(row["direct"]),
        findable=None if row["findable"] is None else bool(row["findable"]),
        cause=Cause(row["cause"]) if row["cause"] else None,
        held_from=JobState(row["held_from"]) if row["held_from"] else None,
    )


def update(connection: sqlite3.Connection, old: Job, new: Job) -> Job:
    """The job as it is stored now: a member may throw the result away at any time, and that stays. Raises Stale."""
    if not _compare_and_set(connection, old, new):
        row = connection.execute("SELECT discard FROM jobs WHERE id = ?", [old.id]).fetchone()
        discard = Cause(row["discard"]) if row and row["discard"] else None
        old, new = old._replace(discard=discard), new._replace(discard=discard)
        if discard is None or not _compare_and_set(connection, old, new):
            raise Stale(f"{old.id} is no longer {old.state} at epoch {old.epoch}")
    return new


def _compare_and_set(connection: sqlite3.Connection, old: Job, new: Job) -> bool:
    """False when the row has moved on (R9), or its queue message or a wish to throw it away has become known since."""
    changed = changes(old, new)
    compared = {f"old_{name}": _encode(getattr(old, name)) for name in _COMPARED}
    return connection.execute(_statement(*changed), changed | compared).rowcount == 1


@functools.cache
def _statement(*changed: str) -> str:
    # Only these: a column that is named costs all its indexes, changed or not.
    columns = ", ".join(f"{name} = :{name}" for name in changed)
    return f"UPDATE jobs SET {columns} WHERE {' AND '.join(f'{name} IS :old_{name}' for name in _COMPARED)}"  # noqa: S608  # names of columns


def changes(old: Job, new: Job) -> dict[str, Any]:
    """The columns in which the two differ, and the epoch."""
    values = zip(Job._fields, old, new, strict=True)
    changed = {name: _encode(now) for name, was, now in values if now is not was and name != "to"}
    changed["epoch"] = new.epoch
    if changed.keys() & {"request", "artifact"}:
        changed |= _derived(new)
    return changed


def _encode(value: Any) -> Any:  # noqa: ANN401  # a field of Job, a column
    encode = _ENCODED.get(type(value))
    return value if encode is None else encode(value)


def _text(value: GenerationRequest | RemoteHandle | Artifact) -> str:
    """As it stands in its job's row."""
    return json.dumps(_flat(value))


def _word(value: Enum) -> Any:  # noqa: ANN401  # its value
    return value.value


_ENCODED: Mapping[type, Callable[[Any], Any]] = {
    JobState: _word, Cause: _word, GenerationRequest: _text, RemoteHandle: _text, Artifact: _text,
}  # fmt: skip


def _flat(value: Any) -> dict[str, Any]:  # noqa: ANN401  # a dataclass of plain values
    return {name: getattr(value, name) for name in value.__slots__}


def _derived(job: Job) -> dict[str, Any]:
    return {"model": job.request.model, "has_files": bool(job.request.images) or job.artifact is not None}


def _request(text: str) -> GenerationRequest:
    stored = json.loads(text)
    stored |= {"capability": Capability(stored["capability"]), "images": tuple(stored["images"])}
    return GenerationRequest(**stored)


def _artifact(text: str) -> Artifact:
    stored = json.loads(text)
    return Artifact(**(stored | {"kind": MediaKind(stored["kind"])}))
