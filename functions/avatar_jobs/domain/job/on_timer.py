"""What due timers change: the tick postpones a timer before it asks Salad, and a deadline ends the job."""

from datetime import datetime, timedelta

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    deadline_of,
    finished,
    open_salad_jobs,
    unwanted_attempts,
    with_timeline_entry,
)
from avatar_jobs.domain.job.model import Job, JobError, JobStatus, Timer
from avatar_jobs.domain.job.on_dispatch import QUIET_WAIT
from avatar_jobs.domain.job.on_result import CLAIM_LIFETIME, VERIFY_LEASE
from avatar_jobs.domain.retry_policy import broken_timer_delay

TIMER_FAILED = "timer_failed"  # the timeline's entry

CLEANUP_AGAIN = timedelta(minutes=2)  # a worker of an unwanted run is told to stop within seconds; Salad needs a while


def quiet_wait(job: Job, at: datetime) -> timedelta:
    """Returns when Salad is asked again about an attempt that has never reported: each time after twice the time."""
    return max(QUIET_WAIT, at - job.attempt.claimed_at)


def cleanup_wait(job: Job, at: datetime) -> timedelta:
    """Returns when the unwanted attempts are cleaned up again: soon while Salad has known jobs of them.

    Jobs with unknown ids are searched for, each time after twice the time: a search that has missed may miss again.
    The search ends when the job's credentials have expired, because then nothing that starts can do anything.
    """
    if any(open_salad_jobs(attempt) for attempt in unwanted_attempts(job)):
        return CLEANUP_AGAIN
    twice = at - (job.finished_at or job.attempt.claimed_at)
    return max(CLEANUP_AGAIN, min(twice, job.credentials_expire_at - at))


def timer_claimed(job: Job, event: ev.TimerClaimed) -> Job:
    """Postpones a due timer before the tick asks Salad, so that a question that always fails does not block others."""
    due = job.timers.get(event.timer)
    if due is None or event.at < due:
        return job
    return job.model_copy(update={"timers": {**job.timers, event.timer: max(event.until, due)}})


def timer_failed(job: Job, event: ev.TimerFailed) -> Job:
    """Moves the timer on, later each time, so that a job with a fault does not take every tick's time."""
    due = job.timers.get(event.timer)
    if due is None:
        return job
    before = sum(entry.event == TIMER_FAILED and entry.detail.startswith(event.timer) for entry in job.timeline)
    if event.timer in (Timer.START_DEADLINE, Timer.RUN_DEADLINE):
        before = 0  # a deadline is served in the next tick again: it must end the job
    until = event.at + broken_timer_delay(before + 1)
    changed = job.model_copy(update={"timers": {**job.timers, event.timer: max(until, due)}})
    return with_timeline_entry(changed, event.at, TIMER_FAILED, f"{event.timer}: {event.reason}")


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
