"""Backblaze B2 as output storage, through b2sdk, with time limits and retries of our own choosing."""

import threading
from collections.abc import Callable
from typing import Any

import requests
from b2sdk.v3 import (
    AbstractProgressListener,
    B2Api,
    B2HttpApiConfig,
    Bucket,
    InMemoryAccountInfo,
    InMemoryCache,
)
from b2sdk.v3.exception import (
    AccessDenied,
    B2Error,
    FileNotPresent,
    InvalidAuthToken,
    NonExistentBucket,
    RestrictedBucket,
    Unauthorized,
)

from gpu_worker.ports import NewFile, StorageFault, StoredFile
from gpu_worker.wire import UploadKey

CONNECT_SEC = 10.0  # three SYN retransmissions; b2sdk's own limit is 46 s
SOCKET_SEC = 60.0  # each wait on the socket; B2 answers a whole part only when it has stored it
# b2sdk retries data 20 times with pauses of up to 64 s: more than a run has. Requests, all of one run together:
# authorise, find the bucket, two uploads with an upload URL each, one look, and room for a few retries of each.
MAX_REQUESTS = 25
RECORD = "avatar-sidecar"  # the name of a file's record among B2's own headers of the file
FINAL_ERRORS = (AccessDenied, InvalidAuthToken, Unauthorized, RestrictedBucket, NonExistentBucket)


class _AbandonedError(B2Error):  # type: ignore[misc]  # b2sdk has no types
    """Ends b2sdk's retries: errors of its own kind pass through them, and this one is never retried."""


class _BoundedSession(requests.Session):
    """Bounds each request in time and all of them in number, and stops when the run does. No proxies."""

    def __init__(self, is_stopped: Callable[[], bool]) -> None:
        super().__init__()
        self.trust_env = False
        self._is_stopped = is_stopped
        self._left = MAX_REQUESTS

    def request(self, *args: Any, **options: Any) -> requests.Response:
        self._left -= 1
        if self._is_stopped():
            raise _AbandonedError("the run has stopped")
        if self._left < 0:
            raise _AbandonedError(f"{MAX_REQUESTS} requests were not enough")
        options["timeout"] = (CONNECT_SEC, SOCKET_SEC)
        return super().request(*args, **options)


class _Listener(AbstractProgressListener):  # type: ignore[misc]  # b2sdk has no types
    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        super().__init__()
        self._on_bytes = on_bytes

    def set_total_bytes(self, total_byte_count: int) -> None:
        """The size is known already."""

    def bytes_completed(self, byte_count: int) -> None:
        self._on_bytes(byte_count)


class B2Storage:
    """One bucket. key: whose endpoint is set (b2sdk takes a realm's name or a URL); download_url: overrides the
    account's download host; is_stopped: looked at before each request."""

    def __init__(self, key: UploadKey, download_url: str | None, is_stopped: Callable[[], bool]) -> None:
        self.bucket = key.bucket
        self._key = key
        self._download_url = download_url
        self._sessions: list[_BoundedSession] = []

        def new_session() -> _BoundedSession:
            self._sessions.append(_BoundedSession(is_stopped))
            return self._sessions[-1]

        config = B2HttpApiConfig(http_session_factory=new_session)
        self._api = B2Api(InMemoryAccountInfo(), InMemoryCache(), api_config=config)
        self._opened: Bucket | None = None

    def put(self, file: NewFile, on_bytes: Callable[[int], None]) -> StoredFile:
        """See the port. B2 compares the SHA-1 itself and refuses what does not fit."""
        try:
            version = self._bucket().upload_local_file(
                local_file=str(file.path),
                file_name=file.key,
                content_type=file.content_type,
                sha1_sum=file.sha1,
                file_info={RECORD: file.record} if file.record else None,
                progress_listener=_Listener(on_bytes),
            )
        except B2Error as error:
            raise _translate(error) from error
        return _stored(version)

    def look_up(self, key: str) -> StoredFile | None:
        """See the port."""
        try:
            return _stored(self._bucket().get_file_info_by_name(key))
        except FileNotPresent:
            return None
        except B2Error as error:
            raise _translate(error) from error

    def file_url(self, key: str) -> str:
        """See the port; known after the first call to the storage."""
        host = self._download_url or str(self._api.account_info.get_download_url())
        return f"{host.rstrip('/')}/file/{self.bucket}/{key}"

    def close(self) -> None:
        """See the port. b2sdk keeps a thread for each upload until the garbage collector comes by; changing the size of
        its pool is its one way to end them, and waits for an upload that hangs, so a thread of ours does that."""
        uploads = self._api.services.upload_manager
        other_size = uploads.get_thread_pool_size() + 1
        threading.Thread(target=uploads.set_thread_pool_size, args=(other_size,), daemon=True).start()
        for session in self._sessions:
            session.close()

    def _bucket(self) -> Bucket:
        if self._opened is None:
            self._api.authorize_account(self._key.key_id, self._key.app_key, realm=self._key.endpoint or "production")
            self._opened = self._api.get_bucket_by_name(self.bucket)
        return self._opened


def _stored(version: Any) -> StoredFile:
    """Reads size and SHA-1 of a file version; B2 knows the SHA-1 of a large file only as a note of the uploader."""
    sha1 = version.get_content_sha1()
    info = {name.lower(): text for name, text in version.file_info.items()}  # header names: any case may come back
    return StoredFile(int(version.size), str(sha1) if sha1 else None, info.get(RECORD))


def _translate(error: B2Error) -> StorageFault:
    return StorageFault(f"{type(error).__name__}: {error}"[:200], is_final=isinstance(error, FINAL_ERRORS))
