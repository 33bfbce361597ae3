"""Opens each kind of job store, in this process or in another one."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from avatar_jobs.adapters.firestore_store import FirestoreJobStore
from avatar_jobs.adapters.sqlite_store import SqliteJobStore
from avatar_jobs.ports.jobs import JobStore

Place = tuple[str, str]  # ("sqlite", path) or ("firestore", "host:port project")


def open_store(
    place: Place,
    on_conflict: Callable[[], None] = lambda: None,
    on_unreadable: Callable[[str], None] = lambda job_id: None,
) -> JobStore:
    """Opens the store at a place; every process opens its own."""
    kind, where = place
    if kind == "sqlite":
        return SqliteJobStore(
            Path(where), pause=time.sleep, jitter=random.random, on_conflict=on_conflict, on_unreadable=on_unreadable
        )
    address, project = where.split(" ")
    os.environ["FIRESTORE_EMULATOR_HOST"] = address  # read by Google's library alone
    return FirestoreJobStore(
        lambda: firestore.Client(project=project, credentials=AnonymousCredentials()),
        pause=time.sleep,
        jitter=random.random,
        draw_id=lambda: random.randbytes(16).hex(),
        on_conflict=on_conflict,
        on_unreadable=on_unreadable,
    )
