"""Makes a new job, accepted and with its first dispatch claimed; submit_job stores it in one write."""

from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.job.changes import with_timeline_entry
from avatar_jobs.domain.job.model import RETENTION_SEC, Attempt, DispatchState, Job, JobInput, JobStatus, Phase, Timer
from avatar_jobs.domain.job.on_dispatch import DISPATCH_CLAIM

# Report tokens and upload keys outlive the deadlines by this much, so that a run that ends at its deadline can report.
CREDENTIALS_SLACK = timedelta(minutes=15)


def new_job(
    *,
    job_id: str,
    client: str,
    request_id: str,
    idempotency_key: str | None,
    job_input: JobInput,
    metadata: dict[str, Any],
    now: datetime,
    retention_sec: int = RETENTION_SEC,
) -> Job:
    """Returns a queued job whose first dispatch is claimed by the caller for DISPATCH_CLAIM from now."""
    # Apps see milliseconds; a stored time of the same precision lets them filter by what they see.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    start = timedelta(seconds=job_input.start_timeout_seconds)
    run = timedelta(seconds=job_input.run_timeout_seconds)
    job = Job(
        id=job_id,
        client=client,
        request_id=request_id,
        idempotency_key=idempotency_key,
        status=JobStatus.QUEUED,
        phase=Phase.ACCEPTED,
        input=job_input,
        metadata=metadata,
        retention_sec=retention_sec,
        created_at=now,
        credentials_expire_at=now + start + run + CREDENTIALS_SLACK,
        attempts=(Attempt(number=1, dispatch=DispatchState.SENDING, claimed_at=now),),
        timers={Timer.DISPATCH: now + DISPATCH_CLAIM, Timer.START_DEADLINE: now + start},
    )
    return with_timeline_entry(job, now, "accepted")
