"""The job store on one SQLite file: the rehearsal's embedded default, shared by several processes."""

import json
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from avatar_jobs.adapters.sqlite_store.schema import SCHEMA
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.domain.retry_policy import conflict_delay
from avatar_jobs.optimistic import update_optimistically
from avatar_jobs.ports.jobs import AlreadyCreated, Created, JobFilter, OpenJobs, Overview, StoredJob, Updated
from avatar_jobs.ports.tick_state import FleetState
from avatar_jobs.protocol.stored_job import from_body, readable, to_columns

BUSY_SEC = 4.5  # how long a writer waits for another one's lock: inside the port's 5 s
SWITCH_TRIES = 20  # some 5 s with the store's own back-off


def _text(moment: datetime | None) -> str | None:
    """Fixed-width UTC text, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else None


def _record(connection: sqlite3.Connection, client: str, key: str) -> IdempotencyRecord | None:
    query = "SELECT body FROM idempotency WHERE client = ? AND key = ?"
    row = connection.execute(query, (client, key)).fetchone()
    return IdempotencyRecord.model_validate_json(row[0]) if row else None


class SqliteJobStore:
    """Fills the JobStore port. path: the file; pause, jitter, on_conflict: see optimistic.py; on_unreadable: told the
    id of a due job that this release cannot read."""

    def __init__(
        self,
        path: Path,
        *,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
        on_conflict: Callable[[], None],
        on_unreadable: Callable[[str], None],
    ) -> None:
        self._path = path
        self._pause = pause
        self._jitter = jitter
        self._on_conflict = on_conflict
        self._on_unreadable = on_unreadable
        self._prepared = False

    @contextmanager
    def _connection(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One connection for one operation; a write holds the file's write lock from its first statement."""
        try:
            connection = sqlite3.connect(self._path, timeout=BUSY_SEC, isolation_level=None)
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"the store's file cannot be opened: {error}") from error
        try:
            self._prepare(connection)
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"the store failed: {error}") from error
        finally:
            connection.close()  # an open transaction is rolled back

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._prepared:
            self._switch_to_write_ahead_log(connection)
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            self._keep_open()
            self._prepared = True
        # A crash of the whole machine may lose the last second of a rehearsal; a crash of a process loses nothing.
        connection.execute("PRAGMA synchronous = NORMAL")

    def _keep_open(self) -> None:
        """Keeps one idle connection: closing the last one would write back and delete the log after every operation."""
        keeper = sqlite3.connect(self._path, check_same_thread=False)
        keeper.execute("SELECT id FROM fleet").fetchall()
        weakref.finalize(self, keeper.close)

    def _switch_to_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        """SQLite does not wait for a lock here as it does elsewhere, and processes that start together collide."""
        for tries in range(SWITCH_TRIES):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if tries == SWITCH_TRIES - 1:
                    raise
                self._pause(conflict_delay(tries, self._jitter()))
            else:
                return

    def create(self, job: Job, record: IdempotencyRecord | None) -> Created | AlreadyCreated:
        """See JobStore.create."""
        with self._connection(write=True) as connection:
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
                    _text(columns["created_at"]),
                    _text(columns["next_action_at"]),
                    _text(columns["expires_at"]),
                    columns["body"],
                ),
            )
        return Created(StoredJob(job, "1"))

    def find_record(self, client: str, key: str) -> IdempotencyRecord | None:
        """See JobStore.find_record."""
        with self._connection() as connection:
            return _record(connection, client, key)

    def get(self, job_id: str) -> StoredJob | None:
        """See JobStore.get."""
        with self._connection() as connection:
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
        with self._connection(write=True) as connection:
            written = connection.execute(
                "UPDATE jobs SET status = ?, next_action_at = ?, expires_at = ?, body = ?, version = version + 1"
                " WHERE id = ? AND version = ?",
                (
                    columns["status"],
                    _text(columns["next_action_at"]),
                    _text(columns["expires_at"]),
                    columns["body"],
                    job.id,
                    int(version),
                ),
            ).rowcount
        return StoredJob(job, str(int(version) + 1)) if written else None

    def due(self, now: datetime, limit: int) -> Sequence[StoredJob]:
        """See JobStore.due."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT id, body, version FROM jobs WHERE next_action_at <= ? ORDER BY next_action_at LIMIT ?",
                (_text(now), limit),
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
        with self._connection() as connection:
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
            clauses.append(("created_at > ?", (_text(wanted.created_after),)))
        if wanted.created_before:
            clauses.append(("created_at < ?", (_text(wanted.created_before),)))
        if wanted.position:
            clauses.append(("(created_at, id) < (?, ?)", (_text(wanted.position[0]), wanted.position[1])))
        where = " AND ".join(clause for clause, _ in clauses)
        parameters = [value for _, values in clauses for value in values]
        with self._connection() as connection:
            rows = connection.execute(
                f"SELECT body FROM jobs WHERE {where} ORDER BY created_at DESC, id DESC LIMIT ?",  # noqa: S608  no input in it
                (*parameters, limit),
            ).fetchall()
        return [from_body(body) for (body,) in rows]

    def overview(self, finished_since: datetime) -> Overview:
        """See JobStore.overview."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT status, count(*) FROM jobs WHERE status IN ('queued', 'running') OR created_at >= ?"
                " GROUP BY status",
                (_text(finished_since),),
            ).fetchall()
            oldest = connection.execute("SELECT min(created_at) FROM jobs WHERE status = 'queued'").fetchone()[0]
        counts = {JobStatus(status): int(count) for status, count in rows}
        return Overview(
            {status: counts.get(status, 0) for status in JobStatus}, datetime.fromisoformat(oldest) if oldest else None
        )

    def open_jobs(self) -> OpenJobs:
        """See JobStore.open_jobs."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT status, count(*), min(created_at) FROM jobs WHERE status IN ('queued', 'running')"
                " GROUP BY status"
            ).fetchall()
        counts = {status: int(count) for status, count, _ in rows}
        oldest = next((created for status, _, created in rows if status == JobStatus.QUEUED.value), None)
        return OpenJobs(
            counts.get("queued", 0), counts.get("running", 0), datetime.fromisoformat(oldest) if oldest else None
        )

    def archive_snapshot(self, at: datetime, record: Mapping[str, Any], expires_at: datetime) -> None:
        """See JobStore.archive_snapshot."""
        with self._connection(write=True) as connection:
            connection.execute("DELETE FROM snapshots WHERE expires_at <= ?", (_text(at),))
            connection.execute(
                "INSERT OR REPLACE INTO snapshots (at, expires_at, body) VALUES (?, ?, ?)",
                (_text(at), _text(expires_at), json.dumps(record)),
            )

    def archived_snapshots(self, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """See JobStore.archived_snapshots."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT body FROM snapshots WHERE at >= ? AND at < ? ORDER BY at", (_text(since), _text(until))
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def purge(self, job: Job) -> None:
        """See JobStore.purge."""
        with self._connection(write=True) as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
            connection.execute(
                "DELETE FROM idempotency WHERE client = ? AND key = ?", (job.client, job.idempotency_key)
            )

    def fleet_state(self) -> FleetState:
        """See JobStore.fleet_state."""
        with self._connection() as connection:
            last_tick_at, body = connection.execute(
                "SELECT last_tick_at, body FROM fleet WHERE id = 'state'"
            ).fetchone()
        ended = datetime.fromisoformat(last_tick_at) if last_tick_at else None
        return FleetState(ended, json.loads(body) if body else {})

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """See JobStore.take_tick_lease."""
        with self._connection(write=True) as connection:
            taken = connection.execute(
                "UPDATE fleet SET lease_holder = ?, lease_until = ? WHERE id = 'state'"
                " AND (lease_until IS NULL OR lease_until <= ? OR lease_holder = ?)",
                (holder, _text(until), _text(now), holder),
            ).rowcount
        return taken == 1

    def release_tick_lease(self, holder: str, now: datetime, fleet: Mapping[str, Any] | None) -> None:
        """See JobStore.release_tick_lease."""
        with self._connection(write=True) as connection:
            if fleet is None:
                connection.execute(
                    "UPDATE fleet SET lease_until = NULL WHERE id = 'state' AND lease_holder = ?", (holder,)
                )
                return
            connection.execute(
                "UPDATE fleet SET lease_until = NULL, last_tick_at = ?, body = ?"
                " WHERE id = 'state' AND lease_holder = ?",
                (_text(now), json.dumps(fleet), holder),
            )
