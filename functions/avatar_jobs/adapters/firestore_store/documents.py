"""What a job's document holds: the job, its version, and when it was put aside because it could not be read."""

from datetime import datetime
from typing import Any

from avatar_jobs.domain.errors import RecordUnreadableError
from avatar_jobs.ports.jobs import StoredJob
from avatar_jobs.protocol.stored_job import read_job


def version_of(snapshot: Any) -> str:
    """Returns a document's update time, which the next write must find unchanged."""
    return str(snapshot.update_time.rfc3339())


def fields_of(snapshot: Any) -> dict[str, Any]:
    """Returns a document's fields; a field that is missing is no error here."""
    return snapshot.to_dict() or {}


def stored_in(snapshot: Any) -> StoredJob:
    """Returns the job in a document with its version. Raises RecordUnreadableError."""
    fields = fields_of(snapshot)
    job = read_job(snapshot.id, str(fields.get("client") or ""), fields.get("body"))
    return StoredJob(job, version_of(snapshot))


def readable(snapshot: Any) -> StoredJob | RecordUnreadableError:
    """Returns the job in a document with its version, or why this release cannot read it."""
    try:
        return stored_in(snapshot)
    except RecordUnreadableError as error:
        return error


def put_aside_mark(snapshot: Any) -> dict[str, Any]:
    """Returns what a document says about when it was put aside; empty when it was not."""
    mark = fields_of(snapshot).get("put_aside")
    return mark if isinstance(mark, dict) else {}


def times_put_aside(snapshot: Any) -> int:
    """Returns how often a document was put aside."""
    times = put_aside_mark(snapshot).get("times")
    return times if isinstance(times, int) else 0


def moment(value: Any) -> datetime | None:
    """Returns a stored time, None for anything else."""
    return value if isinstance(value, datetime) else None
