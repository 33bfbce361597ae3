"""What Salad's answers about an attempt's job change, above all for an attempt that stopped reporting."""

from datetime import datetime

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    attempt_over,
    finished,
    is_current,
    started,
    timers_with,
    untraced_calls,
    with_attempt,
    with_changed,
    with_cleanup,
    with_timeline_entry,
)
from avatar_jobs.domain.job.model import Attempt, DispatchState, Job, JobError, JobStatus, Phase, Timer
from avatar_jobs.domain.job.on_dispatch import QUIET_WAIT
from avatar_jobs.domain.job.on_run import SILENT


def attempt_observed(job: Job, event: ev.AttemptObserved) -> Job:
    """Waits while the attempt is pending; ends it if it runs but has been silent for SILENT: its node is lost.

    An attempt that was not seen changes nothing, unless the job is being cancelled.
    """
    if not is_current(job, event) or job.claimed_result:
        return job
    if job.cancel_requested_at:
        return _seen_while_cancelling(job, event, job.cancel_requested_at)
    if event.running is None:
        return job
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
    silence = job.timers.get(Timer.SILENCE, at + QUIET_WAIT)
    seen = {"attempts": with_attempt(job, dispatch=DispatchState.SENT), "timers": timers_with(job, silence=silence)}
    return with_timeline_entry(started(job.model_copy(update=seen), at), at, "seen_running")


def _seen_pending(job: Job, at: datetime) -> Job:
    if not job.attempt.runs:
        return job
    waiting = job.model_copy(update={"timers": timers_with(job, silence=at + QUIET_WAIT)})
    if job.phase is Phase.REQUEUED:
        return waiting
    return with_timeline_entry(
        waiting.model_copy(update={"phase": Phase.REQUEUED, "progress": 0.0}), at, "seen_pending"
    )


def _seen_while_cancelling(job: Job, event: ev.AttemptObserved, requested_at: datetime) -> Job:
    """Ends the job after SILENT without a report: a live worker confirms a cancellation within seconds.

    What may still be at Salad is cleaned up afterwards. What is not there needs no waiting.
    """
    if job.attempt.dispatch is DispatchState.UNSENT:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    last_sign = max(requested_at, job.attempt.last_report_at or requested_at)
    if event.at - last_sign >= SILENT:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    return job


def attempt_closed(job: Job, event: ev.AttemptClosed) -> Job:
    """Records that one Salad job of an attempt is over, or that all are, so that it can no longer use GPU time."""
    attempt = next((one for one in job.attempts if one.number == event.attempt), None)
    closed = attempt and _closed(attempt, event.salad_job_id)
    if closed is None or closed == attempt:
        return job
    return with_cleanup(with_changed(job, closed), event.at)


def _closed(attempt: Attempt, salad_job_id: str | None) -> Attempt:
    """Returns the attempt without one of its Salad jobs; None: without all whose ids are not known."""
    if salad_job_id is None:
        return attempt.model_copy(update={"lost_calls": 0, "closed": attempt.closed or untraced_calls(attempt) > 0})
    if salad_job_id in attempt.copies:
        left = tuple(one for one in attempt.copies if one != salad_job_id)
        return attempt.model_copy(update={"copies": left})
    if salad_job_id == attempt.salad_job_id:
        return attempt.model_copy(update={"closed": True})
    if attempt.salad_job_id is None and attempt.dispatch is not DispatchState.UNSENT:
        return attempt.model_copy(update={"closed": True, "salad_job_id": salad_job_id})
    return attempt.model_copy(update={"lost_calls": max(0, attempt.lost_calls - 1)})
