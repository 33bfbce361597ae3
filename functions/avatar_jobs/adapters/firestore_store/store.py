"""Single jobs: optimistic writes on the document's update time."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.api_core import exceptions as google_errors
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud import firestore

from avatar_jobs.adapters.firestore_store.calls import IDEMPOTENCY, FirestoreConnection, stored, unavailable
from avatar_jobs.adapters.firestore_store.queries import JobQueries
from avatar_jobs.adapters.firestore_store.snapshots import SnapshotArchive
from avatar_jobs.adapters.firestore_store.tick_lease import TickLease
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job
from avatar_jobs.optimistic import update_optimistically
from avatar_jobs.ports.jobs import AlreadyCreated, Created, JobFilter, OpenJobs, Overview, StoredJob, Updated
from avatar_jobs.ports.tick_state import FleetState
from avatar_jobs.protocol.stored_job import to_columns


class FirestoreJobStore:
    """Fills the JobStore port. client: opens the database on first use; pause, jitter, on_conflict: see optimistic.py;
    draw_id: 128 random bits as text, so that a write that is sent twice knows its own first try."""

    def __init__(
        self,
        client: Callable[[], firestore.Client],
        *,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
        draw_id: Callable[[], str],
        on_conflict: Callable[[], None],
        on_unreadable: Callable[[str], None],
    ) -> None:
        self._connection = FirestoreConnection(client)
        self._queries = JobQueries(self._connection, on_unreadable)
        self._lease = TickLease(self._connection)
        self._snapshots = SnapshotArchive(self._connection)
        self._pause = pause
        self._jitter = jitter
        self._draw_id = draw_id
        self._on_conflict = on_conflict

    def _idempotency_document(self, client: str, key: str) -> firestore.DocumentReference:
        # Hashed, because a key may be "." or "__x__", which are no document ids.
        name = hashlib.sha256(f"{client}\n{key}".encode()).hexdigest()
        return self._connection.client.collection(IDEMPOTENCY).document(name)

    def create(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """See JobStore.create."""
        write_id = self._draw_id()
        reference = self._connection.jobs.document(job.id)
        batch = self._connection.client.batch()
        batch.create(reference, {**to_columns(job), "write_id": write_id})
        if record:
            batch.create(self._idempotency_document(record.client, record.key), {"body": record.model_dump_json()})
        with unavailable():
            try:
                results = batch.commit(**self._connection.limits())
            except google_errors.AlreadyExists:
                return self._existing(job, record)
        return Created(StoredJob(job, results[0].update_time.rfc3339()))

    def _existing(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """What stands when a create met documents: another request's job, or our own first try."""
        found = self.find_record(record.client, record.key) if record else None
        if found and found.job_id != job.id:
            self._on_conflict()
            return AlreadyCreated(found)
        own = self.get(job.id)
        if own is None:
            raise StorageUnavailableError("a create met a document that is gone again")
        return Created(own)

    def find_record(self, client: str, key: str) -> IdempotencyRecord | None:
        """See JobStore.find_record."""
        with unavailable():
            snapshot = self._idempotency_document(client, key).get(**self._connection.limits())
        return IdempotencyRecord.model_validate_json(snapshot.get("body")) if snapshot.exists else None

    def get(self, job_id: str) -> StoredJob | None:
        """See JobStore.get."""
        with unavailable():
            snapshot = self._connection.jobs.document(job_id).get(**self._connection.limits())
        return stored(snapshot) if snapshot.exists else None

    def update(self, job_id: str, change: Callable[[Job], Job], known: StoredJob | None = None) -> Updated | None:
        """See JobStore.update."""
        return update_optimistically(
            read=lambda: self.get(job_id),
            write=self._write,
            change=change,
            known=known,
            pause=self._pause,
            jitter=self._jitter,
            on_conflict=self._on_conflict,
        )

    def _write(self, job: Job, version: str) -> StoredJob | None:
        write_id = self._draw_id()
        reference = self._connection.jobs.document(job.id)
        read_at = DatetimeWithNanoseconds.from_rfc3339(version)  # type: ignore[no-untyped-call]
        expected = self._connection.client.write_option(last_update_time=read_at)
        batch = self._connection.client.batch()
        batch.update(reference, {**to_columns(job), "write_id": write_id}, option=expected)
        with unavailable():
            try:
                results = batch.commit(**self._connection.limits())
            except (google_errors.FailedPrecondition, google_errors.Aborted):
                return self._own_write(job.id, write_id)
        return StoredJob(job, results[0].update_time.rfc3339())

    def _own_write(self, job_id: str, write_id: str) -> StoredJob | None:
        """The stored job when a retried write met its own first try; None when another writer was faster."""
        snapshot = self._connection.jobs.document(job_id).get(**self._connection.limits())
        own = snapshot.exists and (snapshot.to_dict() or {}).get("write_id") == write_id
        return stored(snapshot) if own else None

    def purge(self, job: Job) -> None:
        """See JobStore.purge."""
        batch = self._connection.client.batch()
        batch.delete(self._connection.jobs.document(job.id))
        if job.idempotency_key:
            batch.delete(self._idempotency_document(job.client, job.idempotency_key))
        with unavailable():
            batch.commit(**self._connection.limits())

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """See JobStore.due."""
        return self._queries.due(now, limit)

    def count_open(self, client: str | None) -> int:
        """See JobStore.count_open."""
        return self._queries.count_open(client)

    def list_jobs(self, wanted: JobFilter, limit: int) -> Sequence[Job]:
        """See JobStore.list_jobs."""
        return self._queries.list_jobs(wanted, limit)

    def overview(self, finished_since: datetime) -> Overview:
        """See JobStore.overview."""
        return self._queries.overview(finished_since)

    def open_jobs(self) -> OpenJobs:
        """See JobStore.open_jobs."""
        return self._queries.open_jobs()

    def archive_snapshot(self, at: datetime, record: Mapping[str, Any], expires_at: datetime) -> None:
        """See JobStore.archive_snapshot."""
        self._snapshots.archive_snapshot(at, record, expires_at)

    def archived_snapshots(self, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """See JobStore.archived_snapshots."""
        return self._snapshots.archived_snapshots(since, until)

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """See JobStore.take_tick_lease."""
        return self._lease.take_tick_lease(holder, now, until)

    def release_tick_lease(self, holder: str, now: datetime, fleet: Mapping[str, Any] | None) -> None:
        """See JobStore.release_tick_lease."""
        self._lease.release_tick_lease(holder, now, fleet)

    def fleet_state(self) -> FleetState:
        """See JobStore.fleet_state."""
        return self._lease.fleet_state()
