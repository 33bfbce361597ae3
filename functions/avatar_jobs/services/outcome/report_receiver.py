"""Applies a worker's report to its job and tells the worker whether to go on."""

from dataclasses import dataclass

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode, BadSignatureError
from avatar_jobs.domain.job.events import RunReported
from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.job.on_run import ReportAnswer, report_answer
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.outside import Clock, EventLog


@dataclass(frozen=True, kw_only=True)
class ReportReceiver:
    """Applies the reports of workers to jobs."""

    store: JobStore
    clock: Clock
    log: EventLog

    def receive(self, job_id: str, report: RunReported) -> ReportAnswer:
        """Applies one authenticated report. Returns the answer: whether to continue, and the time left.

        Raises ApiError job_not_found, and BadSignatureError when the job's credentials have expired.
        """
        now = self.clock()

        def change(job: Job) -> Job:
            # Judged on the job that the update reads anyway, and before anything is written.
            if now > job.credentials_expire_at:
                raise BadSignatureError(texts.REPORT_TOKEN_EXPIRED)
            return transition(job, report)

        updated = self.store.update(job_id, change)
        if updated is None:
            raise ApiError(ApiErrorCode.JOB_NOT_FOUND, texts.REPORTED_JOB_NOT_FOUND)
        job = updated.after.job
        answer = report_answer(job, attempt=report.attempt, run_id=report.run_id, now=now)
        if updated.changed:
            self.log(
                "run_reported",
                job_id=job_id,
                request_id=job.request_id,
                attempt=report.attempt,
                run_id=report.run_id,
                phase=report.phase.value,
                progress=report.progress,
                error=report.error.code.value if report.error else None,
                cancel=answer.cancel,
            )
        return answer
