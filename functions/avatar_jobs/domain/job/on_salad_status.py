"""What Salad's answers about an attempt's job change, above all for an attempt that stopped reporting."""

from datetime import datetime, timedelta

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    attempt_over,
    finished,
    is_current,
    started,
    timers_with,
    with_attempt,
    with_cleanup,
    with_timeline_entry,
)
from avatar_jobs.domain.job.model import DispatchState, Job, JobError, JobStatus, Phase
from avatar_jobs.domain.job.on_run import SILENT

# How often Salad is asked about a job that waits in its queue for the next node. Its next run reports at once.
PENDING_WAIT = timedelta(minutes=5)


def attempt_observed(job: Job, event: ev.AttemptObserved) -> Job:
    """Waits while the attempt is pending; ends it if it runs but has been silent for SILENT: its node is lost."""
    if not is_current(job, event) or job.claimed_result:
        return job
    if job.cancel_requested_at:
        return _seen_while_cancelling(job, event, job.cancel_requested_at)
    if not event.running:
        return _seen_pending(job, event.at)
    last_report_at = job.attempt.last_report_at
    if last_report_at is None:  # its reports do not arrive; it may still produce a video
        return job if job.started_at else _seen_running(job, event.at)
    if event.at - last_report_at < SILENT:
        return job
    error = JobError(
        code=JobErrorCode.WORKER_INTERRUPTED,
        message=texts.WORKER_SILENT,
        stage=job.phase.value if job.phase else "run",
        retryable=True,
    )
    return attempt_over(job, event.at, error)


def _seen_running(job: Job, at: datetime) -> Job:
    attempts = with_attempt(job, dispatch=DispatchState.SENT)
    return with_timeline_entry(started(job.model_copy(update={"attempts": attempts}), at), at, "seen_running")


def _seen_pending(job: Job, at: datetime) -> Job:
    if not job.attempt.runs:
        return job
    waiting = job.model_copy(update={"timers": timers_with(job, silence=at + PENDING_WAIT)})
    if job.phase is Phase.REQUEUED:
        return waiting
    return with_timeline_entry(
        waiting.model_copy(update={"phase": Phase.REQUEUED, "progress": 0.0}), at, "seen_pending"
    )


def _seen_while_cancelling(job: Job, event: ev.AttemptObserved, requested_at: datetime) -> Job:
    """Ends the job after SILENT without a report: a live worker confirms a cancellation within seconds."""
    last_sign = max(requested_at, job.attempt.last_report_at or requested_at)
    if event.at - last_sign >= SILENT:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    return job


def attempt_closed(job: Job, event: ev.AttemptClosed) -> Job:
    """Records that an attempt's Salad job is over, so that it can no longer use GPU time.

    A second Salad job of the attempt, whose id differs from the stored one, changes nothing.
    """
    known = [attempt for attempt in job.attempts if attempt.number == event.attempt and not attempt.closed]
    if not known or known[0].salad_job_id not in (None, event.salad_job_id):
        return job
    closed = known[0].model_copy(update={"closed": True, "salad_job_id": event.salad_job_id})
    attempts = tuple(closed if attempt.number == closed.number else attempt for attempt in job.attempts)
    return with_cleanup(job.model_copy(update={"attempts": attempts}), event.at)
