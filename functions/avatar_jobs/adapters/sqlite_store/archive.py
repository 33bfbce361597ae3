"""The snapshot archive in the SQLite file."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from avatar_jobs.adapters.sqlite_store.file import SqliteFile, to_text
from avatar_jobs.protocol.stored_fleet import read_snapshots


class SqliteSnapshotArchive:
    """The SnapshotArchive port on SQLite; each write deletes the snapshots that have expired."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def archive_snapshot(self, at: datetime, record: Mapping[str, Any], expires_at: datetime) -> None:
        """See SnapshotArchive.archive_snapshot."""
        with self._file.transaction(write=True) as connection:
            connection.execute("DELETE FROM snapshots WHERE expires_at <= ?", (to_text(at),))
            connection.execute(
                "INSERT OR REPLACE INTO snapshots (at, expires_at, body) VALUES (?, ?, ?)",
                (to_text(at), to_text(expires_at), json.dumps(record)),
            )

    def archived_snapshots(self, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """See SnapshotArchive.archived_snapshots."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT body FROM snapshots WHERE at >= ? AND at < ? ORDER BY at", (to_text(since), to_text(until))
            ).fetchall()
        return read_snapshots(body for (body,) in rows)
