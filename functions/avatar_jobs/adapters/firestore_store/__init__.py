"""The job store on Firestore."""

from avatar_jobs.adapters.firestore_store.store import FirestoreJobStore

__all__ = ["FirestoreJobStore"]
