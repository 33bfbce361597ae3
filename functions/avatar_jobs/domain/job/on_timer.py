"""What a due timer changes by itself: the claim of a reconciliation, and the deadlines of a job."""

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import deadline_of, finished
from avatar_jobs.domain.job.model import Job, JobError, JobStatus, Timer
from avatar_jobs.domain.job.on_result import CLAIM_LIFETIME, VERIFY_LEASE


def timer_claimed(job: Job, event: ev.TimerClaimed) -> Job:
    """Moves a due timer on before its look, so that a look that always fails cannot stand in the way."""
    due = job.timers.get(event.timer)
    if due is None or event.at < due:
        return job
    return job.model_copy(update={"timers": {**job.timers, event.timer: max(event.until, due)}})


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
        message = texts.start_timeout(job.input.start_timeout_seconds)
    else:
        code, stage = JobErrorCode.RUN_TIMEOUT, "run"
        message = texts.run_timeout(job.input.run_timeout_seconds)
    return JobError(code=code, message=message, stage=stage, retryable=code.retryable)
