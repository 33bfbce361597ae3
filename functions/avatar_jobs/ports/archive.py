"""The port of the snapshot archive: what each tick observed and decided. It is read for analysis, never by a tick."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol


class SnapshotArchive(Protocol):
    """The archive of the ticks' snapshots. Every method raises StorageUnavailableError, after 5 s at most."""

    def archive_snapshot(self, at: datetime, record: Mapping[str, Any], expires_at: datetime) -> None:
        """Writes what a tick observed and decided, as JSON values; the store deletes it after expires_at."""
        ...

    def archived_snapshots(self, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """Returns the snapshots from since (inclusive) to until (exclusive), oldest first."""
        ...
