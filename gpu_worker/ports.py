"""The ports of a run: what it needs of object storage, and of the way to the control plane."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gpu_worker.wire import ReportAnswer


@dataclass(frozen=True)
class StoredFile:
    """What the storage says of a file. sha1: None where it does not know it; record: the text that was stored with it,
    None when there was none."""

    size_bytes: int
    sha1: str | None
    record: str | None = None


class StorageFault(Exception):  # noqa: N818  a fault of the storage or the way to it
    """A storage call failed. is_final: the key or the bucket is refused, which another node cannot mend."""

    def __init__(self, what: str, *, is_final: bool) -> None:
        super().__init__(what)
        self.is_final = is_final


@dataclass(frozen=True)
class NewFile:
    """A local file and what it becomes. record: a short text that is stored with it and comes back with look_up."""

    path: Path
    key: str
    content_type: str
    size_bytes: int
    sha1: str
    record: str | None = None


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

    def close(self) -> None:
        """Gives connections and threads back, at once; no call comes afterwards."""
        ...


class ReportFault(Exception):  # noqa: N818  a fault of the way, never of the run
    """A report that did not arrive, or an answer that makes no sense."""


class SendReport(Protocol):
    """Delivers one report; raises ReportFault."""

    def __call__(self, report: dict[str, Any]) -> ReportAnswer:
        """Sends it and gives the answer."""
        ...
