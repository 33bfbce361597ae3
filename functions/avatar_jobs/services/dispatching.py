"""Sends one claimed attempt to Salad, once, and stores what the answer (or its loss) means."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock

from avatar_jobs.domain.budget import CallBucket
from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.events import DispatchSent, DispatchUnknown, DispatchUnsent, Event
from avatar_jobs.domain.jobs import Job
from avatar_jobs.domain.retrying import dispatch_delay
from avatar_jobs.domain.signatures import report_token
from avatar_jobs.domain.transition import transition
from avatar_jobs.domain.wire import queue_metadata, worker_input
from avatar_jobs.ports import Clock, EventLog, JobStore, SaladApi, StoredJob


class LockedBucket:
    """One process's share of Salad's calls, taken from by many threads."""

    def __init__(self, bucket: CallBucket, clock: Clock) -> None:
        self._bucket = bucket
        self._clock = clock
        self._lock = Lock()

    def take(self) -> bool:
        """Takes one call if there is one left."""
        with self._lock:
            return self._bucket.take(self._clock())


class Dispatcher:
    """base_url: the origin under which workers and Salad reach salad_webhook; token_secrets: the first one signs;
    jitter: draws 0.0 to 1.0; has_call: whether this process may make one more call to Salad now."""

    def __init__(
        self,
        *,
        store: JobStore,
        salad: SaladApi,
        clock: Clock,
        log: EventLog,
        jitter: Callable[[], float],
        base_url: str,
        token_secrets: Sequence[str],
        has_call: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._salad = salad
        self._clock = clock
        self._log = log
        self._jitter = jitter
        self._base_url = base_url.rstrip("/")
        self._token_secret = token_secrets[0]
        self._has_call = has_call

    def send(self, claimed: StoredJob) -> StoredJob:
        """Sends the newest attempt of a job that the caller has claimed; returns the job as it stands afterwards.

        Raises StorageUnavailableError when the outcome could not be stored; the claim then runs out by itself.
        """
        job = claimed.job
        outcome = self._outcome(job)
        updated = self._store.update(job.id, lambda current: transition(current, outcome), known=claimed)
        self._log(
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
        if not self._has_call():
            now = self._clock()
            return DispatchUnsent(
                at=now, attempt=number, retry_at=now, reason="this instance's share of calls is spent"
            )
        token = report_token(self._token_secret, job.id, number)
        report_url = f"{self._base_url}/v1/worker/jobs/{job.id}/reports"
        try:
            salad_job_id = self._salad.create_queue_job(
                worker_input(job, report_url=report_url, report_token=token),
                queue_metadata(job),
                f"{self._base_url}/v1/webhooks/salad",
            )
        except ProviderError as error:
            now = self._clock()
            if error.may_have_happened:
                return DispatchUnknown(at=now, attempt=number, reason=str(error))
            wait = dispatch_delay(job.attempt.tries, error.retry_after_sec, self._jitter())
            return DispatchUnsent(at=now, attempt=number, retry_at=now + max(wait, timedelta(0)), reason=str(error))
        return DispatchSent(at=self._clock(), attempt=number, salad_job_id=salad_job_id)
