"""Stage 6: uploads the MP4 and then its sidecar to object storage, and checks that they are stored whole."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_worker.domain import messages
from gpu_worker.domain.control import RunControl
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.media.verify import Output
from gpu_worker.ports import NewFile, OutputStorage, StorageFault, StoredFile

LOOK_UP_SEC = 20.0  # one HEAD request on a home line, with the connection and the authorization before it
POLL_SEC = 0.1  # how often a storage call in its own thread is checked: the delay of a cancellation


@dataclass(frozen=True)
class Uploader:
    """The uploads of one run; a call that hangs is abandoned. limit_sec: for each call."""

    storage: OutputStorage
    control: RunControl
    limit_sec: float

    def look_up(self, key: str) -> StoredFile | None:
        """Returns the file under a key, None when there is none; raises like upload_video."""
        return self._call(lambda: self.storage.look_up(key), min(LOOK_UP_SEC, self.limit_sec))

    def upload_video(self, output: Output, key: str, record: str | None, on_bytes: Callable[[int], None]) -> None:
        """Uploads the MP4 with its record; raises JobError upload_failed and what control.check raises."""
        self._put(NewFile(output.path, key, "video/mp4", output.size_bytes, output.sha1, record), on_bytes)

    def upload_sidecar(self, content: Mapping[str, Any], path: Path, key: str) -> None:
        """Writes the sidecar and uploads it; a stored sidecar means that the MP4 beside it is whole."""
        data = json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"
        path.write_bytes(data)
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        self._put(NewFile(path, key, "application/json", len(data), sha1), lambda _: None)

    def check_stored(self, key: str, output: Output) -> None:
        """Asks the storage for the MP4 again, as a reader would; raises JobError upload_failed."""
        found = self._call(lambda: self.storage.look_up(key), self.limit_sec)
        _compare(found, output.size_bytes, output.sha1)

    def _put(self, file: NewFile, on_bytes: Callable[[int], None]) -> None:
        stored = self._call(lambda: self.storage.put(file, on_bytes), self.limit_sec)
        _compare(stored, file.size_bytes, file.sha1)

    def _call(self, action: Callable[[], StoredFile | None], limit_sec: float) -> StoredFile | None:
        outcome = _Outcome()
        threading.Thread(target=outcome.fill, args=(action,), daemon=True).start()
        give_up = time.monotonic() + limit_sec
        while not outcome.done.wait(POLL_SEC):
            self.control.check()
            if time.monotonic() > give_up:
                raise _upload_failed(messages.storage_too_slow(f"{limit_sec:g}"))
        if outcome.fault is not None:
            self.control.check()
            if isinstance(outcome.fault, StorageFault):
                raise _upload_failed(
                    messages.NOT_UPLOADED,
                    is_final=outcome.fault.is_final,
                    detail=str(outcome.fault),
                ) from outcome.fault
            raise outcome.fault
        return outcome.value


class _Outcome:
    """The result of a call in another thread."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: StoredFile | None = None
        self.fault: Exception | None = None

    def fill(self, action: Callable[[], StoredFile | None]) -> None:
        try:
            self.value = action()
        except Exception as error:  # noqa: BLE001  raised in the thread that waits
            self.fault = error
        self.done.set()


def _compare(found: StoredFile | None, size_bytes: int, sha1: str) -> None:
    if found is None:
        raise _upload_failed(messages.NOT_STORED)
    if found.size_bytes != size_bytes or found.sha1 not in (None, sha1):
        raise _upload_failed(messages.STORED_OTHERWISE)


def _upload_failed(message: str, *, is_final: bool = False, detail: str = "") -> JobError:
    return JobError(ErrorCode.UPLOAD_FAILED, message, retryable=not is_final, detail=detail)
