"""Stores the bucket's file versions: contents in a directory, the index in a file beside them."""

import hashlib
import threading
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from uuid import uuid4

from infra.local.b2_sim.errors import NativeError
from infra.local.kept import KeptFile

CHUNK_BYTES = 256 * 1024  # large enough to be fast on loopback, small enough to hold one for each upload


@dataclass(frozen=True)
class Content:
    """Received bytes. path: the file that holds them; hashes: hexadecimal."""

    path: Path
    size: int
    sha1: str
    md5: str


@dataclass(frozen=True)
class FileVersion:
    """One version of a file. action: upload, or hide for a marker, which has no content."""

    file_id: str
    name: str
    action: str
    content: Content | None
    content_type: str
    info: dict[str, str]
    uploaded_at_ms: int
    sha1: str | None  # None for large files: B2 does not compute it

    @property
    def size(self) -> int:
        """Returns the size in bytes, 0 for a hide marker."""
        return self.content.size if self.content else 0


@dataclass
class LargeFile:
    """A large file that was started and not yet finished. parts: by number, from 1."""

    file_id: str
    name: str
    content_type: str
    info: dict[str, str]
    started_at_ms: int
    parts: dict[int, Content] = field(default_factory=dict)


class Storage:
    """The files of one bucket; safe for threads."""

    def __init__(self, directory: Path, kept: KeptFile) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = threading.RLock()
        self._kept: MutableMapping[str, FileVersion] = kept.table("versions")  # by file id, oldest first
        self._versions: dict[str, list[FileVersion]] = {}  # by name, newest first
        for version in self._kept.values():
            self._versions.setdefault(version.name, []).insert(0, version)
        self._large: MutableMapping[str, LargeFile] = kept.table("large_files")

    def receive(self, stream: IO[bytes], length: int) -> Content:
        """Writes `length` bytes of the stream to a new file and hashes them. Raises NativeError 400 when short."""
        path = self._directory / uuid4().hex
        sha1, md5 = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
        left = length
        with path.open("wb") as file:
            while left and (chunk := stream.read(min(CHUNK_BYTES, left))):
                sha1.update(chunk)
                md5.update(chunk)
                file.write(chunk)
                left -= len(chunk)
        if left:
            path.unlink()
            raise NativeError(400, "bad_request", f"the body ended {left} bytes before its Content-Length")
        return Content(path, length, sha1.hexdigest(), md5.hexdigest())

    def add(self, version: FileVersion) -> FileVersion:
        """Adds the version as the newest of its name, and returns it."""
        with self._lock:
            self._kept[version.file_id] = version
            self._versions.setdefault(version.name, []).insert(0, version)
        return version

    def newest(self, name: str) -> FileVersion | None:
        """Returns the version that a download by name gets, None when the file is absent, deleted or hidden."""
        with self._lock:
            versions = self._versions.get(name)
            return versions[0] if versions and versions[0].action == "upload" else None

    def version(self, file_id: str) -> FileVersion | None:
        """Returns the version with that id."""
        with self._lock:
            return next((version for version in self._all() if version.file_id == file_id), None)

    def versions(self) -> list[FileVersion]:
        """Returns all versions in order of names, newest first within a name."""
        with self._lock:
            return list(self._all())

    def remove(self, file_id: str) -> FileVersion | None:
        """Deletes a version and its bytes. Returns the version, None when unknown."""
        with self._lock:
            version = self.version(file_id)
            if version is None:
                return None
            del self._kept[file_id]
            self._versions[version.name].remove(version)
            if not self._versions[version.name]:
                del self._versions[version.name]
        if version.content:
            version.content.path.unlink()
        return version

    def start_large(self, large: LargeFile) -> None:
        """Stores a large file whose parts will be uploaded."""
        with self._lock:
            self._large[large.file_id] = large

    def large(self, file_id: str) -> LargeFile:
        """Returns the unfinished large file. Raises NativeError 400 when there is none."""
        with self._lock:
            if file_id not in self._large:
                raise NativeError(400, "bad_request", f"no such unfinished large file: {file_id}")
            return self._large[file_id]

    def unfinished(self) -> list[LargeFile]:
        """Returns the large files that were started and neither finished nor cancelled."""
        with self._lock:
            return list(self._large.values())

    def add_part(self, file_id: str, number: int, content: Content) -> None:
        """Stores a part, replacing an earlier one of the same number."""
        with self._lock:
            large = self.large(file_id)
            replaced = large.parts.get(number)
            large.parts[number] = content
            self._large[file_id] = large
        if replaced:
            replaced.path.unlink()

    def finish_large(self, file_id: str, part_sha1s: list[str]) -> FileVersion:
        """Joins the parts into a file version. Raises NativeError when parts are missing or hashes differ."""
        with self._lock:
            large = self.large(file_id)
            if sorted(large.parts) != list(range(1, len(part_sha1s) + 1)):
                raise NativeError(400, "missing_part", "the parts are not numbered 1 to the number of hashes")
            parts = [large.parts[number] for number in sorted(large.parts)]
            if [part.sha1 for part in parts] != part_sha1s:
                raise NativeError(400, "part_sha1_mismatch", "a part's SHA1 differs from the one that was uploaded")
            content = self._join(parts)
            version = self.add(
                FileVersion(
                    file_id, large.name, "upload", content, large.content_type, large.info, large.started_at_ms, None
                )
            )
            self._discard_large(file_id)
            return version

    def cancel_large(self, file_id: str) -> LargeFile:
        """Removes an unfinished large file and its parts, and returns it."""
        with self._lock:
            large = self.large(file_id)
            self._discard_large(file_id)
            return large

    def _all(self) -> Iterable[FileVersion]:
        return (version for name in sorted(self._versions) for version in self._versions[name])

    def _discard_large(self, file_id: str) -> None:
        for part in self._large.pop(file_id).parts.values():
            part.path.unlink()

    def _join(self, parts: list[Content]) -> Content:
        path = self._directory / uuid4().hex
        sha1, md5 = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
        with path.open("wb") as whole:
            for part in parts:
                with part.path.open("rb") as file:
                    while chunk := file.read(CHUNK_BYTES):
                        sha1.update(chunk)
                        md5.update(chunk)
                        whole.write(chunk)
        return Content(path, sum(part.size for part in parts), sha1.hexdigest(), md5.hexdigest())
