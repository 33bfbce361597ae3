"""Makes and deletes application keys at Backblaze B2 with b2sdk, which is imported on first use."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.upload_keys import (
    CAPABILITIES,
    KeyPage,
    UploadKey,
    key_name,
    lifetime,
    name_prefix,
    read_key,
)
from avatar_jobs.outside.http_client import pool_classes
from avatar_jobs.outside.timed_call import TimedCall

if TYPE_CHECKING:
    from b2sdk.v3 import B2Api

CONNECT_SEC = 2.0  # B2 accepts a connection in a fraction of that, or not at all
PAGE_SIZE = 1000  # keys of one page: B2 bills each thousand as one call
REFUSED_STATUS = 400  # the status for every answer that is neither a success nor a fault of B2

Answer = TypeVar("Answer")


class B2UploadKeys:
    """The UploadKeys port on Backblaze B2.

    api_url: the origin of B2's native API; key_id, app_key: a key that may make and delete keys; mint_sec, revoke_sec:
    time limit in seconds for all requests of one call together; clock: returns monotonic seconds.
    """

    def __init__(
        self,
        *,
        api_url: str,
        key_id: str,
        app_key: str,
        bucket: str,
        prefix: str,
        mint_sec: float,
        revoke_sec: float,
        clock: Callable[[], float],
    ) -> None:
        self._api_url = api_url
        self._key_id = key_id
        self._app_key = app_key
        self._bucket = bucket
        self._prefix = prefix
        self._mint_sec = mint_sec
        self._revoke_sec = revoke_sec
        self._budget = _Budget(clock)
        self._lock = threading.Lock()
        self._opened: B2Api | None = None
        self._bucket_id: str | None = None

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        """See UploadKeys.mint."""
        made = self._asked(
            "making an upload key", self._mint_sec, lambda: self._create(job_id, attempt, expires_at, now)
        )
        return UploadKey(self._api_url, str(made.id_), str(made.application_key), self._bucket, self._prefix)

    def revoke(self, key_id: str) -> None:
        """See UploadKeys.revoke."""
        from b2sdk.v3.exception import B2Error

        def delete() -> None:
            try:
                self._api().delete_key_by_id(key_id)
            except B2Error as error:
                if not _is_gone(error):
                    raise

        self._asked("deleting an upload key", self._revoke_sec, delete)

    def list_keys(self, start: str | None) -> KeyPage:
        """See UploadKeys.list_keys. Needs the right listKeys; keys of other buckets and folders are left out."""
        return self._asked("listing the upload keys", self._mint_sec, lambda: self._page(start))

    def _page(self, start: str | None) -> KeyPage:
        api = self._api()
        bucket_id = self._id_of_bucket(api)
        answer = api.session.list_keys(
            api.account_info.get_account_id(), max_key_count=PAGE_SIZE, start_application_key_id=start
        )
        named = [(read_key(str(key["applicationKeyId"]), str(key["keyName"])), key) for key in answer["keys"]]
        ours = [
            read
            for read, key in named
            if read
            and bucket_id in (key.get("bucketId"), *(key.get("bucketIds") or ()))
            and key.get("namePrefix") == name_prefix(self._prefix, read.job_id)
        ]
        following = answer["nextApplicationKeyId"]
        return KeyPage(ours, None if following is None else str(following))

    def _id_of_bucket(self, api: "B2Api") -> str:
        if self._bucket_id is None:
            self._bucket_id = str(api.get_bucket_by_name(self._bucket).id_)
        return self._bucket_id

    def _create(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> Any:
        api = self._api()
        return api.create_key(
            list(CAPABILITIES),
            key_name(job_id, attempt, now),
            valid_duration_seconds=int(lifetime(expires_at, now).total_seconds()),
            bucket_ids=[self._id_of_bucket(api)],
            name_prefix=name_prefix(self._prefix, job_id),
        )

    def _api(self) -> "B2Api":
        """Returns the authorized API; b2sdk renews an expired token by itself."""
        # While B2 is unavailable, many threads may wait here; each waits only within its own time limit.
        if not self._lock.acquire(timeout=max(0.0, self._budget.left_sec())):
            raise TimeoutError("another thread is still opening the account")
        try:
            if self._opened is None:
                from b2sdk.v3 import B2Api, B2HttpApiConfig, InMemoryAccountInfo

                _silence_b2sdk()
                config = B2HttpApiConfig(http_session_factory=lambda: _session(self._budget))
                api = B2Api(InMemoryAccountInfo(), api_config=config)
                api.authorize_account(self._key_id, self._app_key, realm=self._api_url)
                self._opened = api
            return self._opened
        finally:
            self._lock.release()

    def _asked(self, what: str, limit_sec: float, call: Callable[[], Answer]) -> Answer:
        """Makes one call within its time limit. Raises ProviderError, whose text holds no part of the request.

        The error is retryable also when B2 refuses our own key: an operator must repair it, and the job can then go on.
        """
        from b2sdk.v3.exception import B2Error

        def work() -> Answer:
            self._budget.begin(limit_sec)
            return call()

        try:
            return TimedCall[Answer](limit_sec).run(work)
        except Exception as error:  # b2sdk passes on what requests, and its parsers of an answer, raise
            status = REFUSED_STATUS if isinstance(error, B2Error) and not hasattr(error, "is_silence") else None
            raise _failed(what, error, status) from error


def _failed(what: str, error: Exception, status: int | None) -> ProviderError:
    text = f"{what} failed ({type(error).__name__})"
    return ProviderError(text, status=status, retryable=True, may_have_happened=True)


def _silence_b2sdk() -> None:
    """Disables b2sdk's loggers for good: at DEBUG they write the arguments of calls, which hold keys and tokens.

    A log level that is set later does not enable a disabled logger.
    """
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "b2sdk" and isinstance(logger, logging.Logger):
            logger.disabled = True


class _Budget:
    """The time limit of the current call; each thread has its own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of_thread = threading.local()

    def begin(self, seconds: float) -> None:
        self._of_thread.ends_at = self._clock() + seconds

    def left_sec(self) -> float:
        ends_at: float = getattr(self._of_thread, "ends_at", 0.0)
        return ends_at - self._clock()


def _session(budget: _Budget) -> requests.Session:
    """Returns a session that sends each request once, within the budget, and uses no proxy.

    b2sdk's own session retries for minutes.
    """
    from b2sdk.v3.exception import B2Error

    class AbandonedError(B2Error):  # type: ignore[misc]  # b2sdk has no types; it does not retry this error
        is_silence = True  # B2 gave no answer, so it refused nothing

    class TimedAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = pool_classes()

    adapter = TimedAdapter()

    class BoundedSession(requests.Session):
        def get_adapter(self, url: str | bytes) -> HTTPAdapter:
            return adapter  # b2sdk removes whatever is mounted

        def request(self, *args: Any, **options: Any) -> requests.Response:
            left_sec = budget.left_sec()
            if left_sec <= 0:
                raise AbandonedError("the time for this call is over")
            options["timeout"] = Timeout(connect=min(CONNECT_SEC, left_sec), total=left_sec)
            try:
                response = super().request(*args, **options)
            except requests.RequestException as error:
                raise AbandonedError(type(error).__name__) from error
            if response.status_code in (408, 429) or response.status_code >= 500:
                raise AbandonedError(f"status {response.status_code}")
            return response

    session = BoundedSession()
    session.trust_env = False
    return session


def _is_gone(error: Exception) -> bool:
    """True when the key was already deleted or has expired: B2 answers 400 "application key does not exist"."""
    text = str(error).lower()
    return "does not exist" in text or "not found" in text or "no such" in text
