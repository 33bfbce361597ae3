"""Jobs and their idempotency records on Firestore.

A write succeeds only when the document's update time is still the one that was read. COMPOSITE_INDEXES names the index
of every query that needs one.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from google.api_core import exceptions as google_errors
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud import firestore
from google.cloud.firestore_v1.aggregation import AggregationQuery

from avatar_jobs.adapters.firestore_store.connection import FirestoreConnection, unavailable
from avatar_jobs.adapters.firestore_store.documents import (
    fields_of,
    moment,
    put_aside_mark,
    readable,
    stored_in,
    times_put_aside,
)
from avatar_jobs.domain.errors import RecordUnreadableError, StorageUnavailableError
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.domain.retry_policy import put_aside_delay
from avatar_jobs.optimistic import update_optimistically
from avatar_jobs.ports.jobs import (
    AlreadyCreated,
    Created,
    JobFilter,
    OnUnreadable,
    OpenJobs,
    Overview,
    PutAside,
    StoredJob,
    Updated,
)
from avatar_jobs.protocol.stored_job import key_expires_at, read_idempotency_record, to_columns
from avatar_jobs.unreadable import Listed, due_jobs, listed_jobs

JOBS, IDEMPOTENCY = "jobs", "idempotency"  # the two collections
PUT_ASIDE_BATCH = 100  # documents in one commit: 500 of them take five, well within a second
OPEN = [JobStatus.QUEUED.value, JobStatus.RUNNING.value]
# (field, descending). Firestore indexes single fields by itself; Terraform exempts `body` and `write_id` from that.
COMPOSITE_INDEXES: tuple[tuple[tuple[str, bool], ...], ...] = (
    (("client", False), ("created_at", True)),
    (("client", False), ("status", False), ("created_at", True)),
    (("client", False), ("request_id", False), ("created_at", True)),
    (("client", False), ("request_id", False), ("status", False), ("created_at", True)),
    (("client", False), ("status", False)),
    (("status", False), ("created_at", False)),
)


def _where(query: Any, field: str, operator: str, value: Any) -> Any:
    return query.where(filter=firestore.FieldFilter(field, operator, value))


class FirestoreJobStore:
    """The JobStore port on Firestore.

    pause, jitter, on_conflict: see optimistic.py; draw_id: returns 128 random bits as text, with which a repeated write
    recognises its own first try; on_unreadable: see OnUnreadable.
    """

    def __init__(
        self,
        connection: FirestoreConnection,
        *,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
        draw_id: Callable[[], str],
        on_conflict: Callable[[], None],
        on_unreadable: OnUnreadable,
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
            fields = {"body": record.model_dump_json(), "expires_at": key_expires_at(job)}
            batch.create(self._idempotency_document(record.client, record.key), fields)
        with unavailable(writes=True):
            try:
                results = batch.commit(**self._connection.limits())
            except google_errors.AlreadyExists:
                try:
                    return self._existing(job, record)
                except StorageUnavailableError as error:  # the document may be this create's own first try
                    raise StorageUnavailableError(str(error), may_have_written=True) from error
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
        return read_idempotency_record(client, fields_of(snapshot).get("body")) if snapshot.exists else None

    def get(self, job_id: str) -> StoredJob | None:
        """See JobStore.get."""
        with unavailable():
            snapshot = self._jobs.document(job_id).get(**self._connection.limits())
        return stored_in(snapshot) if snapshot.exists else None

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
        fields = {**to_columns(job), "write_id": write_id, "put_aside": firestore.DELETE_FIELD}
        batch.update(reference, fields, option=expected)
        with unavailable(writes=True):
            try:
                results = batch.commit(**self._connection.limits())
            except (google_errors.FailedPrecondition, google_errors.Aborted):
                return self._own_write(job.id, write_id)
        return StoredJob(job, results[0].update_time.rfc3339())

    def _own_write(self, job_id: str, write_id: str) -> StoredJob | None:
        """Returns the stored job when this write's own first try wrote it, or None when another writer was first."""
        snapshot = self._jobs.document(job_id).get(**self._connection.limits())
        own = snapshot.exists and fields_of(snapshot).get("write_id") == write_id
        return stored_in(snapshot) if own else None

    def forget_key(self, record: IdempotencyRecord) -> None:
        """See JobStore.forget_key."""
        reference = self._idempotency_document(record.client, record.key)
        with unavailable():
            snapshot = reference.get(**self._connection.limits())
            if not snapshot.exists:
                return
            found = read_idempotency_record(record.client, fields_of(snapshot).get("body"))
            if found.job_id != record.job_id:
                return
            batch = self._connection.client.batch()
            batch.delete(reference, option=self._connection.client.write_option(last_update_time=snapshot.update_time))
            try:
                batch.commit(**self._connection.limits())
            except (google_errors.FailedPrecondition, google_errors.Aborted, google_errors.NotFound):
                return  # another request was faster

    def purge(self, job: Job) -> None:
        """See JobStore.purge."""
        batch = self._connection.client.batch()
        batch.delete(self._jobs.document(job.id))
        if job.idempotency_key:
            batch.delete(self._idempotency_document(job.client, job.idempotency_key))
        with unavailable(writes=True):
            batch.commit(**self._connection.limits())

    def due(self, now: datetime, limit: int, *, put_aside: bool = False) -> Sequence[StoredJob]:
        """See JobStore.due."""
        move_on = partial(self._put_aside, now=now) if put_aside else None
        return due_jobs(lambda: self._due(now, limit), move_on, self._on_unreadable, limit)

    def _due(self, now: datetime, limit: int) -> tuple[list[StoredJob], list[tuple[RecordUnreadableError, Any]]]:
        """Returns the due jobs that can be read, and the due records that cannot, with their documents."""
        query = _where(self._jobs, "next_action_at", "<=", now).order_by("next_action_at").limit(limit)
        with unavailable():
            snapshots = list(query.stream(**self._connection.limits()))
        due, unreadable = [], []
        for snapshot in snapshots:
            read = readable(snapshot)
            if isinstance(read, StoredJob):
                due.append(read)
            else:
                unreadable.append((read, snapshot))
        return due, unreadable

    def _put_aside(self, unreadable: Sequence[tuple[RecordUnreadableError, Any]], now: datetime) -> bool:
        """Moves records on, each unless it was written in the meantime. Returns False when the store refuses."""
        try:
            for start in range(0, len(unreadable), PUT_ASIDE_BATCH):
                batched = unreadable[start : start + PUT_ASIDE_BATCH]
                if not self._move_on(batched, now):  # one of them was written in the meantime
                    for one in batched:
                        self._move_on([one], now)
        except StorageUnavailableError:
            return False
        return True

    def _move_on(self, unreadable: Sequence[tuple[RecordUnreadableError, Any]], now: datetime) -> bool:
        """Moves records on in one batch. Returns False, with nothing written, when one of them has changed."""
        batch = self._connection.client.batch()
        for error, snapshot in unreadable:
            times = times_put_aside(snapshot)
            since = moment(put_aside_mark(snapshot).get("since")) or now
            fields = {
                "next_action_at": now + put_aside_delay(times),
                "put_aside": {"since": since, "times": times + 1, "reason": error.reason},
            }
            unchanged = self._connection.client.write_option(last_update_time=snapshot.update_time)
            batch.update(snapshot.reference, fields, option=unchanged)
        with unavailable(writes=True):
            try:
                batch.commit(**self._connection.limits())
            except (google_errors.FailedPrecondition, google_errors.Aborted, google_errors.NotFound):
                return False
        return True

    def unreadable(self, limit: int) -> Sequence[PutAside]:
        """See JobStore.unreadable."""
        marked = _where(self._jobs, "put_aside.since", ">", datetime.fromtimestamp(0, UTC))
        with unavailable():
            snapshots = list(marked.order_by("put_aside.since").limit(limit).stream(**self._connection.limits()))
        found = []
        for snapshot in snapshots:
            read = readable(snapshot)
            if isinstance(read, RecordUnreadableError):
                fields, times = fields_of(snapshot), times_put_aside(snapshot)
                status, next_try_at = str(fields.get("status") or ""), moment(fields.get("next_action_at"))
                since = moment(put_aside_mark(snapshot).get("since"))
                found.append(PutAside(read.job_id, read.client, status, since, times, read.reason, next_try_at))
        return found

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
        return listed_jobs(self._listed, wanted, limit, self._on_unreadable)

    def _listed(self, wanted: JobFilter, limit: int) -> Sequence[Listed]:
        found = []
        for snapshot in self._snapshots(wanted, limit):
            read = readable(snapshot)
            job = read.job if isinstance(read, StoredJob) else read
            found.append((job, moment(fields_of(snapshot).get("created_at")), snapshot.id))
        return found

    def _snapshots(self, wanted: JobFilter, limit: int) -> list[Any]:
        """Returns the documents that match a filter, newest first."""
        query = _where(self._jobs, "client", "==", wanted.client)
        if wanted.statuses is not None:
            query = _where(query, "status", "in", [status.value for status in wanted.statuses])
        if wanted.request_id is not None:
            query = _where(query, "request_id", "==", wanted.request_id)
        if wanted.created_after:
            query = _where(query, "created_at", ">=", wanted.created_after)
        if wanted.created_before:
            query = _where(query, "created_at", "<", wanted.created_before)
        descending = firestore.Query.DESCENDING
        query = query.order_by("created_at", direction=descending).order_by("__name__", direction=descending)
        if wanted.position:
            created_at, job_id = wanted.position
            query = query.start_after({"created_at": created_at, "__name__": self._jobs.document(job_id)})
        with unavailable():
            return list(query.limit(limit).stream(**self._connection.limits()))

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
            found = [fields_of(snapshot).get("created_at") for snapshot in oldest.stream(**self._connection.limits())]
        return moment(found[0]) if found else None
