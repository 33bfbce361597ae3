"""Opens each kind of job store, in this process or in another one."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from avatar_jobs.adapters.firestore_store import (
    FirestoreConnection,
    FirestoreJobStore,
    FirestoreSnapshotArchive,
    FirestoreTickState,
)
from avatar_jobs.adapters.sqlite_store import SqliteFile, SqliteJobStore, SqliteSnapshotArchive, SqliteTickState
from avatar_jobs.bootstrap.common import Stores
from avatar_jobs.ports.jobs import JobStore

Place = tuple[str, str]  # ("sqlite", path) or ("firestore", "host:port project")


def open_stores(
    place: Place,
    on_conflict: Callable[[], None] = lambda: None,
    on_unreadable: Callable[[str], None] = lambda job_id: None,
) -> Stores:
    """Opens the three ports of the store at a place; every process opens its own."""
    kind, where = place
    if kind == "sqlite":
        file = SqliteFile(Path(where), pause=time.sleep, jitter=random.random)
        return Stores(
            SqliteJobStore(
                file, pause=time.sleep, jitter=random.random, on_conflict=on_conflict, on_unreadable=on_unreadable
            ),
            SqliteTickState(file),
            SqliteSnapshotArchive(file),
        )
    address, project = where.split(" ")
    os.environ["FIRESTORE_EMULATOR_HOST"] = address  # read by Google's library alone
    connection = FirestoreConnection(lambda: firestore.Client(project=project, credentials=AnonymousCredentials()))
    return Stores(
        FirestoreJobStore(
            connection,
            pause=time.sleep,
            jitter=random.random,
            draw_id=lambda: random.randbytes(16).hex(),
            on_conflict=on_conflict,
            on_unreadable=on_unreadable,
        ),
        FirestoreTickState(connection),
        FirestoreSnapshotArchive(connection),
    )


def open_store(
    place: Place,
    on_conflict: Callable[[], None] = lambda: None,
    on_unreadable: Callable[[str], None] = lambda job_id: None,
) -> JobStore:
    """Opens the jobs alone."""
    return open_stores(place, on_conflict, on_unreadable).jobs
