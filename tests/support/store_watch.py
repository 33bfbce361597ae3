"""Watches the store ports of the functions: counts their operations and lets chosen ones fail."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from avatar_jobs.bootstrap.common import Stores
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.job.model import Job
from avatar_jobs.ports.archive import SnapshotArchive
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.tick_state import TickState

AWAY = StorageUnavailableError("fault of the test")


@dataclass
class Fault:
    """One ordered fault.

    operation: a method of a store port, or "write" for every change of a stored job; job_ids: empty for all jobs;
    refused: the job ids (or the operation's name) of the calls that failed, in order.
    """

    operation: str
    error: Exception
    job_ids: tuple[str, ...]
    refused: list[str] = field(default_factory=list)

    def raise_if_meant(self, operation: str, job_id: str) -> None:
        """Raises the error when the fault was ordered for this operation and this job."""
        if operation == self.operation and (not self.job_ids or job_id in self.job_ids):
            self.refused.append(job_id)
            raise self.error


class StoreWatch:
    """Stands between the functions and their stores; counts and faults hold for all functions of a system.

    counted: operations by name. `update` is counted as what it does: "get" where it has to read the job first, and
    "write" where something changed; `create` is counted by documents, the job and its idempotency record.
    """

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self._faults: list[Fault] = []

    def over(self, stores: Stores) -> Stores:
        """Returns the same stores under watch."""
        return Stores(
            cast(JobStore, _WatchedPort(stores.jobs, self)),
            cast(TickState, _WatchedPort(stores.tick_state, self)),
            cast(SnapshotArchive, _WatchedPort(stores.archive, self)),
        )

    @contextmanager
    def failing(self, operation: str, *job_ids: str, error: Exception = AWAY) -> Iterator[Fault]:
        """Lets an operation fail during the block, for these jobs or for all; the fault must happen at least once."""
        fault = Fault(operation, error, job_ids)
        self._faults.append(fault)
        try:
            yield fault
        finally:
            self._faults.remove(fault)
        assert fault.refused, f"the ordered fault of {operation} did not happen"

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Counts from zero; the counter is complete at the end of the block."""
        self.counted = Counter()
        yield self.counted
        self.counted = Counter()

    def call(self, port: object, name: str, *arguments: Any, **named: Any) -> Any:
        """Does one operation of a port, or fails as ordered."""
        subject = arguments[0] if arguments else name
        self._check(name, subject.id if isinstance(subject, Job) else str(subject))
        if name == "update":
            return self._update(port, *arguments, **named)
        documents = 2 if name == "create" and arguments[1] else 1
        self.counted[name] += documents
        return getattr(port, name)(*arguments, **named)

    def _update(self, port: Any, job_id: str, change: Callable[[Job], Job], known: Any = None) -> Any:
        def checked(job: Job) -> Job:
            changed = change(job)
            if changed is not job:
                self._check("write", job_id)
            return changed

        if known is None:
            self.counted["get"] += 1
        updated = port.update(job_id, checked, known)
        if updated and updated.changed:
            self.counted["write"] += 1
        return updated

    def _check(self, operation: str, job_id: str) -> None:
        for fault in self._faults:
            fault.raise_if_meant(operation, job_id)


class _WatchedPort:
    """One port whose calls go through the watch."""

    def __init__(self, port: object, watch: StoreWatch) -> None:
        self._port = port
        self._watch = watch

    def __getattr__(self, name: str) -> Callable[..., Any]:
        getattr(self._port, name)  # an unknown operation is an error here too
        return lambda *arguments, **named: self._watch.call(self._port, name, *arguments, **named)
