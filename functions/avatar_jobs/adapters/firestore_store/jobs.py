"""Jobs and their idempotency records on Firestore.

A write succeeds only when the document's update time is still the one that was read. COMPOSITE_INDEXES names the index
of every query that needs one.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from google.api_core import exceptions as google_errors
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud import firestore
from google.cloud.firestore_v1.aggregation import AggregationQuery

from avatar_jobs.adapters.firestore_store.connection import FirestoreConnection, unavailable
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.optimistic import update_optimistically
from avatar_jobs.ports.jobs import AlreadyCreated, Created, JobFilter, OpenJobs, Overview, StoredJob, Updated
from avatar_jobs.protocol.stored_job import from_body, readable, to_columns

JOBS, IDEMPOTENCY = "jobs", "idempotency"  # the two collections
OPEN = [JobStatus.QUEUED.value, JobStatus.RUNNING.value]
# (field, descending). Firestore indexes single fields by itself; Terraform exempts `body` and `write_id` from that.
COMPOSITE_INDEXES: tuple[tuple[tuple[str, bool], ...], ...] = (
    (("client", False), ("created_at", True)),
    (("client", False), ("status", False), ("created_at", True)),
    (("client", False), ("status", False)),
    (("status", False), ("created_at", False)),
)


def _where(query: Any, field: str, operator: str, value: Any) -> Any:
    return query.where(filter=firestore.FieldFilter(field, operator, value))


def _version(snapshot: Any) -> str:
    """Returns a document's update time, which the next write must find unchanged."""
    return str(snapshot.update_time.rfc3339())


def _stored(snapshot: Any) -> StoredJob:
    """Returns the job in a document with its version. Raises StorageUnavailableError for a newer release's record."""
    return StoredJob(from_body(snapshot.get("body")), _version(snapshot))


class FirestoreJobStore:
    """The JobStore port on Firestore.

    pause, jitter, on_conflict: see optimistic.py; draw_id: returns 128 random bits as text, with which a repeated write
    recognises its own first try; on_unreadable: is called with the id of a due job that this release cannot read.
    """

    def __init__(
        self,
        connection: FirestoreConnection,
        *,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
        draw_id: Callable[[], str],
        on_conflict: Callable[[], None],
        on_unreadable: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._pause = pause
        self._jitter = jitter
        self._draw_id = draw_id
        self._on_conflict = on_conflict
        self._on_unreadable = on_unreadable

    @property
    def _jobs(self) -> Any:
        return self._connection.client.collection(JOBS)

    def _idempotency_document(self, client: str, key: str) -> firestore.DocumentReference:
        # Hashed, because a key may be "." or "__x__", which Firestore refuses as document ids.
        name = hashlib.sha256(f"{client}\n{key}".encode()).hexdigest()
        return self._connection.client.collection(IDEMPOTENCY).document(name)

    def create(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """See JobStore.create."""
        write_id = self._draw_id()
        reference = self._jobs.document(job.id)
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
        """Returns the document that blocked a create: the job of another request, or the create's own first try."""
        found = self.find_record(record.client, record.key) if record else None
        if found and found.job_id != job.id:
            self._on_conflict()
            return AlreadyCreated(found)
        own = self.get(job.id)
        if own is None:
            raise StorageUnavailableError("the document that blocked the new job no longer exists")
        return Created(own)

    def find_record(self, client: str, key: str) -> IdempotencyRecord | None:
        """See JobStore.find_record."""
        with unavailable():
            snapshot = self._idempotency_document(client, key).get(**self._connection.limits())
        return IdempotencyRecord.model_validate_json(snapshot.get("body")) if snapshot.exists else None

    def get(self, job_id: str) -> StoredJob | None:
        """See JobStore.get."""
        with unavailable():
            snapshot = self._jobs.document(job_id).get(**self._connection.limits())
        return _stored(snapshot) if snapshot.exists else None

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
        reference = self._jobs.document(job.id)
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
        """Returns the stored job when this write's own first try wrote it, or None when another writer was first."""
        snapshot = self._jobs.document(job_id).get(**self._connection.limits())
        own = snapshot.exists and (snapshot.to_dict() or {}).get("write_id") == write_id
        return _stored(snapshot) if own else None

    def purge(self, job: Job) -> None:
        """See JobStore.purge."""
        batch = self._connection.client.batch()
        batch.delete(self._jobs.document(job.id))
        if job.idempotency_key:
            batch.delete(self._idempotency_document(job.client, job.idempotency_key))
        with unavailable():
            batch.commit(**self._connection.limits())

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """See JobStore.due."""
        query = _where(self._jobs, "next_action_at", "<=", now).order_by("next_action_at").limit(limit)
        with unavailable():
            snapshots = list(query.stream(**self._connection.limits()))
        due = []
        for snapshot in snapshots:
            if job := readable(snapshot.get("body")):
                due.append(StoredJob(job, _version(snapshot)))
            else:
                self._on_unreadable(snapshot.id)
        return due

    def count_open(self, client: str | None) -> int:
        """See JobStore.count_open."""
        query = _where(self._jobs, "status", "in", OPEN)
        return self._count(query if client is None else _where(query, "client", "==", client))

    def _count(self, query: Any) -> int:
        with unavailable():
            result = AggregationQuery(query).count(alias="jobs").get(**self._connection.limits())
        return int(result[0][0].value)

    def list_jobs(self, wanted: JobFilter, limit: int) -> Sequence[Job]:
        """See JobStore.list_jobs."""
        query = _where(self._jobs, "client", "==", wanted.client)
        if wanted.status:
            query = _where(query, "status", "==", wanted.status.value)
        if wanted.created_after:
            query = _where(query, "created_at", ">", wanted.created_after)
        if wanted.created_before:
            query = _where(query, "created_at", "<", wanted.created_before)
        descending = firestore.Query.DESCENDING
        query = query.order_by("created_at", direction=descending).order_by("__name__", direction=descending)
        if wanted.position:
            created_at, job_id = wanted.position
            query = query.start_after({"created_at": created_at, "__name__": self._jobs.document(job_id)})
        with unavailable():
            snapshots = query.limit(limit).stream(**self._connection.limits())
            return [from_body(snapshot.get("body")) for snapshot in snapshots]

    def open_jobs(self) -> OpenJobs:
        """See JobStore.open_jobs."""
        queued, running = (self._count(_where(self._jobs, "status", "==", status)) for status in OPEN)
        return OpenJobs(queued, running, self._oldest_queued_at())

    def overview(self, finished_since: datetime) -> Overview:
        """See JobStore.overview."""
        counts = {}
        for status in JobStatus:
            query = _where(self._jobs, "status", "==", status.value)
            counts[status] = self._count(
                _where(query, "created_at", ">=", finished_since) if status.is_terminal else query
            )
        return Overview(counts, self._oldest_queued_at())

    def _oldest_queued_at(self) -> datetime | None:
        oldest = _where(self._jobs, "status", "==", JobStatus.QUEUED.value).order_by("created_at").limit(1)
        with unavailable():
            found = [snapshot.get("created_at") for snapshot in oldest.stream(**self._connection.limits())]
        return found[0] if found else None
