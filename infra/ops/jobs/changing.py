"""Requests a change of one job as the functions do: an event through `transition`, in the store's own update."""

from collections.abc import Callable
from datetime import datetime

from avatar_jobs.domain.errors import ApiError
from avatar_jobs.domain.job.events import RedeliveryRequested, RequeueRequested
from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.job.on_request import redelivery_refusal, requeue_refusal
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.ports.jobs import JobStore, Updated
from avatar_jobs.ports.outside import EventLog
from avatar_jobs.services.intake.canceller import Canceller
from infra.ops.jobs.reading import NotPossibleError


class _NoAnnouncer:
    """An announcer that sends no callback: the stored callback is leased for 30 s, then the tick makes the first try.

    So an operator's machine needs no callback secret and no key of the bucket.
    """

    def announce(self, updated: Updated) -> None:
        """Does nothing; `updated` is already in the store, with its callback."""


class Changer:
    """Carries out the commands that change jobs.

    store: the jobs; now: the time of the call (UTC); log: one line for each accepted request.
    """

    def __init__(self, store: JobStore, now: datetime, log: EventLog) -> None:
        self._store = store
        self._now = now
        self._log = log

    def requeue(self, job: Job) -> str:
        """Requests that a stuck job is sent again; returns what happens next. Raises NotPossibleError."""
        event = RequeueRequested(at=self._now)
        after = self._apply(job.id, lambda current: transition(current, event))
        refusal = requeue_refusal(after.before, self._now)
        if refusal:
            raise NotPossibleError(refusal)
        if not after.changed:
            return "It is already due; the next tick sends it."
        self._log_request("job_requeued", after)
        return f"The next tick sends attempt {after.after.job.attempt.number}."

    def cancel(self, job: Job) -> str:
        """Requests the cancellation of a job, as its app could; returns what happens next. Raises NotPossibleError."""
        canceller = Canceller(store=self._store, announcer=_NoAnnouncer(), clock=lambda: self._now, log=self._log)
        try:
            after = canceller.cancel(job.client, job.id)
        except ApiError as error:
            raise NotPossibleError(str(error)) from error
        if after.status.is_terminal:
            return "It is cancelled."
        return "Its cancellation is requested. It ends when Salad or its worker confirms, usually within a minute."

    def redeliver(self, job: Job) -> str:
        """Requests that a finished job's callback is sent again with the same webhook-id. Raises NotPossibleError."""
        event = RedeliveryRequested(at=self._now)
        after = self._apply(job.id, lambda current: transition(current, event))
        refusal = redelivery_refusal(after.before)
        if refusal:
            raise NotPossibleError(refusal)
        if not after.changed:
            return "It is already due; the next tick sends it."
        self._log_request("callback_requeued", after)
        return "The next tick sends it."

    def _apply(self, job_id: str, change: Callable[[Job], Job]) -> Updated:
        updated = self._store.update(job_id, change)
        if updated is None:
            raise NotPossibleError(f"There is no job {job_id!r}.")
        return updated

    def _log_request(self, event: str, updated: Updated) -> None:
        job = updated.after.job
        self._log(event, job_id=job.id, request_id=job.request_id, attempt=job.attempt.number)
