"""What every function needs: the clock, randomness, the job store, the bucket. Network clients open on first use."""

import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from avatar_jobs.adapters.b2_outputs import B2Outputs
from avatar_jobs.logs import JsonLog
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.settings import OutputSettings, StoreSettings


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


def draw_id() -> str:
    """128 random bits as 32 hex digits: unguessable, safe in paths and file names."""
    return secrets.token_hex(16)


JITTER: Callable[[], float] = random.SystemRandom().random


def job_store(settings: StoreSettings, log: JsonLog) -> JobStore:
    """The job store that the settings ask for."""

    def on_conflict() -> None:
        log("store_conflict")

    def on_unreadable(job_id: str) -> None:
        log("due_job_unreadable", level="error", job_id=job_id)

    if settings.sqlite_path:
        from avatar_jobs.adapters.sqlite_store import SqliteJobStore

        return SqliteJobStore(
            settings.sqlite_path, pause=time.sleep, jitter=JITTER, on_conflict=on_conflict, on_unreadable=on_unreadable
        )
    # Google's client costs most of a second to import: a function on SQLite does not pay for it.
    from google.cloud import firestore

    from avatar_jobs.adapters.firestore_store import FirestoreJobStore

    return FirestoreJobStore(
        lambda: firestore.Client(project=settings.firestore_project, database=settings.firestore_database),
        pause=time.sleep,
        jitter=JITTER,
        draw_id=draw_id,
        on_conflict=on_conflict,
        on_unreadable=on_unreadable,
    )


def outputs(settings: OutputSettings) -> B2Outputs:
    """The bucket."""
    return B2Outputs(
        endpoint=settings.endpoint,
        region=settings.region,
        key_id=settings.key_id,
        app_key=settings.app_key,
        bucket=settings.bucket,
        download_url=settings.download_url,
        public=settings.public,
    )
