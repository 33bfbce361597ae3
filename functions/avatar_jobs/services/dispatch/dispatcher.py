"""Sends one claimed attempt to Salad, once, and stores what the answer means; a lost answer is an outcome too."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.job.events import DispatchSent, DispatchUnknown, DispatchUnsent, Event
from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.domain.rate_budget import CallBucket
from avatar_jobs.domain.retry_policy import dispatch_delay
from avatar_jobs.domain.upload_keys import UploadKey
from avatar_jobs.ports.jobs import JobStore, StoredJob
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.ports.storage import UploadKeys
from avatar_jobs.protocol.signatures import report_token
from avatar_jobs.protocol.worker_input import queue_metadata, worker_input
from avatar_jobs.services.breaker import what_broke


class LockedBucket:
    """A call bucket that many threads share: one process's share of the calls to Salad."""

    def __init__(self, bucket: CallBucket, clock: Clock) -> None:
        self._bucket = bucket
        self._clock = clock
        self._lock = Lock()

    def take(self) -> bool:
        """Takes one call. Returns False when none is left."""
        with self._lock:
            return self._bucket.take(self._clock())


@dataclass(frozen=True, kw_only=True)
class Dispatcher:
    """Sends attempts to Salad.

    jitter: returns 0.0 to 1.0; base_url: the origin under which workers and Salad reach salad_webhook; token_secret:
    signs the worker's report token; upload_keys: makes a storage key for each attempt, None where workers have a key of
    their own; has_call: takes one of this process's calls to Salad and returns False when none is left.
    """

    store: JobStore
    salad: SaladApi
    clock: Clock
    log: EventLog
    jitter: Callable[[], float]
    base_url: str
    token_secret: str = field(repr=False)
    upload_keys: UploadKeys | None
    has_call: Callable[[], bool]

    def send(self, claimed: StoredJob) -> StoredJob:
        """Sends the newest attempt of a job that the caller has claimed. Returns the job after the change.

        Raises StorageUnavailableError when the outcome cannot be stored; the claim then expires by itself.
        """
        job = claimed.job
        try:
            outcome = self._outcome(job)
        except Exception as error:  # noqa: BLE001  Salad may have the job: an outcome is stored whatever happened
            self.log("dispatch_broke", level="alarm", job_id=job.id, request_id=job.request_id, **what_broke(error))
            reason = f"the dispatch failed with {type(error).__name__}"
            outcome = DispatchUnknown(at=self.clock(), attempt=job.attempt.number, reason=reason)
        updated = self.store.update(job.id, lambda current: transition(current, outcome), known=claimed)
        self.log(
            "job_dispatched" if isinstance(outcome, DispatchSent) else "job_not_dispatched",
            job_id=job.id,
            attempt=job.attempt.number,
            request_id=job.request_id,
            outcome=type(outcome).__name__,
            reason=getattr(outcome, "reason", None),
        )
        return updated.after if updated else claimed

    def _outcome(self, job: Job) -> Event:
        number = job.attempt.number
        if not self.has_call():
            now = self.clock()
            return DispatchUnsent(
                at=now, attempt=number, retry_at=now, reason="this instance has used its share of calls to Salad"
            )
        try:
            key = self._mint(job)
        except ProviderError as error:  # nothing was sent: without a key the worker could not store the video
            self.log("upload_key_not_made", level="alarm", job_id=job.id, attempt=number, reason=str(error))
            return self._unsent(job, error)
        return self._sent(job, key)

    def _sent(self, job: Job, key: UploadKey | None) -> Event:
        number, key_id = job.attempt.number, key.key_id if key else None
        token = report_token(self.token_secret, job.id, number)
        report_url = f"{self.base_url}/v1/worker/jobs/{job.id}/reports"
        try:
            salad_job_id = self.salad.create_queue_job(
                worker_input(job, report_url=report_url, report_token=token, upload=key),
                queue_metadata(job),
                f"{self.base_url}/v1/webhooks/salad",
            )
        except ProviderError as error:
            if error.may_have_happened:
                return DispatchUnknown(at=self.clock(), attempt=number, reason=str(error), upload_key_id=key_id)
            return self._unsent(job, error, self._revoked_or_kept(job, key_id))
        return DispatchSent(at=self.clock(), attempt=number, salad_job_id=salad_job_id, upload_key_id=key_id)

    def _unsent(self, job: Job, error: ProviderError, key_id: str | None = None) -> Event:
        now = self.clock()
        wait = dispatch_delay(job.attempt.tries, error.retry_after_sec, self.jitter())
        retry_at = now + max(wait, timedelta(0))
        return DispatchUnsent(
            at=now, attempt=job.attempt.number, retry_at=retry_at, reason=str(error), upload_key_id=key_id
        )

    def _mint(self, job: Job) -> UploadKey | None:
        if self.upload_keys is None:
            return None
        return self.upload_keys.mint(job.id, job.attempt.number, job.credentials_expire_at, self.clock())

    def _revoked_or_kept(self, job: Job, key_id: str | None) -> str | None:
        """Deletes the key of an attempt that was not sent, so that keys do not pile up while Salad refuses jobs.

        Returns the id of a key that cannot be deleted now; it is deleted at the end of the job.
        """
        if self.upload_keys is None or key_id is None:
            return None
        try:
            self.upload_keys.revoke(key_id)
        except ProviderError as error:
            self.log("upload_key_not_deleted", level="warning", job_id=job.id, key_id=key_id, reason=str(error))
            return key_id
        return None
