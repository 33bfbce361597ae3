"""The ports of a run: object storage, and reports to the control plane."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gpu_worker.wire import ReportAnswer


@dataclass(frozen=True)
class StoredFile:
    """A file as the storage describes it. sha1: None where the storage does not know it; record: the text that was
    stored with the file, None when there is none."""

    size_bytes: int
    sha1: str | None
    record: str | None = None


class StorageFault(Exception):  # noqa: N818  a fault of the storage or the way to it
    """A storage call that failed. is_final: the key or the bucket is refused, so another node would fail as well."""

    def __init__(self, what: str, *, is_final: bool) -> None:
        super().__init__(what)
        self.is_final = is_final


@dataclass(frozen=True)
class NewFile:
    """A local file to be stored under a key. record: a short text that is stored with it, and that look_up returns."""

    path: Path
    key: str
    content_type: str
    size_bytes: int
    sha1: str
    record: str | None = None


class OutputStorage(Protocol):
    """One bucket, reached with one key. Each call raises StorageFault."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        ...

    def put(self, file: NewFile, on_bytes: Callable[[int], None]) -> StoredFile:
        """Stores a file; returns the storage's description of it. on_bytes: called with the bytes sent so far."""
        ...

    def look_up(self, key: str) -> StoredFile | None:
        """Returns the file under a key, None when there is none."""
        ...

    def file_url(self, key: str) -> str:
        """Returns the plain download URL of a key."""
        ...

    def close(self) -> None:
        """Releases connections and threads without waiting; no call may follow."""
        ...


class ReportFault(Exception):  # noqa: N818  a fault of the way, never of the run
    """A report that did not arrive, or whose answer cannot be read."""


class SendReport(Protocol):
    """Sends one report; raises ReportFault."""

    def __call__(self, report: dict[str, Any]) -> ReportAnswer:
        """Sends the report and returns the answer."""
        ...
