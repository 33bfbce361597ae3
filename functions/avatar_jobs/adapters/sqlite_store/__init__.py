"""The job store on one SQLite file."""

from avatar_jobs.adapters.sqlite_store.store import SqliteJobStore

__all__ = ["SqliteJobStore"]
