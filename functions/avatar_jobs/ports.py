"""What the services need from the outside world, as Protocols; the adapters fill them in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.domain.upload_keys import UploadKey


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
class FleetState:
    """When the last tick ended, and what it saw of the fleet as JSON values; None and empty before the first."""

    last_tick_at: datetime | None
    fleet: Mapping[str, Any]


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


class SaladApi(Protocol):
    """The calls to SaladCloud that the services make. Each raises ProviderError."""

    def create_queue_job(self, job_input: Mapping[str, Any], metadata: Mapping[str, Any], webhook: str) -> str:
        """Creates one queue job and returns Salad's id of it. Sent once, never repeated."""
        ...

    def get_queue_job(self, salad_job_id: str) -> Mapping[str, Any]:
        """Reads one queue job; ProviderError with status 404 when Salad has none."""
        ...

    def list_queue_jobs(self, page: int, page_size: int) -> Mapping[str, Any]:
        """Reads one page (from 1) of the queue's whole history, in no promised order: {"items": [...]}."""
        ...

    def delete_queue_job(self, salad_job_id: str) -> None:
        """Asks Salad to cancel a job that waits."""
        ...

    def get_queue(self) -> Mapping[str, Any]:
        """Reads the queue's length and its container groups with their instances by state."""
        ...

    def set_replicas(self, name: str, replicas: int) -> Mapping[str, Any]:
        """Sets a container group's replicas; returns the group."""
        ...

    def start_container_group(self, name: str) -> None:
        """Starts a stopped container group."""
        ...

    def get_quotas(self) -> Mapping[str, Any]:
        """Reads the organisation's quotas."""
        ...

    def list_gpu_classes(self) -> Mapping[str, Any]:
        """Reads the GPU classes with their prices, dollars an hour as text by priority: {"items": [...]}."""
        ...


class UploadKeys(Protocol):
    """Makes storage keys for single jobs. Each call raises ProviderError."""

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        """Makes a key that reads and writes this job's outputs alone and ends at expires_at."""
        ...

    def revoke(self, key_id: str) -> None:
        """Deletes a key; one that is gone already is fine."""
        ...


class TickWaker(Protocol):
    """Whoever calls the tick every minute."""

    def wake(self) -> None:
        """Has the tick called now. Raises ProviderError."""
        ...


@dataclass(frozen=True)
class StoredObject:
    """A file in the bucket: its size in bytes."""

    size_bytes: int


class OutputStore(Protocol):
    """The bucket of finished videos."""

    def find(self, key: str) -> StoredObject | None:
        """Looks at one file; None when the storage says that there is none. Raises ProviderError."""
        ...

    def link(self, key: str, now: datetime) -> str:
        """Makes a link to a file, without a network call; a presigned one is valid for an hour from now."""
        ...

    def delete(self, key: str) -> None:
        """Removes a file with all its versions for good; one that is not there is fine. Raises ProviderError."""
        ...


@dataclass(frozen=True)
class CallbackAnswer:
    """What the app's webhook answered: its HTTP status, None when there was no answer; the pause it asked for."""

    http_status: int | None
    retry_after_sec: float | None = None

    @property
    def delivered(self) -> bool:
        """True for 2xx."""
        return self.http_status is not None and 200 <= self.http_status < 300


class CallbackSender(Protocol):
    """Posts one callback to an app, through the URL guard, following no redirect; never raises for the app's faults."""

    def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout_sec: float) -> CallbackAnswer:
        """Sends once and says what came back."""
        ...


class Clock(Protocol):
    """The current time."""

    def __call__(self) -> datetime:
        """Returns now, aware, UTC."""
        ...


class EventLog(Protocol):
    """Writes one JSON line an event."""

    def __call__(self, event: str, **fields: Any) -> None:
        """event: what happened, in snake_case; fields: plain JSON values, never a secret."""
        ...
