"""Asks a storage that gives no answer once in a while instead of once a job, so that waiting for it costs little."""

from datetime import datetime, timedelta

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.upload_keys import UploadKey
from avatar_jobs.ports.outside import Clock
from avatar_jobs.ports.storage import UploadKeys

# A tick has 50 s for up to 500 jobs: with this pause a storage that is away takes it a few tries, not one for each.
PAUSE = timedelta(seconds=10)


class UploadKeyBreaker:
    """Fills the UploadKeys port with another one. After a call without an answer (status None) every call fails at
    once until PAUSE is over; an answer, also a refusal, is no reason to wait."""

    def __init__(self, keys: UploadKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._silent_until: datetime | None = None

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        """See UploadKeys.mint."""
        self._require_patience_over()
        try:
            return self._keys.mint(job_id, attempt, expires_at, now)
        except ProviderError as error:
            self._note(error)
            raise

    def revoke(self, key_id: str) -> None:
        """See UploadKeys.revoke."""
        self._require_patience_over()
        try:
            self._keys.revoke(key_id)
        except ProviderError as error:
            self._note(error)
            raise

    def _require_patience_over(self) -> None:
        if self._silent_until and self._clock() < self._silent_until:
            raise ProviderError(
                "the storage gave no answer a moment ago", status=None, retryable=True, may_have_happened=False
            )

    def _note(self, error: ProviderError) -> None:
        if error.status is None:
            self._silent_until = self._clock() + PAUSE
