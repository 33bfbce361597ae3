"""What Salad says when it is asked for an attempt's job, and what that means for a job nobody hears of."""

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

# A job that waits in Salad's queue for its next node is asked for now and then; its next run reports by itself.
PENDING_WAIT = timedelta(minutes=5)


def attempt_observed(job: Job, event: ev.AttemptObserved) -> Job:
    """Pending: Salad will run it again, wait. Running and silent: the node is lost, take another."""
    if not is_current(job, event) or job.claimed_result:
        return job
    if job.cancel_requested_at:
        return _seen_while_cancelling(job, event, job.cancel_requested_at)
    if not event.running:
        return _seen_pending(job, event.at)
    last_report_at = job.attempt.last_report_at
    if last_report_at is None:  # its reports do not reach us; broken telemetry costs no video
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
    """A worker that is told to stop answers within seconds; silence for SILENT_S means that nobody will."""
    last_sign = max(requested_at, job.attempt.last_report_at or requested_at)
    if event.at - last_sign >= SILENT:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    return job


def attempt_closed(job: Job, event: ev.AttemptClosed) -> Job:
    """Remembers that nothing of an attempt burns any more; a double of it that we do not know by its id is no news."""
    known = [attempt for attempt in job.attempts if attempt.number == event.attempt and not attempt.closed]
    if not known or known[0].salad_job_id not in (None, event.salad_job_id):
        return job
    closed = known[0].model_copy(update={"closed": True, "salad_job_id": event.salad_job_id})
    attempts = tuple(closed if attempt.number == closed.number else attempt for attempt in job.attempts)
    return with_cleanup(job.model_copy(update={"attempts": attempts}), event.at)
