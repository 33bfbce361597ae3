"""The queries over jobs; every one that needs a composite index is named in COMPOSITE_INDEXES."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from google.cloud import firestore
from google.cloud.firestore_v1.aggregation import AggregationQuery

from avatar_jobs.adapters.firestore_store.calls import FirestoreConnection, stored, unavailable
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.ports.jobs import JobFilter, OpenJobs, Overview, StoredJob
from avatar_jobs.protocol.stored_job import from_body, readable

OPEN = [JobStatus.QUEUED.value, JobStatus.RUNNING.value]
# (field, descending); single fields are indexed by themselves, `body` and `write_id` must be exempt.
COMPOSITE_INDEXES: tuple[tuple[tuple[str, bool], ...], ...] = (
    (("client", False), ("created_at", True)),
    (("client", False), ("status", False), ("created_at", True)),
    (("client", False), ("status", False)),
    (("status", False), ("created_at", False)),
)


def _where(query: Any, field: str, operator: str, value: Any) -> Any:
    return query.where(filter=firestore.FieldFilter(field, operator, value))


class JobQueries:
    """The part of the JobStore port that looks at many jobs. on_unreadable: told the id of a due job that this release
    cannot read."""

    def __init__(self, connection: FirestoreConnection, on_unreadable: Callable[[str], None]) -> None:
        self._connection = connection
        self._on_unreadable = on_unreadable

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """See JobStore.due."""
        query = (
            self._connection.jobs.where(filter=firestore.FieldFilter("next_action_at", "<=", now))
            .order_by("next_action_at")
            .limit(limit)
        )
        with unavailable():
            snapshots = list(query.stream(**self._connection.limits()))
        for snapshot in snapshots:
            if readable(snapshot.get("body")) is None:
                self._on_unreadable(snapshot.id)
        return [stored(snapshot) for snapshot in snapshots if readable(snapshot.get("body"))]

    def count_open(self, client: str | None) -> int:
        """See JobStore.count_open."""
        query = _where(self._connection.jobs, "status", "in", OPEN)
        return self._count(query if client is None else _where(query, "client", "==", client))

    def _count(self, query: Any) -> int:
        with unavailable():
            result = AggregationQuery(query).count(alias="jobs").get(**self._connection.limits())
        return int(result[0][0].value)

    def list_jobs(self, wanted: JobFilter, limit: int) -> Sequence[Job]:
        """See JobStore.list_jobs."""
        query = _where(self._connection.jobs, "client", "==", wanted.client)
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
            query = query.start_after({"created_at": created_at, "__name__": self._connection.jobs.document(job_id)})
        with unavailable():
            snapshots = query.limit(limit).stream(**self._connection.limits())
            return [from_body(snapshot.get("body")) for snapshot in snapshots]

    def open_jobs(self) -> OpenJobs:
        """See JobStore.open_jobs."""
        queued, running = (self._count(_where(self._connection.jobs, "status", "==", status)) for status in OPEN)
        return OpenJobs(queued, running, self._oldest_queued_at())

    def overview(self, finished_since: datetime) -> Overview:
        """See JobStore.overview."""
        counts = {}
        for status in JobStatus:
            query = _where(self._connection.jobs, "status", "==", status.value)
            counts[status] = self._count(
                _where(query, "created_at", ">=", finished_since) if status.is_terminal else query
            )
        return Overview(counts, self._oldest_queued_at())

    def _oldest_queued_at(self) -> datetime | None:
        oldest = _where(self._connection.jobs, "status", "==", JobStatus.QUEUED.value).order_by("created_at").limit(1)
        with unavailable():
            found = [snapshot.get("created_at") for snapshot in oldest.stream(**self._connection.limits())]
        return found[0] if found else None
