"""Opens each kind of job store, in this process or in another one."""

import json
import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from avatar_jobs.domain.job.model import Job
from avatar_jobs.ports.jobs import JobStore, OnUnreadable
from avatar_jobs.protocol.stored_job import to_columns

Place = tuple[str, str]  # ("sqlite", path) or ("firestore", "host:port project")


def open_stores(
    place: Place,
    on_conflict: Callable[[], None] = lambda: None,
    on_unreadable: OnUnreadable = lambda error, *, put_aside: None,
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
    on_unreadable: OnUnreadable = lambda error, *, put_aside: None,
) -> JobStore:
    """Opens the jobs alone."""
    return open_stores(place, on_conflict, on_unreadable).jobs


def overwrite(place: Place, job_id: str, body: str | None) -> None:
    """Writes a job's body past the store, as damage or another release would; None removes it or leaves it empty."""
    _overwrite(place, "jobs", "body", body, job_id)


def overwrite_all(place: Place, table: str, body: str) -> None:
    """Writes the body of every record in another table or collection."""
    _overwrite(place, table, "fleet" if (place[0], table) == ("firestore", "fleet") else "body", body, None)


def _overwrite(place: Place, table: str, name: str, value: str | None, only: str | None) -> None:
    kind, where = place
    if kind == "sqlite":
        one, parameters = (" WHERE id = ?", (only,)) if only else ("", ())
        with sqlite3.connect(where) as connection:
            connection.execute(f"UPDATE {table} SET {name} = ?{one}", (value or "", *parameters))
        connection.close()
        return
    address, project = where.split(" ")
    os.environ["FIRESTORE_EMULATOR_HOST"] = address
    collection = firestore.Client(project=project, credentials=AnonymousCredentials()).collection(table)
    documents = [collection.document(only)] if only else [found.reference for found in collection.stream()]
    for document in documents:
        document.update({name: firestore.DELETE_FIELD if value is None else value})


def body_of(job: Job, **changes: Any) -> str:
    """The stored body of a job with some of its values changed; a value of `...` is removed."""
    fields = {**json.loads(to_columns(job)["body"]), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...})
