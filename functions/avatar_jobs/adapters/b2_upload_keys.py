"""Makes and deletes application keys at Backblaze B2 with b2sdk, which is imported only when it is used."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from urllib3.util import Timeout

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.upload_keys import CAPABILITIES, UploadKey, lifetime, name_prefix

if TYPE_CHECKING:
    from b2sdk.v3 import B2Api

CONNECT_SEC = 2.0  # B2 answers a connection in a fraction of that, or not at all
REFUSED_STATUS = 400  # stands for every answer of B2's that is not a success and not a fault of B2

Answer = TypeVar("Answer")


class B2UploadKeys:
    """Fills the UploadKeys port. key_id, app_key: a key that may make and delete keys; api_url: the native API's
    origin; mint_sec, revoke_sec: for all requests of one call together; clock: monotonic seconds."""

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
            "the making of an upload key", self._mint_sec, lambda: self._create(job_id, attempt, expires_at, now)
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

        self._asked("the deletion of an upload key", self._revoke_sec, delete)

    def _create(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> Any:
        api = self._api()
        if self._bucket_id is None:
            self._bucket_id = str(api.get_bucket_by_name(self._bucket).id_)
        return api.create_key(
            list(CAPABILITIES),
            f"avatar-{job_id}-{attempt}",  # found again by people who look at the account's keys
            valid_duration_seconds=int(lifetime(expires_at, now).total_seconds()),
            bucket_ids=[self._bucket_id],
            name_prefix=name_prefix(self._prefix, job_id),
        )

    def _api(self) -> "B2Api":
        """The authorized API; b2sdk renews its token by itself when it has expired."""
        # Many threads may find a B2 that is away at one moment; none waits in the queue beyond its own time.
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
        """Makes one call within its time; raises ProviderError, whose text holds nothing that B2 was told. A refused
        minting key is the system's fault, not the job's, so it is retryable: somebody will repair it."""
        from b2sdk.v3.exception import B2Error

        self._budget.begin(limit_sec)
        try:
            return call()
        except (B2Error, requests.RequestException, OSError) as error:
            status = REFUSED_STATUS if isinstance(error, B2Error) and not hasattr(error, "is_silence") else None
            raise _failed(what, error, status) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # not B2's JSON: b2sdk trips over it
            raise _failed(what, error, None) from error


def _failed(what: str, error: Exception, status: int | None) -> ProviderError:
    text = f"{what} failed ({type(error).__name__})"
    return ProviderError(text, status=status, retryable=True, may_have_happened=True)


def _silence_b2sdk() -> None:
    """b2sdk traces its calls at DEBUG, the secrets of new keys and the account's tokens among their arguments; so its
    loggers are switched off, which no level that is set later switches on again."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "b2sdk" and isinstance(logger, logging.Logger):
            logger.disabled = True


class _Budget:
    """What is left of the present call's time, in the thread that makes it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of_thread = threading.local()

    def begin(self, seconds: float) -> None:
        self._of_thread.ends_at = self._clock() + seconds

    def left_sec(self) -> float:
        ends_at: float = getattr(self._of_thread, "ends_at", 0.0)
        return ends_at - self._clock()


def _session(budget: _Budget) -> requests.Session:
    """A session whose requests are tried once, within the budget: b2sdk itself would try for minutes. No proxies."""
    from b2sdk.v3.exception import B2Error

    class AbandonedError(B2Error):  # type: ignore[misc]  # b2sdk has no types; its own retries let such errors pass
        is_silence = True  # nobody was there to refuse anything

    class BoundedSession(requests.Session):
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
    """B2 answers 400 bad_request "application key does not exist" to the deletion of a key that is gone or expired."""
    text = str(error).lower()
    return "does not exist" in text or "not found" in text or "no such" in text
