"""Backblaze B2 as output storage, through b2sdk, with time limits and a limit on the number of requests."""

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
# authorise, find the bucket, two uploads with an upload URL each, one look-up, and room for a few retries of each.
MAX_REQUESTS = 25
RECORD = "avatar-sidecar"  # the name under which B2 keeps a file's record in the file's info headers
FINAL_ERRORS = (AccessDenied, InvalidAuthToken, Unauthorized, RestrictedBucket, NonExistentBucket)


class _AbandonedError(B2Error):  # type: ignore[misc]  # b2sdk has no types
    """Ends b2sdk's retries: b2sdk passes its own kind of error on, and never retries this one."""


class _BoundedSession(requests.Session):
    """A session that limits the time of each request and the number of all, and stops with the run. Uses no proxy."""

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
    """Passes b2sdk's progress on to a callback."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        super().__init__()
        self._on_bytes = on_bytes

    def set_total_bytes(self, total_byte_count: int) -> None:
        """The size is known already."""

    def bytes_completed(self, byte_count: int) -> None:
        self._on_bytes(byte_count)


class B2Storage:
    """One bucket at B2, reached with one key.

    key: its endpoint is a URL or the name of one of b2sdk's realms, None for production; download_url: used in place of
    the account's download host; is_stopped: checked before each request.
    """

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
        """See the port. B2 compares the SHA-1 itself and refuses a file that does not match."""
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
        """See the port. b2sdk keeps its upload threads until its objects are garbage-collected. Changing the size of
        their pool is the only way to end them earlier; that call waits for a hanging upload, so it runs in a thread."""
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
    """Reads size and SHA-1 of a file version; of a large file, B2 has only the SHA-1 that the uploader stated."""
    sha1 = version.get_content_sha1()
    info = {name.lower(): text for name, text in version.file_info.items()}  # header names may come back in any case
    return StoredFile(int(version.size), str(sha1) if sha1 else None, info.get(RECORD))


def _translate(error: B2Error) -> StorageFault:
    return StorageFault(f"{type(error).__name__}: {error}"[:200], is_final=isinstance(error, FINAL_ERRORS))
