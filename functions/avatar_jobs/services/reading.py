"""Reads one job for the client that made it."""

from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.domain.jobs import JOB_ID_FORM, Job
from avatar_jobs.ports import JobStore


def read_job(store: JobStore, client: str, job_id: str) -> Job:
    """Returns the client's job. Raises ApiError job_not_found, also for another client's: ids must not be probed."""
    stored = store.get(job_id) if JOB_ID_FORM.fullmatch(job_id) else None
    if stored is None or stored.job.client != client:
        raise ApiError(ApiErrorCode.JOB_NOT_FOUND, "There is no such job.")
    return stored.job
