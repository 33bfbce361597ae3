"""Jobs and their idempotency records in the SQLite file."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from avatar_jobs.adapters.sqlite_store.file import SqliteFile, from_text, to_text
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
from avatar_jobs.protocol.stored_job import read_idempotency_record, read_job, readable, to_columns
from avatar_jobs.unreadable import Listed, due_jobs, listed_jobs


def _record(connection: sqlite3.Connection, client: str, key: str) -> IdempotencyRecord | None:
    query = "SELECT body FROM idempotency WHERE client = ? AND key = ?"
    row = connection.execute(query, (client, key)).fetchone()
    return read_idempotency_record(client, row[0]) if row else None


class SqliteJobStore:
    """The JobStore port on SQLite.

    pause, jitter, on_conflict: see optimistic.py; on_unreadable: see OnUnreadable.
    """

    def __init__(
        self,
        file: SqliteFile,
        *,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
        on_conflict: Callable[[], None],
        on_unreadable: OnUnreadable,
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
            row = connection.execute("SELECT client, body, version FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return StoredJob(read_job(job_id, row[0], row[1]), str(row[2])) if row else None

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
            connection.execute("DELETE FROM put_aside WHERE id = ?", (job.id,))
        return StoredJob(job, str(int(version) + 1)) if written else None

    def due(self, now: datetime, limit: int, *, put_aside: bool = False) -> Sequence[StoredJob]:
        """See JobStore.due."""
        move_on = partial(self._put_aside, now=now) if put_aside else None
        return due_jobs(lambda: self._due(now, limit), move_on, self._on_unreadable, limit)

    def _due(self, now: datetime, limit: int) -> tuple[list[StoredJob], list[tuple[RecordUnreadableError, int]]]:
        """Returns the due jobs that can be read, and the due records that cannot, with their versions."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT id, client, body, version FROM jobs WHERE next_action_at <= ? ORDER BY next_action_at LIMIT ?",
                (to_text(now), limit),
            ).fetchall()
        due, unreadable = [], []
        for job_id, client, body, version in rows:
            job = readable(job_id, client, body)
            if isinstance(job, Job):
                due.append(StoredJob(job, str(version)))
            else:
                unreadable.append((job, version))
        return due, unreadable

    def _put_aside(self, unreadable: Sequence[tuple[RecordUnreadableError, int]], now: datetime) -> bool:
        """Moves records on, each unless it was written in the meantime. Returns False when the store refuses."""
        try:
            with self._file.transaction(write=True) as connection:
                for error, version in unreadable:
                    row = connection.execute("SELECT times FROM put_aside WHERE id = ?", (error.job_id,)).fetchone()
                    times = row[0] if row else 0
                    moved = connection.execute(
                        "UPDATE jobs SET next_action_at = ? WHERE id = ? AND version = ?",
                        (to_text(now + put_aside_delay(times)), error.job_id, version),
                    ).rowcount
                    if moved:
                        connection.execute(
                            "INSERT INTO put_aside (id, since, times, reason) VALUES (?, ?, 1, ?)"
                            " ON CONFLICT (id) DO UPDATE SET times = times + 1, reason = excluded.reason",
                            (error.job_id, to_text(now), error.reason),
                        )
        except StorageUnavailableError:
            return False
        return True

    def unreadable(self, limit: int) -> Sequence[PutAside]:
        """See JobStore.unreadable."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT id, client, status, body, since, times, next_action_at FROM put_aside JOIN jobs USING (id)"
                " ORDER BY since LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            PutAside(job_id, client, status, from_text(since), times, read.reason, from_text(next_try_at))
            for job_id, client, status, body, since, times, next_try_at in rows
            if isinstance(read := readable(job_id, client, body), RecordUnreadableError)
        ]

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
        return listed_jobs(self._listed, wanted, limit, self._on_unreadable)

    def _listed(self, wanted: JobFilter, limit: int) -> Sequence[Listed]:
        rows = self._rows(wanted, limit)
        return [
            (readable(job_id, client, body), from_text(created_at), job_id) for job_id, client, body, created_at in rows
        ]

    def _rows(self, wanted: JobFilter, limit: int) -> list[tuple[str, str, str, str]]:
        """Returns id, client, body and created_at of the records that match a filter, newest first."""
        clauses: list[tuple[str, tuple[str | None, ...]]] = [("client = ?", (wanted.client,))]
        if wanted.statuses is not None:
            places = ", ".join("?" for _ in wanted.statuses)
            clauses.append((f"status IN ({places})", tuple(status.value for status in wanted.statuses)))
        if wanted.request_id is not None:  # without a column of its own, which files of an older release lack
            text = "CASE WHEN json_valid(body) THEN json_extract(body, '$.request_id') END"
            clauses.append((f"{text} = ?", (wanted.request_id,)))
        if wanted.created_after:
            clauses.append(("created_at >= ?", (to_text(wanted.created_after),)))
        if wanted.created_before:
            clauses.append(("created_at < ?", (to_text(wanted.created_before),)))
        if wanted.position:
            clauses.append(("(created_at, id) < (?, ?)", (to_text(wanted.position[0]), wanted.position[1])))
        where = " AND ".join(clause for clause, _ in clauses)
        parameters = [value for _, values in clauses for value in values]
        with self._file.transaction() as connection:
            return connection.execute(
                f"SELECT id, client, body, created_at FROM jobs WHERE {where}"  # noqa: S608  no input in it
                " ORDER BY created_at DESC, id DESC LIMIT ?",
                (*parameters, limit),
            ).fetchall()

    def overview(self, finished_since: datetime) -> Overview:
        """See JobStore.overview."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT status, count(*) FROM jobs WHERE status IN ('queued', 'running') OR created_at >= ?"
                " GROUP BY status",
                (to_text(finished_since),),
            ).fetchall()
            oldest = connection.execute("SELECT min(created_at) FROM jobs WHERE status = 'queued'").fetchone()[0]
        counts = {status: int(count) for status, count in rows}
        return Overview({status: counts.get(status.value, 0) for status in JobStatus}, from_text(oldest))

    def open_jobs(self) -> OpenJobs:
        """See JobStore.open_jobs."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT status, count(*), min(created_at) FROM jobs WHERE status IN ('queued', 'running')"
                " GROUP BY status"
            ).fetchall()
        counts = {status: int(count) for status, count, _ in rows}
        oldest = next((created for status, _, created in rows if status == JobStatus.QUEUED.value), None)
        return OpenJobs(counts.get("queued", 0), counts.get("running", 0), from_text(oldest))

    def forget_key(self, record: IdempotencyRecord) -> None:
        """See JobStore.forget_key."""
        with self._file.transaction(write=True) as connection:
            found = _record(connection, record.client, record.key)
            if found and found.job_id == record.job_id:
                connection.execute("DELETE FROM idempotency WHERE client = ? AND key = ?", (record.client, record.key))

    def purge(self, job: Job) -> None:
        """See JobStore.purge."""
        with self._file.transaction(write=True) as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
            connection.execute("DELETE FROM put_aside WHERE id = ?", (job.id,))
            connection.execute(
                "DELETE FROM idempotency WHERE client = ? AND key = ?", (job.client, job.idempotency_key)
            )
