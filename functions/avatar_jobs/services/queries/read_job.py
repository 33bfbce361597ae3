"""Reads jobs for the client that created them."""

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode, RecordUnreadableError
from avatar_jobs.domain.job.model import JOB_ID_FORM, Job
from avatar_jobs.ports.jobs import JobStore, StoredJob


def read_stored(store: JobStore, client: str, job_id: str) -> StoredJob:
    """Returns the client's job with its version.

    Raises ApiError job_not_found, also for a job of another client, so that no client can find out other ids, and
    RecordUnreadableError.
    """
    try:
        stored = store.get(job_id) if JOB_ID_FORM.fullmatch(job_id) else None
    except RecordUnreadableError as error:
        if error.client == client:
            raise
        stored = None
    if stored is None or stored.job.client != client:
        raise ApiError(ApiErrorCode.JOB_NOT_FOUND, texts.JOB_NOT_FOUND)
    return stored


def read_job(store: JobStore, client: str, job_id: str) -> Job:
    """Returns the client's job without its version. Raises ApiError job_not_found."""
    return read_stored(store, client, job_id).job
