"""A claimed result: looked at, proved, or dropped."""

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
    with_timeline_entry,
)
from avatar_jobs.domain.job.model import DispatchState, Job, JobError, JobStatus, Phase, Timer

# The request that stores a claim also looks for the file; the tick takes over if it died in between.
VERIFY_LEASE = timedelta(seconds=15)
# How long a storage that does not answer may hold up a finished job.
CLAIM_LIFETIME = timedelta(minutes=10)


def result_claimed(job: Job, event: ev.ResultClaimed) -> Job:
    """A success of any attempt counts; the first claim is looked at before another one is taken."""
    if job.claimed_result or not 1 <= event.result.attempt <= job.attempt.number:
        return job
    running = started(job, event.at)  # when no report came through, the claim is the first sign of life
    if event.result.attempt == job.attempt.number:  # and proves that a dispatch with a lost answer did arrive
        running = running.model_copy(update={"attempts": with_attempt(running, dispatch=DispatchState.SENT)})
    timers = timers_with(running, verify=event.at + VERIFY_LEASE, silence=None, cancel=None)
    changed = running.model_copy(update={"claimed_result": event.result, "phase": Phase.VERIFYING, "timers": timers})
    return with_timeline_entry(changed, event.at, "result_claimed", f"attempt {event.result.attempt}")


def _claims(job: Job, event: ev.AttemptEvent) -> bool:
    return job.claimed_result is not None and job.claimed_result.attempt == event.attempt


def verification_claimed(job: Job, event: ev.VerificationClaimed) -> Job:
    if not _claims(job, event) or job.claimed_result is None:
        return job
    if event.at < job.timers.get(Timer.VERIFY, event.at):
        return job  # somebody else is looking
    if event.at >= job.claimed_result.claimed_at + CLAIM_LIFETIME:
        return _claim_dropped(job, event.at, texts.storage_unavailable(CLAIM_LIFETIME.seconds // 60))
    return job.model_copy(update={"timers": timers_with(job, verify=event.until)})


def output_verified(job: Job, event: ev.OutputVerified) -> Job:
    if not _claims(job, event) or job.claimed_result is None:
        return job
    proved = job.model_copy(
        update={
            "output": job.claimed_result.output,
            "metrics": job.claimed_result.metrics,
            "output_expires_at": event.at + timedelta(seconds=job.retention_sec),
            "progress": 1.0,
        }
    )
    return finished(proved, event.at, JobStatus.SUCCEEDED, None)


def output_absent(job: Job, event: ev.OutputAbsent) -> Job:
    return _claim_dropped(job, event.at, event.detail) if _claims(job, event) else job


def _claim_dropped(job: Job, at: datetime, detail: str) -> Job:
    """A claim without a file is a failure of its attempt; the claim of an older attempt leaves the newest one alone."""
    claim = job.claimed_result
    resumed = job.model_copy(update={"claimed_result": None, "timers": timers_with(job, verify=None)})
    resumed = with_timeline_entry(resumed, at, "claim_dropped", detail)
    error = JobError(
        code=JobErrorCode.OUTPUT_VERIFICATION_FAILED,
        message=texts.output_unverified(detail),
        stage="verifying",
        retryable=True,
    )
    if claim and claim.attempt == job.attempt.number:
        return attempt_over(resumed, at, error)
    return resumed.model_copy(update={"timers": timers_with(resumed, **_resumed_timers(job, at))})


def _resumed_timers(job: Job, at: datetime) -> dict[str, datetime | None]:
    """The newest attempt's own timers went with the claim; now they are due."""
    return {
        "dispatch": None if job.attempt.dispatch is DispatchState.SENT else at,
        "silence": at if job.attempt.runs else None,
        "cancel": at if job.cancel_requested_at else None,
    }


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


def run_stopped(job: Job, event: ev.RunStopped) -> Job:
    """The confirmation that a cancelled job's worker stopped; of an overtaken run it is no news."""
    if not is_current(job, event) or job.cancel_requested_at is None or job.claimed_result:
        return job
    return finished(job, event.at, JobStatus.CANCELLED, None)
