"""Databases with many jobs in them, written past every rule: only to have them there."""

import json
import sqlite3
from collections.abc import Callable

from bot.domain.generation import Asked, Capability, plan
from bot.domain.job import Destination, Job, JobState
from bot.providers.pipelet import MODELS
from storage.rows import to_row

PROVIDER = "pipelet"
_GUILDS = 500
_NOBODY = Destination(1, 1, 1, 20 * 2**20)
_REQUEST = plan(MODELS[0], Asked(Capability.TEXT_TO_VIDEO, "a paper boat in the rain"), seed=1)


def fill(
    connection: sqlite3.Connection, jobs: int, state: JobState, columns: Callable[[int], dict[str, object]]
) -> None:
    """`jobs` Pipelet jobs in one state, each with `columns` of its number's own."""
    like = Job("", 0, _NOBODY, _REQUEST, PROVIDER, "", 1.0, state, ack_message_id=1, queued_at=1.0)
    row = to_row(like)
    statement = f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"  # noqa: S608
    rows = (row | _names(number) | columns(number) for number in range(1, jobs + 1))
    connection.executemany(statement, rows)


def _names(number: int) -> dict[str, object]:
    return {"id": f"job{number:07}", "interaction_id": number, "nonce": f"nonce{number:07}"}


def fill_submitted(connection: sqlite3.Connection, jobs: int, at: float) -> None:
    """Jobs whose requests wait at Pipelet since `at`, each with its attempt; the remote handle is the job's number."""

    def columns(number: int) -> dict[str, object]:
        remote = json.dumps({"model": _REQUEST.model, "request_id": str(number)})
        return {"guild_id": number % _GUILDS + 1, "attempt_id": number, "started_at": at, "remote": remote}

    fill(connection, jobs, JobState.SUBMITTED, columns)
    connection.execute(
        "INSERT INTO attempts (id, job_id, guild_id, provider, capability, model, request_sha256, started_at) "
        "SELECT attempt_id, id, guild_id, provider, ?, model, '', started_at FROM jobs",
        (_REQUEST.capability.value,),
    )
