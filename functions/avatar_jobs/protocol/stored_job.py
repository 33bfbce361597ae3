"""The stored form of a job: a few indexed columns, and the whole job as JSON text.

The job is JSON text because Firestore refuses some JSON (nested arrays, unusual keys, big integers) and because its
fields are never queried. Both stores use this form, so that they cannot differ.
"""

from datetime import datetime, timedelta
from typing import TypedDict

from pydantic import ValidationError

from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.job.model import SCHEMA_VERSION, Job

# The store itself removes a finished job this long after its retention; normally the purge has removed it before.
PURGE_BACKSTOP = timedelta(days=15)


class JobColumns(TypedDict):
    """The columns of a stored job; its times are aware datetimes or None."""

    client: str
    status: str
    created_at: datetime
    next_action_at: datetime | None
    expires_at: datetime | None
    body: str


def to_columns(job: Job) -> JobColumns:
    """Returns the stored form of a job. expires_at, the time-to-live field, is None until the job is over."""
    return {
        "client": job.client,
        "status": job.status.value,
        "created_at": job.created_at,
        "next_action_at": job.next_action_at,
        "expires_at": _expires_at(job),
        "body": job.model_dump_json(),
    }


def readable(body: str) -> Job | None:
    """Returns the job in a body, None when this release cannot read it: one such record must not stop the others."""
    try:
        return from_body(body)
    except (StorageUnavailableError, ValidationError):
        return None


def _expires_at(job: Job) -> datetime | None:
    if job.finished_at is None:
        return None
    return job.finished_at + timedelta(seconds=job.retention_sec) + PURGE_BACKSTOP


def from_body(body: str) -> Job:
    """Returns a stored job of this schema version or the one before. Raises StorageUnavailableError for a newer one.

    A newer record means that a newer release is being deployed; that release can read it.
    """
    job = Job.model_validate_json(body)  # version 1 is the first, so there is no older form to convert yet
    if job.schema_version > SCHEMA_VERSION:
        raise StorageUnavailableError(
            f"the record has schema version {job.schema_version}, this release knows {SCHEMA_VERSION}"
        )
    return job
