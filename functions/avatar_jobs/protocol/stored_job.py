"""The stored form of a job: a few indexed columns, and the whole job as JSON text.

JSON text, because Firestore refuses what JSON allows (nested arrays, odd keys, big integers) and because what apps
and workers say is never queried. Both stores share this form, so that they cannot drift apart.
"""

from datetime import datetime, timedelta
from typing import TypedDict

from pydantic import ValidationError

from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.job.model import SCHEMA_VERSION, Job

# The store's own clean-up of a finished job: a backstop behind the purge, which ends the retention.
PURGE_BACKSTOP = timedelta(days=15)


class JobColumns(TypedDict):
    """What the stores keep of a job; the times are aware datetimes or None."""

    client: str
    status: str
    created_at: datetime
    next_action_at: datetime | None
    expires_at: datetime | None
    body: str


def to_columns(job: Job) -> JobColumns:
    """Returns the stored form. expires_at is the time-to-live field: None until the job is over."""
    return {
        "client": job.client,
        "status": job.status.value,
        "created_at": job.created_at,
        "next_action_at": job.next_action_at,
        "expires_at": _expires_at(job),
        "body": job.model_dump_json(),
    }


def readable(body: str) -> Job | None:
    """The job in a body, or None when this release cannot read it: one such record must not stop all others."""
    try:
        return from_body(body)
    except (StorageUnavailableError, ValidationError):
        return None


def _expires_at(job: Job) -> datetime | None:
    if job.finished_at is None:
        return None
    return job.finished_at + timedelta(seconds=job.retention_sec) + PURGE_BACKSTOP


def from_body(body: str) -> Job:
    """Reads a stored job of this schema version or the one before. Raises StorageUnavailableError for a newer one.

    A newer record means that a newer release writes beside this one; that release will serve it.
    """
    job = Job.model_validate_json(body)  # version 1 is the first: there is no older form to lift yet
    if job.schema_version > SCHEMA_VERSION:
        raise StorageUnavailableError(
            f"the record has schema version {job.schema_version}, this release knows {SCHEMA_VERSION}"
        )
    return job
