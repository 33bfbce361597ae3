"""What results change: a claimed output is recorded, verified or dropped; an error ends an attempt or the job."""

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
from avatar_jobs.domain.job.model import Attempt, DispatchState, Job, JobError, JobStatus, Phase, Timer
from avatar_jobs.domain.job.on_run import SILENT

# The request that stores a claim also verifies it; the tick takes over if that process dies before it does.
VERIFY_LEASE = timedelta(seconds=15)
# How long a job waits for a storage that does not answer.
CLAIM_LIFETIME = timedelta(minutes=10)


def result_claimed(job: Job, event: ev.ResultClaimed) -> Job:
    """Records the claimed output of any attempt; it is not yet verified. A job has one claim at a time."""
    if job.claimed_result or not 1 <= event.result.attempt <= job.attempt.number:
        return job
    running = started(job, event.at)  # without any report the claim is the first sign of life
    if event.result.attempt == job.attempt.number:  # even if the answer was lost, the dispatch arrived
        running = running.model_copy(update={"attempts": with_attempt(running, dispatch=DispatchState.SENT)})
    timers = timers_with(running, verify=event.at + VERIFY_LEASE, silence=None, cancel=None)
    changed = running.model_copy(update={"claimed_result": event.result, "phase": Phase.VERIFYING, "timers": timers})
    return with_timeline_entry(changed, event.at, "result_claimed", f"attempt {event.result.attempt}")


def _claims(job: Job, event: ev.AttemptEvent) -> bool:
    return job.claimed_result is not None and job.claimed_result.attempt == event.attempt


def verification_claimed(job: Job, event: ev.VerificationClaimed) -> Job:
    """Reserves the verification for one process; drops a claim that could not be verified for CLAIM_LIFETIME."""
    if not _claims(job, event) or job.claimed_result is None:
        return job
    if event.at < job.timers.get(Timer.VERIFY, event.at):
        return job  # another process is verifying it
    if event.at >= job.claimed_result.claimed_at + CLAIM_LIFETIME:
        return _claim_dropped(job, event.at, texts.storage_unavailable(CLAIM_LIFETIME.seconds // 60))
    return job.model_copy(update={"timers": timers_with(job, verify=event.until)})


def output_verified(job: Job, event: ev.OutputVerified) -> Job:
    """Ends the job as succeeded with the claimed output."""
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
    """Drops the claim whose file is missing or has another size."""
    return _claim_dropped(job, event.at, event.detail) if _claims(job, event) else job


def _claim_dropped(job: Job, at: datetime, detail: str) -> Job:
    """Drops the claim. A claim of the newest attempt fails that attempt; one of an older attempt does not affect it."""
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
    """Returns the newest attempt's timers, which the claim had removed; they are due now."""
    return {
        "dispatch": None if job.attempt.dispatch is DispatchState.SENT else at,
        "silence": at if job.attempt.dispatch is DispatchState.SENT else None,
        "cancel": at if job.cancel_requested_at else None,
    }


def attempt_failed(job: Job, event: ev.AttemptFailed) -> Job:
    """Ends the attempt, unless the event belongs to a second Salad job of it, whose id differs from the stored one."""
    if job.claimed_result or not is_current(job, event) or _is_of_another_salad_job(job, event.salad_job_id):
        return job
    return attempt_over(job, event.at, event.error)


def _is_of_another_salad_job(job: Job, salad_job_id: str | None) -> bool:
    """Returns whether the id is known and is not that of the newest attempt's own Salad job."""
    return None not in (known := job.attempt.salad_job_id, salad_job_id) and known != salad_job_id


def job_refused(job: Job, event: ev.JobRefused) -> Job:
    """Ends the job as failed, or as cancelled if that was requested."""
    if job.claimed_result or not is_current(job, event):
        return job
    if job.cancel_requested_at:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    return finished(job, event.at, JobStatus.FAILED, event.error)


def run_stopped(job: Job, event: ev.RunStopped) -> Job:
    """Ends a job whose cancellation was requested. Otherwise it ends the attempt, because its Salad job is over.

    It changes nothing while another Salad job of the same attempt may still bring the video.
    """
    if job.claimed_result or not is_current(job, event):
        return job
    if job.cancel_requested_at:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    if _is_of_another_salad_job(job, event.salad_job_id) or _a_copy_runs(job.attempt, event.at):
        return job
    error = JobError(code=JobErrorCode.WORKER_INTERRUPTED, message=texts.WORKER_STOPPED, stage="run", retryable=True)
    return attempt_over(job, event.at, error)


def _a_copy_runs(attempt: Attempt, at: datetime) -> bool:
    """Returns whether the attempt was sent more than once and a second run of it has just reported.

    Then the run that stopped was replaced by one of the other copy; when that one falls silent too, Salad is asked.
    """
    fresh = attempt.last_report_at is not None and at - attempt.last_report_at < SILENT
    return fresh and attempt.tries > 1 and len(attempt.runs) > 1
