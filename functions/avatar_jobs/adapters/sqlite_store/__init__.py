"""The three store ports on one SQLite file, for the rehearsal and the tests."""

from avatar_jobs.adapters.sqlite_store.archive import SqliteSnapshotArchive
from avatar_jobs.adapters.sqlite_store.file import SqliteFile
from avatar_jobs.adapters.sqlite_store.jobs import SqliteJobStore
from avatar_jobs.adapters.sqlite_store.tick_state import SqliteTickState

__all__ = ["SqliteFile", "SqliteJobStore", "SqliteSnapshotArchive", "SqliteTickState"]
