"""Reconciles jobs with Salad: reads the state of silent attempts, and ends those that are no longer needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import JobErrorCode, ProviderError, SaladUnavailableError
from avatar_jobs.domain.job.changes import unclosed_attempts
from avatar_jobs.domain.job.events import (
    AttemptClosed,
    AttemptFailed,
    AttemptObserved,
    DispatchLost,
    DispatchSent,
    TimerClaimed,
)
from avatar_jobs.domain.job.model import Attempt, Job, JobError, Timer
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.domain.rate_budget import CallShare
from avatar_jobs.domain.salad import SaladJob
from avatar_jobs.ports.jobs import JobStore, StoredJob, Updated
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.services.outcome.finisher import Finisher

SCAN_PAGES, SCAN_PAGE_SIZE = 5, 100  # at most 500 jobs; Salad promises no order, so a job can be missed
AFTER_SCAN = timedelta(seconds=60)  # when Salad refuses a scan, the next one is a minute later
GONE = 404


@dataclass(frozen=True)
class Look:
    """What a question to Salad showed. stored: our job afterwards; at_salad: its attempt still waits or runs there."""

    stored: StoredJob
    at_salad: bool


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Compares our jobs with Salad's queue jobs and applies differences. Each request takes one call of the share."""

    store: JobStore
    salad: SaladApi
    finisher: Finisher
    clock: Clock
    log: EventLog

    def reconcile(self, stored: StoredJob, share: CallShare) -> Look | None:
        """Reads the newest attempt's queue job and applies its state; a finished one is handled as by its webhook.

        Returns what it showed; None when our own record is gone. Raises SaladUnavailableError.
        """
        job, attempt = stored.job, stored.job.attempt
        if attempt.salad_job_id is None:
            return Look(stored, at_salad=True)
        found = self._get(job, attempt, share)
        if found is None:
            return _look(self._gone(stored, attempt), at_salad=False)
        if found.is_over:
            return _look(self.finisher.apply_salad_result(found, known=stored), at_salad=False)
        seen = AttemptObserved(at=self.clock(), attempt=attempt.number, running=found.status == "running")
        updated = self.store.update(job.id, lambda current: transition(current, seen), known=stored)
        if updated:
            self.finisher.announce(updated)
        return _look(updated, at_salad=True)

    def cancel(self, stored: StoredJob, share: CallShare) -> None:
        """Ends a job whose cancellation was requested, as far as Salad allows. Raises SaladUnavailableError."""
        look = self.reconcile(stored, share)
        if look is None or not look.at_salad or look.stored.job.status.is_terminal:
            return
        attempt = look.stored.job.attempt
        if attempt.salad_job_id and not attempt.runs:
            self._delete_if_pending(look.stored.job, attempt, share)

    def clean_up(self, stored: StoredJob, share: CallShare) -> None:
        """Reads every superseded attempt: deletes those that still wait at Salad, and closes those that are over."""
        job = stored.job
        current = 0 if job.status.is_terminal else job.attempt.number
        for attempt in unclosed_attempts(job):
            if attempt.number == current or attempt.salad_job_id is None:
                continue
            found = self._get(job, attempt, share)
            if found is None or found.is_over:
                closed = AttemptClosed(at=self.clock(), attempt=attempt.number, salad_job_id=attempt.salad_job_id)
                self.store.update(job.id, lambda now_job, event=closed: transition(now_job, event))  # type: ignore[misc]
                if found is not None and found.status == "succeeded":
                    self.finisher.apply_salad_result(found)  # a verified success of any attempt counts
            elif found.status == "pending" and not attempt.runs:
                self._delete_if_pending(job, attempt, share)

    def scan(self, unknown: Sequence[StoredJob], share: CallShare) -> None:
        """Searches at most 5 pages of the queue for all dispatches with a lost answer. Others count as lost."""
        if not unknown:
            return
        try:
            found = self._listed(unknown, share)
        except (ProviderError, SaladUnavailableError) as error:
            self.log("salad_scan_failed", level="alarm", reason=str(error), jobs=len(unknown))
            self._postpone(unknown)
            return
        for stored in unknown:
            key = (stored.job.id, stored.job.attempt.number)
            self._judge(stored, found.get(key))

    def _listed(self, unknown: Sequence[StoredJob], share: CallShare) -> Mapping[tuple[str, int], SaladJob]:
        wanted = {(stored.job.id, stored.job.attempt.number) for stored in unknown}
        found: dict[tuple[str, int], SaladJob] = {}
        for page in range(1, SCAN_PAGES + 1):
            if not share.take():
                raise SaladUnavailableError("the tick may send no more calls to Salad")
            listed = self.salad.list_queue_jobs(page, SCAN_PAGE_SIZE)
            for salad_job in listed.ours:
                key = (salad_job.job_id, salad_job.attempt)
                if key in wanted:
                    found[key] = salad_job
            if listed.is_last or len(found) == len(wanted):
                break
        return found

    def _judge(self, stored: StoredJob, found: SaladJob | None) -> None:
        number, now = stored.job.attempt.number, self.clock()
        event = (
            DispatchSent(at=now, attempt=number, salad_job_id=found.id)
            if found
            else DispatchLost(at=now, attempt=number)
        )
        updated = self.store.update(stored.job.id, lambda job: transition(job, event), known=stored)
        self.log("dispatch_looked_for", job_id=stored.job.id, attempt=number, found=found is not None)
        if updated:
            self.finisher.announce(updated)
            if found and found.is_over:
                self.finisher.apply_salad_result(found, known=updated.after)

    def _postpone(self, unknown: Sequence[StoredJob]) -> None:
        now = self.clock()
        later = TimerClaimed(at=now, timer=Timer.DISPATCH, until=now + AFTER_SCAN)
        for stored in unknown:
            self.store.update(stored.job.id, lambda job: transition(job, later), known=stored)

    def _get(self, job: Job, attempt: Attempt, share: CallShare) -> SaladJob | None:
        """Reads one attempt's job; None when Salad has none. Raises SaladUnavailableError."""
        if not share.take():
            raise SaladUnavailableError("the tick may send no more calls to Salad")
        try:
            found = self.salad.get_queue_job(attempt.salad_job_id or "")
        except ProviderError as error:
            if error.status == GONE:
                return None
            self.log("salad_look_failed", level="alarm", job_id=job.id, attempt=attempt.number, reason=str(error))
            raise SaladUnavailableError(str(error)) from error
        if found is None:
            raise SaladUnavailableError("Salad's answer is not a queue job")
        # The id proves that the job is ours, so the metadata in Salad's answer is not needed.
        return SaladJob(
            id=found.id,
            status=found.status,
            output=found.output,
            job_id=job.id,
            attempt=attempt.number,
            request_id=job.request_id,
        )

    def _gone(self, stored: StoredJob, attempt: Attempt) -> Updated | None:
        now = self.clock()
        error = JobError(
            code=JobErrorCode.ATTEMPTS_EXHAUSTED, message=texts.SALAD_LOST_JOB, stage="queue", retryable=True
        )
        closed = AttemptClosed(at=now, attempt=attempt.number, salad_job_id=attempt.salad_job_id or "")
        failed = AttemptFailed(at=now, attempt=attempt.number, error=error, salad_job_id=attempt.salad_job_id)
        updated = self.store.update(
            stored.job.id, lambda job: transition(transition(job, closed), failed), known=stored
        )
        self.log("salad_job_gone", level="warning", job_id=stored.job.id, attempt=attempt.number)
        if updated:
            self.finisher.announce(updated)
        return updated

    def _delete_if_pending(self, job: Job, attempt: Attempt, share: CallShare) -> None:
        """Deletes a job that waits in Salad's queue; never a running one, because that can block a queue worker."""
        found = self._get(job, attempt, share)
        if found is None or found.status != "pending" or not share.take():
            return
        try:
            self.salad.delete_queue_job(found.id)
        except ProviderError as error:
            self.log("salad_delete_failed", level="warning", job_id=job.id, reason=str(error))
            return
        self.log("salad_job_deleted", job_id=job.id, attempt=attempt.number, salad_job_id=found.id)


def _look(updated: Updated | None, *, at_salad: bool) -> Look | None:
    return Look(updated.after, at_salad) if updated else None
