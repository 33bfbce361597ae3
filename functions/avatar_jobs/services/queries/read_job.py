"""Reads jobs for the client that made them."""

from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.domain.job.model import JOB_ID_FORM, Job
from avatar_jobs.ports.jobs import JobStore, StoredJob


def read_stored(store: JobStore, client: str, job_id: str) -> StoredJob:
    """Returns the client's job. Raises ApiError job_not_found, also for another client's: ids must not be probed."""
    stored = store.get(job_id) if JOB_ID_FORM.fullmatch(job_id) else None
    if stored is None or stored.job.client != client:
        raise ApiError(ApiErrorCode.JOB_NOT_FOUND, "There is no such job.")
    return stored


def read_job(store: JobStore, client: str, job_id: str) -> Job:
    """The same, without the version."""
    return read_stored(store, client, job_id).job
