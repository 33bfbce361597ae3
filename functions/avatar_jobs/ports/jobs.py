"""The port of the store of jobs and their idempotency records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from avatar_jobs.domain.errors import RecordUnreadableError
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus

DUE_ROUNDS = 3  # queries of one tick for due jobs; each but the last has put up to 500 records aside
# Queries of one list, which skip records that cannot be read: up to 4,000, within the 5 s of a call.
LIST_ROUNDS, LIST_ROUND_SIZE = 9, 500


@dataclass(frozen=True)
class StoredJob:
    """A job as it was read or written, with its version: opaque text, which the next write must find unchanged."""

    job: Job
    version: str


@dataclass(frozen=True)
class JobFilter:
    """Which of a client's jobs to list.

    statuses: None for every status; created_after: inclusive, created_before: exclusive; position: created_at and id
    of the last job of the page before; the list continues after it.
    """

    client: str
    statuses: Sequence[JobStatus] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    position: tuple[datetime, str] | None = None
    request_id: str | None = None

    def matches(self, job: Job) -> bool:
        """Returns whether the filter lets a job pass, wherever the page begins."""
        return (
            job.client == self.client
            and (self.statuses is None or job.status in self.statuses)
            and (self.created_after is None or job.created_at >= self.created_after)
            and (self.created_before is None or job.created_at < self.created_before)
            and (self.request_id is None or job.request_id == self.request_id)
        )


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


@dataclass(frozen=True)
class PutAside:
    """A record that this release cannot read and that a tick has put aside.

    client, status: as the record's columns have them; since: when it was first put aside; times: how often;
    next_try_at: when a tick reads it again; reason: what is wrong with it, without any stored value.
    """

    id: str
    client: str
    status: str
    since: datetime | None
    times: int
    reason: str
    next_try_at: datetime | None


class OnUnreadable(Protocol):
    """What a store calls for each record that it leaves out because this release cannot read it."""

    def __call__(self, error: RecordUnreadableError, *, put_aside: bool) -> None:
        """Takes note of one record. put_aside: True when a tick met it and moves it on."""
        ...


class JobStore(Protocol):
    """The store of jobs and their idempotency records.

    Every method raises StorageUnavailableError, after 5 s at most; those that read one record raise its kind
    RecordUnreadableError when this release cannot read it. Those that read several leave such a record out.
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

    def due(self, now: datetime, limit: int, *, put_aside: bool = False) -> Sequence[StoredJob]:
        """Returns the jobs whose next_action_at is at or before now, earliest first.

        put_aside: True moves records that cannot be read on, with a pause that grows each time, so that they do not
        stand before the others; a write by a release that can read them ends that.
        """
        ...

    def unreadable(self, limit: int) -> Sequence[PutAside]:
        """Returns the records that were put aside and that this release cannot read either, longest first."""
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

    def forget_key(self, record: IdempotencyRecord) -> None:
        """Deletes an idempotency record whose job is gone, unless the key has another record by now."""
        ...

    def purge(self, job: Job) -> None:
        """Deletes a job and its idempotency record. It is no error when they do not exist."""
        ...
