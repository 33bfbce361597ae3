"""Applies the end of a Salad job to our job, and ends our job when its outcome is certain."""

from dataclasses import dataclass

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job.events import AttemptClosed, AttemptFailed, Event, JobRefused, ResultClaimed, RunStopped
from avatar_jobs.domain.job.model import ClaimedResult, Job, JobError
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.domain.metrics import job_metrics
from avatar_jobs.domain.salad import SaladJob
from avatar_jobs.ports.jobs import JobStore, StoredJob, Updated
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.protocol.worker_result import ClaimedSuccess, MalformedResult, Refused, Superseded, read_result
from avatar_jobs.services.callbacks.deliverer import FIRST_TRY_SEC, CallbackTrier
from avatar_jobs.services.outcome.verifier import Verifier
from avatar_jobs.services.queries.job_view import output_name


@dataclass(frozen=True, kw_only=True)
class Finisher:
    """Applies finished Salad jobs to our jobs and announces the end of a job.

    bucket, prefix: where the job's video must be.
    """

    store: JobStore
    verifier: Verifier
    callbacks: CallbackTrier
    clock: Clock
    log: EventLog
    bucket: str
    prefix: str

    def apply_salad_result(self, salad_job: SaladJob, known: StoredJob | None = None) -> Updated | None:
        """Applies a finished Salad job to our job, verifies a claimed file and makes the first callback try.

        A Salad job that is not finished changes nothing; one that belongs to no job of ours is logged. known: our job,
        when the caller has just read it. Returns our job, None in these two cases. Raises StorageUnavailableError.
        """
        event = self._event(salad_job)
        if event is None:
            return None
        self.log(
            "salad_job_finished",
            job_id=salad_job.job_id,
            attempt=salad_job.attempt,
            request_id=salad_job.request_id,
            salad_job_id=salad_job.id,
            salad_status=salad_job.status,
            outcome=type(event).__name__,
        )
        closed = AttemptClosed(at=event.at, attempt=salad_job.attempt, salad_job_id=salad_job.id)
        updated = self.store.update(salad_job.job_id, lambda job: transition(transition(job, closed), event), known)
        if updated is None:
            self.log("salad_job_unknown", level="warning", job_id=salad_job.job_id, salad_job_id=salad_job.id)
            return None
        if isinstance(event, ResultClaimed) and updated.changed and updated.after.job.claimed_result == event.result:
            updated = self.verifier.verify(updated.after) or updated
        self.announce(updated)
        return updated

    def announce(self, updated: Updated) -> None:
        """Logs the end of the job and makes the first callback try, when this update ended the job."""
        if updated.after.job.status.is_terminal and not updated.before.status.is_terminal:
            self._ended(updated.after)

    def _ended(self, ended: StoredJob) -> None:
        job: Job = ended.job
        self.log(
            "job_finished",
            job_id=job.id,
            request_id=job.request_id,
            attempt=job.attempt.number,
            status=job.status.value,
            code=job.error.code.value if job.error else None,
            **job_metrics(job),
        )
        self.callbacks.deliver(ended, FIRST_TRY_SEC)

    def _event(self, salad_job: SaladJob) -> Event | None:
        now = self.clock()
        if salad_job.status in ("failed", "cancelled"):
            code = JobErrorCode.ATTEMPTS_EXHAUSTED
            message = texts.salad_gave_up(salad_job.status)
            return self._failed(salad_job, JobError(code=code, message=message, stage="queue", retryable=True))
        if salad_job.status != "succeeded":
            return None
        meaning = read_result(
            salad_job.output,
            job_id=salad_job.job_id,
            attempt=salad_job.attempt,
            bucket=self.bucket,
            key=output_name(self.prefix, salad_job.job_id),
        )
        match meaning:
            case ClaimedSuccess(output, metrics):
                claim = ClaimedResult(
                    attempt=salad_job.attempt,
                    salad_job_id=salad_job.id,
                    output=output,
                    metrics=metrics,
                    claimed_at=now,
                )
                return ResultClaimed(at=now, result=claim)
            case Refused(error, permanent=True):
                return JobRefused(at=now, attempt=salad_job.attempt, error=error)
            case Refused(error):
                return self._failed(salad_job, error)
            case MalformedResult(reason):
                message = texts.answer_unusable(reason)
                code = JobErrorCode.INTERNAL
                return self._failed(salad_job, JobError(code=code, message=message, stage="result", retryable=True))
            case Superseded():
                return RunStopped(at=now, attempt=salad_job.attempt, salad_job_id=salad_job.id)

    def _failed(self, salad_job: SaladJob, error: JobError) -> AttemptFailed:
        return AttemptFailed(at=self.clock(), attempt=salad_job.attempt, error=error, salad_job_id=salad_job.id)
