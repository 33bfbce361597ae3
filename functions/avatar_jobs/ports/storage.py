"""The object storage: the bucket of finished videos and the keys that workers upload with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from avatar_jobs.domain.upload_keys import UploadKey


class UploadKeys(Protocol):
    """Makes storage keys for single jobs. Each call raises ProviderError."""

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        """Makes a key that reads and writes this job's outputs alone and ends at expires_at."""
        ...

    def revoke(self, key_id: str) -> None:
        """Deletes a key; one that is gone already is fine."""
        ...


@dataclass(frozen=True)
class StoredObject:
    """A file in the bucket: its size in bytes."""

    size_bytes: int


class OutputStore(Protocol):
    """The bucket of finished videos."""

    def find(self, key: str) -> StoredObject | None:
        """Looks at one file; None when the storage says that there is none. Raises ProviderError."""
        ...

    def link(self, key: str, now: datetime) -> str:
        """Makes a link to a file, without a network call; a presigned one is valid for an hour from now."""
        ...

    def delete(self, key: str) -> None:
        """Removes a file with all its versions for good; one that is not there is fine. Raises ProviderError."""
        ...
