"""What the services need from the outside world, as Protocols; the adapters fill them in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.jobs import Job


@dataclass(frozen=True)
class StoredJob:
    """A job as it was read or written, with the opaque version that the next write must find unchanged."""

    job: Job
    version: str


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

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """Takes the tick's lease unless another holder has it beyond now."""
        ...

    def release_tick_lease(self, holder: str, now: datetime) -> None:
        """Gives the lease back, and notes when the tick ended; a lease that somebody else took stays theirs."""
        ...


class SaladApi(Protocol):
    """The calls to SaladCloud that the services make. Each raises ProviderError."""

    def create_queue_job(self, job_input: Mapping[str, Any], metadata: Mapping[str, Any], webhook: str) -> str:
        """Creates one queue job and returns Salad's id of it. Sent once, never repeated."""
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
