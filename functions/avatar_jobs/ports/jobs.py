"""The store of jobs and their idempotency records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.ports.tick_state import FleetState


@dataclass(frozen=True)
class StoredJob:
    """A job as it was read or written, with the opaque version that the next write must find unchanged."""

    job: Job
    version: str


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list: one client's, of one status (None: of any), created in (after, before), behind a position.

    position: created_at and id of the last job of the page before.
    """

    client: str
    status: JobStatus | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    position: tuple[datetime, str] | None = None


@dataclass(frozen=True)
class Overview:
    """Jobs by status, and when the oldest queued one was created."""

    by_status: Mapping[JobStatus, int]
    oldest_queued_at: datetime | None


@dataclass(frozen=True)
class OpenJobs:
    """The unfinished jobs of all clients, and when the oldest queued one was created."""

    queued: int
    running: int
    oldest_queued_at: datetime | None


@dataclass(frozen=True)
class Created:
    """The new job and its idempotency record stand."""

    stored: StoredJob


@dataclass(frozen=True)
class AlreadyCreated:
    """The key was taken before; nothing was written."""

    record: IdempotencyRecord


@dataclass(frozen=True)
class Updated:
    """The job before and after a change; the very same object when the change changed nothing (nothing was written)."""

    before: Job
    after: StoredJob

    @property
    def changed(self) -> bool:
        """True when something was written."""
        return self.after.job is not self.before


class JobStore(Protocol):
    """Jobs, idempotency records and the tick's lease. Every method raises StorageUnavailableError after 5 s at most."""

    def create(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """Writes a new job and its record, both or neither."""
        ...

    def find_record(self, client: str, key: str) -> IdempotencyRecord | None:
        """Reads what a client's idempotency key stands for."""
        ...

    def get(self, job_id: str) -> StoredJob | None:
        """Reads one job."""
        ...

    def update(self, job_id: str, change: Callable[[Job], Job], known: StoredJob | None = None) -> Updated | None:
        """Reads, changes and writes one job, again on conflict; None when there is no such job.

        change is pure and may run several times; known saves the first read when the caller has just read or
        written the job.
        """
        ...

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """The jobs whose next_action_at has come, earliest first."""
        ...

    def count_open(self, client: str | None) -> int:
        """Counts the queued and running jobs, of one client or of all."""
        ...

    def list_jobs(self, wanted: "JobFilter", limit: int) -> Sequence[Job]:
        """The jobs that a filter lets through, newest first (by creation, then id)."""
        ...

    def overview(self, finished_since: datetime) -> "Overview":
        """Counts jobs by status and finds the oldest queued one; finished jobs count when created since then."""
        ...

    def open_jobs(self) -> "OpenJobs":
        """Counts the queued and the running jobs; costs three reads, whatever is stored."""
        ...

    def archive_snapshot(self, at: datetime, record: Mapping[str, Any], expires_at: datetime) -> None:
        """Writes what a tick saw and decided (JSON values), for analysis; it goes by itself after expires_at."""
        ...

    def archived_snapshots(self, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """The archived snapshots of a time, oldest first."""
        ...

    def purge(self, job: Job) -> None:
        """Removes a job and its idempotency record; what is gone already is fine."""
        ...

    def fleet_state(self) -> "FleetState":
        """What the last finished tick left."""
        ...

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """Takes the tick's lease unless another holder has it beyond now."""
        ...

    def release_tick_lease(self, holder: str, now: datetime, fleet: Mapping[str, Any] | None) -> None:
        """Gives the lease back, and notes when the tick ended and what it saw of the fleet (JSON values); None leaves
        both as they were: that tick did not finish. A lease that somebody else took stays theirs."""
        ...
