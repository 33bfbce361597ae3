"""Jobs and their idempotency records in the SQLite file."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from avatar_jobs.adapters.sqlite_store.file import SqliteFile, to_text
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.optimistic import update_optimistically
from avatar_jobs.ports.jobs import AlreadyCreated, Created, JobFilter, OpenJobs, Overview, StoredJob, Updated
from avatar_jobs.protocol.stored_job import from_body, readable, to_columns


def _record(connection: sqlite3.Connection, client: str, key: str) -> IdempotencyRecord | None:
    query = "SELECT body FROM idempotency WHERE client = ? AND key = ?"
    row = connection.execute(query, (client, key)).fetchone()
    return IdempotencyRecord.model_validate_json(row[0]) if row else None


class SqliteJobStore:
    """The JobStore port on SQLite.

    pause, jitter, on_conflict: see optimistic.py; on_unreadable: is called with the id of a due job that this release
    cannot read.
    """

    def __init__(
        self,
        file: SqliteFile,
        *,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
        on_conflict: Callable[[], None],
        on_unreadable: Callable[[str], None],
    ) -> None:
        self._file = file
        self._pause = pause
        self._jitter = jitter
        self._on_conflict = on_conflict
        self._on_unreadable = on_unreadable

    def create(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """See JobStore.create."""
        with self._file.transaction(write=True) as connection:
            if record:
                taken = _record(connection, record.client, record.key)
                if taken:
                    self._on_conflict()
                    return AlreadyCreated(taken)
                connection.execute(
                    "INSERT INTO idempotency (client, key, body) VALUES (?, ?, ?)",
                    (record.client, record.key, record.model_dump_json()),
                )
            columns = to_columns(job)
            connection.execute(
                "INSERT INTO jobs (id, client, status, created_at, next_action_at, expires_at, version, body)"
                " VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
                (
                    job.id,
                    columns["client"],
                    columns["status"],
                    to_text(columns["created_at"]),
                    to_text(columns["next_action_at"]),
                    to_text(columns["expires_at"]),
                    columns["body"],
                ),
            )
        return Created(StoredJob(job, "1"))

    def find_record(self, client: str, key: str) -> IdempotencyRecord | None:
        """See JobStore.find_record."""
        with self._file.transaction() as connection:
            return _record(connection, client, key)

    def get(self, job_id: str) -> StoredJob | None:
        """See JobStore.get."""
        with self._file.transaction() as connection:
            row = connection.execute("SELECT body, version FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return StoredJob(from_body(row[0]), str(row[1])) if row else None

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
        columns = to_columns(job)
        with self._file.transaction(write=True) as connection:
            written = connection.execute(
                "UPDATE jobs SET status = ?, next_action_at = ?, expires_at = ?, body = ?, version = version + 1"
                " WHERE id = ? AND version = ?",
                (
                    columns["status"],
                    to_text(columns["next_action_at"]),
                    to_text(columns["expires_at"]),
                    columns["body"],
                    job.id,
                    int(version),
                ),
            ).rowcount
        return StoredJob(job, str(int(version) + 1)) if written else None

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """See JobStore.due."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT id, body, version FROM jobs WHERE next_action_at <= ? ORDER BY next_action_at LIMIT ?",
                (to_text(now), limit),
            ).fetchall()
        due = []
        for job_id, body, version in rows:
            if job := readable(body):
                due.append(StoredJob(job, str(version)))
            else:
                self._on_unreadable(job_id)
        return due

    def count_open(self, client: str | None) -> int:
        """See JobStore.count_open."""
        of_client = "" if client is None else " AND client = ?"
        parameters = () if client is None else (client,)
        with self._file.transaction() as connection:
            row = connection.execute(
                f"SELECT count(*) FROM jobs WHERE status IN ('queued', 'running'){of_client}",  # noqa: S608  no input in it
                parameters,
            ).fetchone()
        return int(row[0])

    def list_jobs(self, wanted: JobFilter, limit: int) -> Sequence[Job]:
        """See JobStore.list_jobs."""
        clauses: list[tuple[str, tuple[str | None, ...]]] = [("client = ?", (wanted.client,))]
        if wanted.status:
            clauses.append(("status = ?", (wanted.status.value,)))
        if wanted.created_after:
            clauses.append(("created_at > ?", (to_text(wanted.created_after),)))
        if wanted.created_before:
            clauses.append(("created_at < ?", (to_text(wanted.created_before),)))
        if wanted.position:
            clauses.append(("(created_at, id) < (?, ?)", (to_text(wanted.position[0]), wanted.position[1])))
        where = " AND ".join(clause for clause, _ in clauses)
        parameters = [value for _, values in clauses for value in values]
        with self._file.transaction() as connection:
            rows = connection.execute(
                f"SELECT body FROM jobs WHERE {where} ORDER BY created_at DESC, id DESC LIMIT ?",  # noqa: S608  no input in it
                (*parameters, limit),
            ).fetchall()
        return [from_body(body) for (body,) in rows]

    def overview(self, finished_since: datetime) -> Overview:
        """See JobStore.overview."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT status, count(*) FROM jobs WHERE status IN ('queued', 'running') OR created_at >= ?"
                " GROUP BY status",
                (to_text(finished_since),),
            ).fetchall()
            oldest = connection.execute("SELECT min(created_at) FROM jobs WHERE status = 'queued'").fetchone()[0]
        counts = {JobStatus(status): int(count) for status, count in rows}
        return Overview(
            {status: counts.get(status, 0) for status in JobStatus}, datetime.fromisoformat(oldest) if oldest else None
        )

    def open_jobs(self) -> OpenJobs:
        """See JobStore.open_jobs."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT status, count(*), min(created_at) FROM jobs WHERE status IN ('queued', 'running')"
                " GROUP BY status"
            ).fetchall()
        counts = {status: int(count) for status, count, _ in rows}
        oldest = next((created for status, _, created in rows if status == JobStatus.QUEUED.value), None)
        return OpenJobs(
            counts.get("queued", 0), counts.get("running", 0), datetime.fromisoformat(oldest) if oldest else None
        )

    def purge(self, job: Job) -> None:
        """See JobStore.purge."""
        with self._file.transaction(write=True) as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
            connection.execute(
                "DELETE FROM idempotency WHERE client = ? AND key = ?", (job.client, job.idempotency_key)
            )
