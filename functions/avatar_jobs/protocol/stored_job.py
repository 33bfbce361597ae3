"""The stored form of a job: a few indexed columns, and the whole job as JSON text.

The job is JSON text because Firestore refuses some JSON (nested arrays, unusual keys, big integers) and because its
fields are never queried. Both stores use this form, so that they cannot differ.

While a release is deployed, instances of two releases read and write the same records. Therefore readers keep fields
that they do not know and write them back, and fields with their default value are not written, so that a release that
does not know a new field meets it only in the jobs that use it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from pydantic import BaseModel, ValidationError

from avatar_jobs.domain.errors import RecordUnreadableError
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import SCHEMA_VERSION, Job

# The store itself removes a finished job this long after its retention; normally the purge has removed it before.
PURGE_BACKSTOP = timedelta(days=15)
READABLE_VERSIONS = (SCHEMA_VERSION - 1, SCHEMA_VERSION)
# A time outside of these years is damage, and adding a time-out to it may leave the calendar.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class JobColumns(TypedDict):
    """The columns of a stored job; its times are aware datetimes or None."""

    client: str
    status: str
    created_at: datetime
    next_action_at: datetime | None
    expires_at: datetime | None
    request_id: str
    body: str


def to_columns(job: Job) -> JobColumns:
    """Returns the stored form of a job. expires_at, the time-to-live field, is None until the job is over."""
    return {
        "client": job.client,
        "status": job.status.value,
        "created_at": job.created_at,
        "next_action_at": job.next_action_at,
        "expires_at": _expires_at(job),
        "request_id": job.request_id,
        "body": _to_body(job),
    }


def _to_body(job: Job) -> str:
    """Returns the job as JSON text: without defaults, but with what must hold whatever a later release's default is."""
    always = {"schema_version": job.schema_version, "retention_sec": job.retention_sec}
    fields = {**always, **job.model_dump(mode="json", exclude_defaults=True)}
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair could be written, but never read again


def _expires_at(job: Job) -> datetime | None:
    if job.finished_at is None:
        return None
    return job.finished_at + timedelta(seconds=job.retention_sec) + PURGE_BACKSTOP


def key_expires_at(job: Job) -> datetime:
    """Returns when the store removes a new job's idempotency record: not before the job's own record, whenever it ends.

    The purge of the job removes both. This ends the key of a job that its time-to-live removed.
    """
    return job.credentials_expire_at + timedelta(seconds=job.retention_sec) + PURGE_BACKSTOP


def read_job(job_id: str, client: str, body: object) -> Job:
    """Returns a stored job of this schema version or the one before. job_id, client: as the record's columns have them.

    Raises RecordUnreadableError for a newer one, which the release that is being deployed can read, and for damage.
    """
    try:
        job = Job.model_validate_json(_text(body))  # version 1 is the first, so there is no older form to convert yet
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RecordUnreadableError(job_id, client, _reason(error, body)) from None  # pydantic's errors hold values
    if fault := _version_fault(job.schema_version) or _fault(job, job_id, client):
        raise RecordUnreadableError(job_id, client, fault)
    return job


def readable(job_id: str, client: str, body: object) -> Job | RecordUnreadableError:
    """Returns the job in a record, or why this release cannot read it: one such record must not stop the others."""
    try:
        return read_job(job_id, client, body)
    except RecordUnreadableError as error:
        return error


def read_idempotency_record(client: str, body: object) -> IdempotencyRecord:
    """Returns the record of a client's idempotency key. Raises RecordUnreadableError."""
    try:
        return IdempotencyRecord.model_validate_json(_text(body))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = f"the record of an idempotency key: {_reason(error, body)}"
        raise RecordUnreadableError("", client, reason) from None


def _text(body: object) -> str:
    if not isinstance(body, str):
        raise TypeError("the body is not text")
    return body


def _version_fault(version: object) -> str | None:
    if version in READABLE_VERSIONS and not isinstance(version, bool):
        return None
    older, newest = READABLE_VERSIONS
    return f"it has schema version {version}, this release reads {older} and {newest}"[:200]


def _reason(error: Exception, body: object) -> str:
    """Returns what is wrong with a body, without any of its values but the schema version."""
    try:
        version = json.loads(body).get("schema_version") if isinstance(body, str) else None
    except (ValueError, AttributeError, RecursionError):
        version = None
    if isinstance(version, int) and (fault := _version_fault(version)):
        return fault
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'the body'}: {first['type']}"[:200]
    return str(error) if isinstance(error, TypeError) else type(error).__name__


def _fault(job: Job, job_id: str, client: str) -> str | None:
    """Returns what is wrong with a job although each of its fields has the right form, else None."""
    if (job.id, job.client) != (job_id, client):
        return "its body belongs to another record"
    if not job.attempts:
        return "it has no attempt"
    if not all(at.tzinfo and EARLIEST <= at <= LATEST for at in _times(job)):
        return "it has a time without a zone or outside of the calendar"
    return None


def _times(value: Any) -> Iterator[datetime]:
    """Yields every time in a stored value."""
    match value:
        case datetime():
            yield value
        case BaseModel():
            for inner in value.__dict__.values():
                yield from _times(inner)
        case dict():
            for inner in value.values():
                yield from _times(inner)
        case tuple():
            for inner in value:
                yield from _times(inner)
