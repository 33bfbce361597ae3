"""Builds what every function needs: clock, randomness, stores, bucket. Network clients connect on first use."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from avatar_jobs.adapters.b2_outputs import B2Outputs
from avatar_jobs.domain.errors import RecordUnreadableError
from avatar_jobs.logs import JsonLog
from avatar_jobs.ports.archive import SnapshotArchive
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.tick_state import TickState
from avatar_jobs.settings import OutputSettings, StoreSettings


def utc_now() -> datetime:
    """Returns the current time."""
    return datetime.now(UTC)


def draw_id() -> str:
    """Returns 128 random bits as 32 hex digits, unguessable and safe in paths and file names."""
    return secrets.token_hex(16)


JITTER: Callable[[], float] = random.SystemRandom().random


@dataclass(frozen=True)
class Stores:
    """The three store ports, on one database."""

    jobs: JobStore
    tick_state: TickState
    archive: SnapshotArchive


def open_stores(settings: StoreSettings, log: JsonLog) -> Stores:
    """Returns the stores that the settings name; they connect on first use. log: for conflicts and unreadable jobs."""

    def on_conflict() -> None:
        log("store_conflict")

    def on_unreadable(error: RecordUnreadableError, *, put_aside: bool) -> None:
        if put_aside:
            log("record_unreadable", level="alarm", job_id=error.job_id, reason=error.reason)
        else:
            log("record_left_out", level="warning", job_id=error.job_id, reason=error.reason)

    if settings.sqlite_path:
        from avatar_jobs.adapters.sqlite_store import SqliteFile, SqliteJobStore, SqliteSnapshotArchive, SqliteTickState

        file = SqliteFile(settings.sqlite_path, pause=time.sleep, jitter=JITTER)
        jobs = SqliteJobStore(
            file, pause=time.sleep, jitter=JITTER, on_conflict=on_conflict, on_unreadable=on_unreadable
        )
        return Stores(jobs, SqliteTickState(file), SqliteSnapshotArchive(file))
    # Google's client takes most of a second to import, and a function on SQLite does not need it.
    from google.cloud import firestore

    from avatar_jobs.adapters import firestore_store

    connection = firestore_store.FirestoreConnection(
        lambda: firestore.Client(project=settings.firestore_project, database=settings.firestore_database)
    )
    return Stores(
        firestore_store.FirestoreJobStore(
            connection,
            pause=time.sleep,
            jitter=JITTER,
            draw_id=draw_id,
            on_conflict=on_conflict,
            on_unreadable=on_unreadable,
        ),
        firestore_store.FirestoreTickState(connection),
        firestore_store.FirestoreSnapshotArchive(connection),
    )


def outputs(settings: OutputSettings) -> B2Outputs:
    """Returns the bucket of finished videos."""
    return B2Outputs(
        endpoint=settings.endpoint,
        region=settings.region,
        key_id=settings.key_id,
        app_key=settings.app_key,
        bucket=settings.bucket,
        download_url=settings.download_url,
        public=settings.public,
    )
