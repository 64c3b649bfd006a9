"""Jobs as rows and back."""

import json
import sqlite3
from collections.abc import Mapping
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

# Compare and set: nothing happens when the row has moved on (R9), or when its queue message has become known since.
_UPDATE = """
UPDATE jobs SET {columns}
WHERE id = :id AND state = :from_state AND epoch = :from_epoch AND ack_message_id IS :from_ack
RETURNING discard
"""


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
        cause=Cause(row["cause"]) if row["cause"] else None,
        held_from=JobState(row["held_from"]) if row["held_from"] else None,
    )


def update(connection: sqlite3.Connection, old: Job, new: Job) -> Job:
    """The job as it is stored now: a member may throw the result away at any time, and that stays. Raises Stale."""
    changed = changes(old, new)
    # Only these: a column that is named costs all its indexes, changed or not.
    columns = ", ".join(f"{name} = :{name}" for name in changed).replace("= :discard", "= coalesce(discard, :discard)")
    compared = {"id": old.id, "from_state": old.state.value, "from_epoch": old.epoch, "from_ack": old.ack_message_id}
    row = connection.execute(_UPDATE.format(columns=columns), changed | compared).fetchone()
    if row is None:
        raise Stale(f"{old.id} is no longer {old.state} at epoch {old.epoch}")
    discard = Cause(row["discard"]) if row["discard"] else None
    return new if new.discard is discard else new._replace(discard=discard)


def changes(old: Job, new: Job) -> dict[str, Any]:
    """The columns in which the two differ, and the epoch."""
    values = zip(Job._fields, old, new, strict=True)
    changed = {name: _encode(now) for name, was, now in values if now is not was and name != "to"}
    changed["epoch"] = new.epoch
    if changed.keys() & {"request", "artifact"}:
        changed |= _derived(new)
    return changed


def _encode(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case GenerationRequest() | RemoteHandle() | Artifact():
            return text_of(value)
    return value


def text_of(value: GenerationRequest | RemoteHandle | Artifact) -> str:
    """As it stands in its job's row."""
    return json.dumps(_flat(value))


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
