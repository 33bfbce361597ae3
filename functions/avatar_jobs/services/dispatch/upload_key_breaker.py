"""The circuit breaker for upload keys: it keeps an unavailable storage from using up the time of a tick."""

from datetime import datetime, timedelta

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.upload_keys import UploadKey
from avatar_jobs.ports.outside import Clock
from avatar_jobs.ports.storage import UploadKeys

# A tick has 50 s for up to 500 jobs; with this pause an unavailable storage costs it a few tries, not one for each job.
PAUSE = timedelta(seconds=10)


class UploadKeyBreaker:
    """A circuit breaker around another UploadKeys.

    After a call without an answer (status None), every call fails at once until PAUSE has passed. An answer, also a
    refusal, does not open the breaker.
    """

    def __init__(self, keys: UploadKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._open_until: datetime | None = None

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        """See UploadKeys.mint."""
        self._require_closed()
        try:
            return self._keys.mint(job_id, attempt, expires_at, now)
        except ProviderError as error:
            self._open_if_silent(error)
            raise

    def revoke(self, key_id: str) -> None:
        """See UploadKeys.revoke."""
        self._require_closed()
        try:
            self._keys.revoke(key_id)
        except ProviderError as error:
            self._open_if_silent(error)
            raise

    def _require_closed(self) -> None:
        if self._open_until and self._clock() < self._open_until:
            raise ProviderError(
                "the storage did not answer a moment ago", status=None, retryable=True, may_have_happened=False
            )

    def _open_if_silent(self, error: ProviderError) -> None:
        if error.status is None:
            self._open_until = self._clock() + PAUSE
