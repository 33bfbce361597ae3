"""The snapshot archive on Firestore."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from google.cloud import firestore

from avatar_jobs.adapters.firestore_store.connection import FirestoreConnection, unavailable
from avatar_jobs.protocol.stored_fleet import read_snapshots

COLLECTION = "snapshots"


class FirestoreSnapshotArchive:
    """The SnapshotArchive port on Firestore: one document for each tick. Firestore deletes it at expires_at."""

    def __init__(self, connection: FirestoreConnection) -> None:
        self._connection = connection

    def archive_snapshot(self, at: datetime, record: Mapping[str, Any], expires_at: datetime) -> None:
        """See SnapshotArchive.archive_snapshot."""
        document = self._connection.client.collection(COLLECTION).document(at.strftime("%Y%m%dT%H%M%S.%fZ"))
        with unavailable():
            document.set({"at": at, "expires_at": expires_at, "body": json.dumps(record)}, **self._connection.limits())

    def archived_snapshots(self, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """See SnapshotArchive.archived_snapshots."""
        query = (
            self._connection.client.collection(COLLECTION)
            .where(filter=firestore.FieldFilter("at", ">=", since))
            .where(filter=firestore.FieldFilter("at", "<", until))
            .order_by("at")
        )
        with unavailable():
            found = list(query.stream(**self._connection.limits()))
        return read_snapshots((snapshot.to_dict() or {}).get("body") for snapshot in found)
