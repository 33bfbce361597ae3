"""Cancels jobs for apps."""

from dataclasses import dataclass
from typing import Protocol

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.domain.job.events import CancelRequested
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.ports.jobs import JobStore, Updated
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.services.queries.read_job import read_stored


class Announcer(Protocol):
    """Calls the app's webhook when an update has ended its job."""

    def announce(self, updated: Updated) -> None:
        """Makes the first callback try when this update ended the job, or leaves it to the tick."""
        ...


@dataclass(frozen=True, kw_only=True)
class Canceller:
    """Cancels jobs for apps.

    announcer: makes the first callback try when the job ended at once.
    """

    store: JobStore
    announcer: Announcer
    clock: Clock
    log: EventLog

    def cancel(self, client: str, job_id: str) -> Job:
        """Requests the cancellation of a job; a repeated request changes nothing. Returns the job.

        Raises ApiError job_not_found, or job_already_finished when the job succeeded or failed before.
        """
        stored = read_stored(self.store, client, job_id)
        requested = CancelRequested(at=self.clock())
        updated = self.store.update(job_id, lambda job: transition(job, requested), known=stored)
        if updated is None:
            raise ApiError(ApiErrorCode.JOB_NOT_FOUND, texts.JOB_NOT_FOUND)
        job = updated.after.job
        if job.status in (JobStatus.SUCCEEDED, JobStatus.FAILED):
            raise ApiError(ApiErrorCode.JOB_ALREADY_FINISHED, texts.job_already_finished(job.status.value))
        self.log("cancel_requested", job_id=job_id, request_id=job.request_id, status=job.status.value)
        self.announcer.announce(updated)
        return job
