"""The job store on Firestore: optimistic writes on the document's update time, each call with its own 5 s in all."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from google.api_core import exceptions as google_errors
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.api_core.retry import Retry, if_exception_type
from google.cloud import firestore

from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.jobs import Job
from avatar_jobs.domain.records import from_body, to_columns
from avatar_jobs.optimistic import update_optimistically
from avatar_jobs.ports import AlreadyCreated, Created, StoredJob, Updated

# The client's own defaults retry for over a minute when the service is away; a request has 5 s for the store.
TOTAL_SEC = 5.0
TRY_SEC = 2.5  # one try: a stuck connection leaves time for a second one
TRANSIENT = (
    google_errors.ServiceUnavailable,
    google_errors.DeadlineExceeded,
    google_errors.InternalServerError,
    google_errors.ResourceExhausted,
)

JOBS = "jobs"
IDEMPOTENCY = "idempotency"
FLEET_STATE = "fleet/state"


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turns what the client library raises for a service that does not answer into the port's one error."""
    try:
        yield
    except google_errors.RetryError as error:
        raise StorageUnavailableError("the store did not answer within 5 s") from error
    except google_errors.GoogleAPICallError as error:
        raise StorageUnavailableError(f"the store refused: {error.code or type(error).__name__}") from error


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
    ) -> None:
        self._open = client
        self._opened: firestore.Client | None = None
        self._pause = pause
        self._jitter = jitter
        self._draw_id = draw_id
        self._on_conflict = on_conflict

    @property
    def _client(self) -> firestore.Client:
        self._opened = self._opened or self._open()
        return self._opened

    def _limits(self) -> dict[str, Any]:
        """The retry and time-out of one call."""
        retry = Retry(if_exception_type(*TRANSIENT), initial=0.1, maximum=1.0, timeout=TOTAL_SEC - TRY_SEC)
        return {"retry": retry, "timeout": TRY_SEC}

    def _idempotency_document(self, client: str, key: str) -> firestore.DocumentReference:
        # Hashed, because a key may be "." or "__x__", which are no document ids.
        name = hashlib.sha256(f"{client}\n{key}".encode()).hexdigest()
        return self._client.collection(IDEMPOTENCY).document(name)

    def create(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """See JobStore.create."""
        write_id = self._draw_id()
        reference = self._client.collection(JOBS).document(job.id)
        batch = self._client.batch()
        batch.create(reference, {**to_columns(job), "write_id": write_id})
        if record:
            batch.create(self._idempotency_document(record.client, record.key), {"body": record.model_dump_json()})
        with _unavailable():
            try:
                results = batch.commit(**self._limits())
            except google_errors.AlreadyExists:
                return self._existing(job, record)
        return Created(StoredJob(job, results[0].update_time.rfc3339()))

    def _existing(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """What stands when a create met documents: another request's job, or our own first try."""
        if record:
            snapshot = self._idempotency_document(record.client, record.key).get(**self._limits())
            if snapshot.exists:
                found = IdempotencyRecord.model_validate_json(snapshot.get("body"))
                if found.job_id != job.id:
                    self._on_conflict()
                    return AlreadyCreated(found)
        own = self.get(job.id)
        if own is None:
            raise StorageUnavailableError("a create met a document that is gone again")
        return Created(own)

    def get(self, job_id: str) -> StoredJob | None:
        """See JobStore.get."""
        with _unavailable():
            snapshot = self._client.collection(JOBS).document(job_id).get(**self._limits())
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
        reference = self._client.collection(JOBS).document(job.id)
        read_at = DatetimeWithNanoseconds.from_rfc3339(version)  # type: ignore[no-untyped-call]
        expected = self._client.write_option(last_update_time=read_at)
        batch = self._client.batch()
        batch.update(reference, {**to_columns(job), "write_id": write_id}, option=expected)
        with _unavailable():
            try:
                results = batch.commit(**self._limits())
            except (google_errors.FailedPrecondition, google_errors.Aborted):
                return self._own_write(job.id, write_id)
        return StoredJob(job, results[0].update_time.rfc3339())

    def _own_write(self, job_id: str, write_id: str) -> StoredJob | None:
        """The stored job when a retried write met its own first try; None when another writer was faster."""
        snapshot = self._client.collection(JOBS).document(job_id).get(**self._limits())
        own = snapshot.exists and (snapshot.to_dict() or {}).get("write_id") == write_id
        return _stored(snapshot) if own else None

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """See JobStore.due."""
        query = (
            self._client.collection(JOBS)
            .where(filter=firestore.FieldFilter("next_action_at", "<=", now))
            .order_by("next_action_at")
            .limit(limit)
        )
        with _unavailable():
            return [_stored(snapshot) for snapshot in query.stream(**self._limits())]

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """See JobStore.take_tick_lease."""
        reference = self._client.document(FLEET_STATE)
        with _unavailable():
            snapshot = reference.get(**self._limits())
            lease = (snapshot.to_dict() or {}) if snapshot.exists else {}
            taken_until = lease.get("lease_until")
            if taken_until and taken_until > now and lease.get("lease_holder") != holder:
                return False
            batch = self._client.batch()
            fields = {"lease_holder": holder, "lease_until": until}
            if snapshot.exists:
                unchanged = self._client.write_option(last_update_time=snapshot.update_time)
                batch.update(reference, fields, option=unchanged)
            else:
                batch.create(reference, fields)
            try:
                batch.commit(**self._limits())
            except (google_errors.AlreadyExists, google_errors.FailedPrecondition, google_errors.Aborted):
                return self._lease_holder() == holder
        return True

    def _lease_holder(self) -> str | None:
        snapshot = self._client.document(FLEET_STATE).get(**self._limits())
        return (snapshot.to_dict() or {}).get("lease_holder") if snapshot.exists else None

    def release_tick_lease(self, holder: str, now: datetime) -> None:
        """See JobStore.release_tick_lease."""
        reference = self._client.document(FLEET_STATE)
        with _unavailable():
            snapshot = reference.get(**self._limits())
            if not snapshot.exists or (snapshot.to_dict() or {}).get("lease_holder") != holder:
                return
            batch = self._client.batch()
            unchanged = self._client.write_option(last_update_time=snapshot.update_time)
            batch.update(reference, {"lease_until": None, "last_tick_at": now}, option=unchanged)
            try:
                batch.commit(**self._limits())
            except (google_errors.FailedPrecondition, google_errors.Aborted):
                return  # somebody took the lease after it ran out: it is theirs


def _stored(snapshot: Any) -> StoredJob:
    return StoredJob(from_body(snapshot.get("body")), snapshot.update_time.rfc3339())
