"""The port to object storage: what the upload stage needs of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredFile:
    """What the storage says of a file. sha1: None where it does not know it."""

    size_bytes: int
    sha1: str | None


class StorageFault(Exception):  # noqa: N818  a fault of the storage or the way to it
    """A storage call failed. is_final: the key or the bucket is refused, which another node cannot mend."""

    def __init__(self, what: str, *, is_final: bool) -> None:
        super().__init__(what)
        self.is_final = is_final


@dataclass(frozen=True)
class NewFile:
    """A local file and what it becomes."""

    path: Path
    key: str
    content_type: str
    size_bytes: int
    sha1: str


class OutputStorage(Protocol):
    """One bucket, reached with one key. Calls raise StorageFault."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        ...

    def put(self, file: NewFile, on_bytes: Callable[[int], None]) -> StoredFile:
        """Stores a file; gives what the storage said it stored."""
        ...

    def look_up(self, key: str) -> StoredFile | None:
        """Gives what lies under a key, None when nothing does."""
        ...

    def file_url(self, key: str) -> str:
        """Gives the plain download URL of a key."""
        ...
