"""Jobs as rows and back."""

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from bot.domain.errors import Stale
from bot.domain.generation import Capability, GenerationRequest
from bot.domain.job import Artifact, Cause, Destination, Job, JobState, MediaKind, RemoteHandle

_PLAIN = (
    "id", "interaction_id", "provider", "nonce", "created_at", "epoch", "ack_message_id", "queued_at", "not_before",
    "tries", "first_try_at", "attempt_id", "started_at", "made_at", "result_message_id", "detail", "ended_at",
    "retry_of", "charged", "asked_model",
)  # fmt: skip


def to_row(job: Job) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(job, name) for name in _PLAIN}
    row |= asdict(job.to)
    row |= {
        "model": job.request.model,
        "request": json.dumps(asdict(job.request)),
        "state": job.state.value,
        "remote": json.dumps(asdict(job.remote)) if job.remote else None,
        "artifact": json.dumps(asdict(job.artifact)) if job.artifact else None,
        "discard": job.discard.value if job.discard else None,
        "told": int(job.told),
        "repeated": int(job.repeated),
        "direct": int(job.direct),
        "cause": job.cause.value if job.cause else None,
        "held_from": job.held_from.value if job.held_from else None,
        "has_files": int(bool(job.request.images) or job.artifact is not None),
    }
    return row


def to_job(row: sqlite3.Row) -> Job:
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


def update(queries: Any, connection: sqlite3.Connection, old: Job, new: Job) -> Job:  # noqa: ANN401  # loaded queries
    """The job as it is stored now, which may know more than `new` does. Raises Stale."""
    compared = {"from_state": old.state.value, "from_epoch": old.epoch, "from_ack": old.ack_message_id}
    row = queries.update_job(connection, **to_row(new), **compared)
    if row is None:
        raise Stale(f"{old.id} is no longer {old.state} at epoch {old.epoch}")
    return to_job(row)


def _request(text: str) -> GenerationRequest:
    stored = json.loads(text)
    stored |= {"capability": Capability(stored["capability"]), "images": tuple(stored["images"])}
    return GenerationRequest(**stored)


def _artifact(text: str) -> Artifact:
    stored = json.loads(text)
    return Artifact(**(stored | {"kind": MediaKind(stored["kind"])}))
