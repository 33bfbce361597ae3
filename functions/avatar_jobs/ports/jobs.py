"""The port of the store of jobs and their idempotency records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus


@dataclass(frozen=True)
class StoredJob:
    """A job as it was read or written, with its version: opaque text, which the next write must find unchanged."""

    job: Job
    version: str


@dataclass(frozen=True)
class JobFilter:
    """Which of a client's jobs to list.

    status: None for every status; created_after, created_before: exclusive bounds; position: created_at and id of the
    last job of the page before; the list continues after it.
    """

    client: str
    status: JobStatus | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    position: tuple[datetime, str] | None = None


@dataclass(frozen=True)
class Overview:
    """The number of jobs by status, and the time when the oldest queued one was created."""

    by_status: Mapping[JobStatus, int]
    oldest_queued_at: datetime | None


@dataclass(frozen=True)
class OpenJobs:
    """The number of unfinished jobs of all clients, and the time when the oldest queued one was created."""

    queued: int
    running: int
    oldest_queued_at: datetime | None


@dataclass(frozen=True)
class Created:
    """The answer of create: the new job and its idempotency record were written."""

    stored: StoredJob


@dataclass(frozen=True)
class AlreadyCreated:
    """The answer of create: the idempotency key is already in use, and nothing was written."""

    record: IdempotencyRecord


@dataclass(frozen=True)
class Updated:
    """A job before and after a change.

    Both are the same object when the change altered nothing; then nothing was written.
    """

    before: Job
    after: StoredJob

    @property
    def changed(self) -> bool:
        """True when something was written."""
        return self.after.job is not self.before


class JobStore(Protocol):
    """The store of jobs and their idempotency records.

    Every method raises StorageUnavailableError, after 5 s at most.
    """

    def create(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """Writes a new job and its idempotency record, both or neither."""
        ...

    def find_record(self, client: str, key: str) -> IdempotencyRecord | None:
        """Returns the record of a client's idempotency key, or None."""
        ...

    def get(self, job_id: str) -> StoredJob | None:
        """Returns one job, or None when no job has this id."""
        ...

    def update(self, job_id: str, change: Callable[[Job], Job], known: StoredJob | None = None) -> Updated | None:
        """Reads, changes and writes one job; after a conflict it starts again. Returns None when there is no such job.

        change: a pure function; it may run several times. known: the job as the caller has just read or written it,
        which saves the first read.
        """
        ...

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """Returns the jobs whose next_action_at is at or before now, earliest first."""
        ...

    def count_open(self, client: str | None) -> int:
        """Counts the queued and running jobs of one client, or of all clients for None."""
        ...

    def list_jobs(self, wanted: JobFilter, limit: int) -> Sequence[Job]:
        """Returns the jobs that match a filter, newest first (by created_at, then id)."""
        ...

    def overview(self, finished_since: datetime) -> Overview:
        """Counts jobs by status and finds the oldest queued one.

        finished_since: finished jobs are counted when they were created at or after this time.
        """
        ...

    def open_jobs(self) -> OpenJobs:
        """Counts the queued and the running jobs; costs three reads however many jobs are stored."""
        ...

    def purge(self, job: Job) -> None:
        """Deletes a job and its idempotency record. It is no error when they do not exist."""
        ...
