"""The three store ports on Firestore, over one connection."""

from avatar_jobs.adapters.firestore_store.archive import FirestoreSnapshotArchive
from avatar_jobs.adapters.firestore_store.connection import FirestoreConnection
from avatar_jobs.adapters.firestore_store.jobs import FirestoreJobStore
from avatar_jobs.adapters.firestore_store.tick_state import FirestoreTickState

__all__ = ["FirestoreConnection", "FirestoreJobStore", "FirestoreSnapshotArchive", "FirestoreTickState"]
