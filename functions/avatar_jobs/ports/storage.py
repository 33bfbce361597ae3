"""The ports of the object storage: the bucket of finished videos, and the keys with which workers upload."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from avatar_jobs.domain.upload_keys import KeyPage, UploadKey


class UploadKeys(Protocol):
    """Makes and deletes storage keys for single jobs. Every method raises ProviderError."""

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        """Returns a new key that reads and writes only this job's outputs, until expires_at."""
        ...

    def revoke(self, key_id: str) -> None:
        """Deletes a key. It is no error when the key does not exist."""
        ...

    def list_keys(self, start: str | None) -> KeyPage:
        """Returns one page of the keys that this system has made. start: the next_start of the page before, or None."""
        ...


@dataclass(frozen=True)
class StoredObject:
    """A file in the bucket."""

    size_bytes: int


class OutputStore(Protocol):
    """The bucket of finished videos."""

    def find(self, key: str) -> StoredObject | None:
        """Returns one file, or None when the storage says that it does not exist. Raises ProviderError."""
        ...

    def link(self, key: str, signed_at: datetime) -> str:
        """Returns a link to a file, without a network call. The same arguments give the same text.

        A presigned link is valid for 75 minutes from signed_at.
        """
        ...

    def delete(self, key: str) -> None:
        """Deletes a file with all its versions. It is no error when the file does not exist.

        Raises ProviderError.
        """
        ...
