"""What due timers change: the tick postpones a timer before it asks Salad, and a deadline ends the job."""

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import deadline_of, finished
from avatar_jobs.domain.job.model import Job, JobError, JobStatus, Timer
from avatar_jobs.domain.job.on_result import CLAIM_LIFETIME, VERIFY_LEASE


def timer_claimed(job: Job, event: ev.TimerClaimed) -> Job:
    """Postpones a due timer before the tick asks Salad, so that a question that always fails does not block others."""
    due = job.timers.get(event.timer)
    if due is None or event.at < due:
        return job
    return job.model_copy(update={"timers": {**job.timers, event.timer: max(event.until, due)}})


def deadline_passed(job: Job, event: ev.DeadlinePassed) -> Job:
    """Ends the job at its deadline, unless a claimed output is still being verified."""
    if event.timer not in job.timers or event.at < deadline_of(job):
        return job
    if job.claimed_result:  # a deadline does not end a job whose claim waits for the storage
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
