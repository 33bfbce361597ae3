"""The queue's rules: what a queue job is, and how its status changes. No I/O: time and ids are arguments."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

# Salad's documentation on job queues: a failed attempt is retried three times.
MAX_ATTEMPTS = 4


class JobStatus(StrEnum):
    """A queue job's status in Salad's words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Returns whether the status never changes again."""
        return self not in {JobStatus.PENDING, JobStatus.RUNNING}


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """One entry of a job's history. action: created, started, succeeded, cancelled or failed."""

    action: str
    time: datetime


@dataclass(frozen=True, kw_only=True)
class QueueJob:
    """One job of a queue."""

    id: str
    queue_name: str
    input: Any
    metadata: dict[str, Any] | None
    webhook: str | None
    created_at: datetime
    updated_at: datetime
    status: JobStatus = JobStatus.PENDING
    events: tuple[JobEvent, ...] = ()
    attempts: int = 0  # dispatches to an instance so far
    instance_id: str | None = None  # where it runs, or ran last
    output: bytes | None = None  # the worker's response body as it came


def created(job_id: str, queue_name: str, body: dict[str, Any], now: datetime) -> QueueJob:
    """Returns a pending job. body: a validated create request (input, metadata, webhook)."""
    return QueueJob(
        id=job_id,
        queue_name=queue_name,
        input=body["input"],
        metadata=body.get("metadata"),
        webhook=body.get("webhook"),
        created_at=now,
        updated_at=now,
        events=(JobEvent(action="created", time=now),),
    )


def dispatched(job: QueueJob, instance_id: str, now: datetime) -> QueueJob:
    """Returns the job as running on an instance, with one more attempt."""
    started = replace(job, instance_id=instance_id, attempts=job.attempts + 1)
    return _moved(started, JobStatus.RUNNING, "started", now)


def completed(job: QueueJob, output: bytes, now: datetime) -> QueueJob:
    """Returns the job as succeeded with the worker's response body. Salad does not read the body."""
    return _moved(replace(job, output=output), JobStatus.SUCCEEDED, "succeeded", now)


def attempt_failed(job: QueueJob, now: datetime) -> QueueJob:
    """Returns the job after a failed attempt: pending again, or failed when no retry is left."""
    if job.attempts >= MAX_ATTEMPTS:
        return _moved(job, JobStatus.FAILED, "failed", now)
    return replace(job, status=JobStatus.PENDING, updated_at=now)


def cancelled(job: QueueJob, now: datetime) -> QueueJob:
    """Returns the job after a delete request: cancelled if it was pending, else unchanged."""
    if job.status is not JobStatus.PENDING:
        return job
    return _moved(job, JobStatus.CANCELLED, "cancelled", now)


def _moved(job: QueueJob, status: JobStatus, action: str, now: datetime) -> QueueJob:
    return replace(job, status=status, updated_at=now, events=(*job.events, JobEvent(action=action, time=now)))
