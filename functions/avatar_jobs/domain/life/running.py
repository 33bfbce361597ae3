"""Reports of runs, and the ends that Salad, a worker or the clock bring."""

from datetime import timedelta

from avatar_jobs.domain import events as ev
from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.jobs import DispatchState, Job, JobError, JobStatus, Phase, Timer
from avatar_jobs.domain.life.claims import CLAIM_LIFETIME, VERIFY_LEASE
from avatar_jobs.domain.life.common import (
    attempt_over,
    deadline_of,
    finished,
    is_current,
    noted,
    started,
    timers_with,
    with_attempt,
)

# One report a 10 s is stored when nothing but the progress changed: reports are the store's main cost.
REPORT_STORE_INTERVAL = timedelta(seconds=10)
# The contract's SILENT_S: a worker reports every 5 s, so a minute is a dozen lost reports in a row.
SILENT = timedelta(seconds=60)
# Runs remembered of one attempt. Salad makes at most 4; a stolen token must not be able to grow the record.
MAX_RUNS = 16


def run_reported(job: Job, event: ev.RunReported) -> Job:
    if not is_current(job, event) or job.claimed_result:
        return job
    attempt = job.attempt
    if event.run_id not in attempt.runs:
        return _run_started(job, event) if len(attempt.runs) < MAX_RUNS else job
    if event.run_id != attempt.runs[-1] or event.seq <= attempt.last_seq:
        return job
    fresh = attempt.last_report_at and event.at - attempt.last_report_at < REPORT_STORE_INTERVAL
    if fresh and event.phase is job.phase and event.error is None:
        return job
    return _report_stored(job, event)


def _run_started(job: Job, event: ev.RunReported) -> Job:
    """A run that nobody heard of before is the newest one, and its attempt is certainly at Salad."""
    runs = (*job.attempt.runs, event.run_id)
    attempts = with_attempt(job, dispatch=DispatchState.SENT, runs=runs, last_seq=-1)
    changed = started(job.model_copy(update={"attempts": attempts}), event.at)
    return _report_stored(noted(changed, event.at, "run_started", event.run_id), event)


def _report_stored(job: Job, event: ev.RunReported) -> Job:
    """Every report puts the question off that silence asks; after the last one it is asked SILENT_S later."""
    error = event.error or job.attempt.last_error
    changed = job.model_copy(
        update={
            "attempts": with_attempt(job, last_report_at=event.at, last_seq=event.seq, last_error=error),
            "phase": Phase.CANCELLING if job.cancel_requested_at else event.phase,
            "progress": min(max(event.progress, 0.0), 0.99),  # 1.0 is for a verified success alone
            "timers": timers_with(job, silence=event.at + SILENT),
        }
    )
    return noted(changed, event.at, "run_failed", event.error.code) if event.error else changed


def attempt_failed(job: Job, event: ev.AttemptFailed) -> Job:
    """A doubled dispatch has two Salad jobs; the end of the one that we do not know as ours ends nothing."""
    known = job.attempt.salad_job_id
    another = known is not None and event.salad_job_id is not None and known != event.salad_job_id
    if job.claimed_result or another or not is_current(job, event):
        return job
    return attempt_over(job, event.at, event.error)


def job_refused(job: Job, event: ev.JobRefused) -> Job:
    if job.claimed_result or not is_current(job, event):
        return job
    if job.cancel_requested_at:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    return finished(job, event.at, JobStatus.FAILED, event.error)


def deadline_passed(job: Job, event: ev.DeadlinePassed) -> Job:
    if event.timer not in job.timers or event.at < deadline_of(job):
        return job
    if job.claimed_result:  # a claim that waits for the storage is not cut off by a deadline
        later = max(job.claimed_result.claimed_at + CLAIM_LIFETIME, event.at + VERIFY_LEASE)
        return job.model_copy(update={"timers": {**job.timers, event.timer: later}})
    if job.cancel_requested_at:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    return finished(job, event.at, JobStatus.FAILED, _deadline_error(job, event.timer))


def _deadline_error(job: Job, timer: Timer) -> JobError:
    if timer is Timer.START_DEADLINE:
        code, stage = JobErrorCode.QUEUE_TIMEOUT, "queue"
        message = f"No GPU took the job within its start_timeout_seconds of {job.input.start_timeout_seconds}."
    else:
        code, stage = JobErrorCode.RUN_TIMEOUT, "run"
        message = f"The job did not finish within its run_timeout_seconds of {job.input.run_timeout_seconds}."
    return JobError(code=code, message=message, stage=stage, retryable=code.retryable)
