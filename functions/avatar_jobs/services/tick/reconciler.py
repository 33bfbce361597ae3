"""Reconciles jobs with Salad: reads the state of silent attempts, and ends those that are no longer needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import AvatarError, JobErrorCode, NotAskedError, ProviderError, SaladUnavailableError
from avatar_jobs.domain.job.changes import attempts_to_find, open_salad_jobs, unwanted_attempts
from avatar_jobs.domain.job.events import (
    AttemptClosed,
    AttemptFailed,
    AttemptObserved,
    DispatchLost,
    DispatchSent,
    Event,
    TimerClaimed,
    TimerFailed,
)
from avatar_jobs.domain.job.model import Attempt, DispatchState, Job, JobError, Timer
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.domain.rate_budget import CallShare
from avatar_jobs.domain.salad import JobPage, SaladJob
from avatar_jobs.ports.jobs import JobStore, StoredJob, Updated
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.services.breaker import what_broke
from avatar_jobs.services.outcome.finisher import Finisher

SCAN_PAGES, SCAN_PAGE_SIZE = 5, 100  # at most 500 jobs; Salad promises no order, so a job can be missed
AFTER_SCAN = timedelta(seconds=60)  # when Salad refuses a scan, the next one is a minute later
GONE = 404


@dataclass(frozen=True)
class Look:
    """What a question to Salad showed. stored: our job afterwards; at_salad: its attempt still waits or runs there."""

    stored: StoredJob
    at_salad: bool


@dataclass(frozen=True)
class Listed:
    """What a search found. jobs: by our job's id and attempt; complete: Salad has shown its whole history."""

    jobs: Mapping[tuple[str, int], Sequence[SaladJob]]
    complete: bool


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
        found = self._get(job, attempt, attempt.salad_job_id, share)
        if found is None:
            return _look(self._gone(stored, attempt), at_salad=False)
        if found.is_over:
            return _look(self.finisher.apply_salad_result(found, known=stored), at_salad=False)
        seen = AttemptObserved(at=self.clock(), attempt=attempt.number, running=found.status == "running")
        updated = self.store.update(job.id, lambda current: transition(current, seen), known=stored)
        if updated:
            self.finisher.announce(updated)
        return _look(updated, at_salad=True)

    def cancel(self, stored: StoredJob, share: CallShare) -> bool:
        """Ends a job whose cancellation was requested, as far as Salad allows.

        Without an answer of Salad the job ends too, after SILENT without a report. Returns True when its attempt must
        be searched for at Salad. Raises SaladUnavailableError.
        """
        if stored.job.attempt.salad_job_id is None:
            unseen = self._not_seen(stored)
            return unseen is not None and unseen.after.job.attempt.dispatch is not DispatchState.SENDING
        try:
            look = self.reconcile(stored, share)
        except SaladUnavailableError:
            self._not_seen(stored)
            raise
        if look is None or not look.at_salad or look.stored.job.status.is_terminal:
            return False
        attempt = look.stored.job.attempt
        if attempt.salad_job_id and not attempt.runs:
            self._delete_if_pending(look.stored.job, attempt, attempt.salad_job_id, share)
        return False

    def _not_seen(self, stored: StoredJob) -> Updated | None:
        """Records that Salad did not show the attempt. Returns the job while it is unfinished, else None."""
        unseen = AttemptObserved(at=self.clock(), attempt=stored.job.attempt.number, running=None)
        updated = self.store.update(stored.job.id, lambda job: transition(job, unseen), known=stored)
        if updated:
            self.finisher.announce(updated)
        return updated if updated and not updated.after.job.status.is_terminal else None

    def clean_up(self, stored: StoredJob, share: CallShare) -> bool:
        """Reads the Salad jobs of every unwanted attempt: deletes those that still wait, closes those that are over.

        Returns True when some of them must be searched for at Salad. Raises SaladUnavailableError.
        """
        job = stored.job
        for attempt in unwanted_attempts(job):
            for salad_job_id in open_salad_jobs(attempt):
                self._end(job, attempt, salad_job_id, share)
        lost = attempts_to_find(job)
        if lost and self.clock() >= job.credentials_expire_at:  # a worker that starts one of them can do nothing
            for attempt in lost:
                self._close(job, attempt, None)
            return False
        return bool(lost)

    def _end(self, job: Job, attempt: Attempt, salad_job_id: str, share: CallShare) -> None:
        """Ends one Salad job of an unwanted attempt, as far as Salad allows."""
        found = self._get(job, attempt, salad_job_id, share)
        if found is None or found.is_over:
            self._close(job, attempt, salad_job_id)
            if found is not None and found.status == "succeeded":
                self.finisher.apply_salad_result(found)  # a verified success of any attempt counts
        elif found.status == "pending" and not attempt.runs:
            self._delete_if_pending(job, attempt, salad_job_id, share)

    def _close(self, job: Job, attempt: Attempt, salad_job_id: str | None) -> None:
        closed = AttemptClosed(at=self.clock(), attempt=attempt.number, salad_job_id=salad_job_id)
        self.store.update(job.id, lambda current: transition(current, closed))

    def scan(self, unknown: Sequence[StoredJob], share: CallShare) -> int:
        """Searches at most 5 pages of the queue for all dispatches with a lost answer. Others count as lost.

        A page that cannot be read counts as one without our jobs: Salad promises no order, so a miss proves little
        anyway. Without any page nothing is known, and the search is repeated a minute later. A job whose outcome cannot
        be applied does not keep the others from theirs. Returns the number of these jobs.
        """
        if not unknown:
            return 0
        listed = self._listed(unknown, share)
        if listed is None:
            self._postpone(unknown)
            return 0
        return sum(not self._is_judged(stored, listed) for stored in unknown)

    def _listed(self, unknown: Sequence[StoredJob], share: CallShare) -> Listed | None:
        """Returns the queue jobs that were searched for and found; None when no page could be read."""
        wanted = {(stored.job.id, one.number) for stored in unknown for one in attempts_to_find(stored.job)}
        found: dict[tuple[str, int], list[SaladJob]] = {}
        is_last = False
        pages_read = pages_failed = 0
        for page in range(1, SCAN_PAGES + 1):
            try:
                listed = self._page(page, share)
            except (ProviderError, SaladUnavailableError) as error:
                self.log("salad_scan_failed", level="alarm", reason=str(error), page=page, jobs=len(unknown))
                pages_failed += 1
                if isinstance(error, ProviderError) and not isinstance(error, NotAskedError):
                    continue
                break  # no further page will be asked for either
            pages_read += 1
            is_last = listed.is_last
            for salad_job in listed.ours:
                key = (salad_job.job_id, salad_job.attempt)
                if key in wanted:
                    found.setdefault(key, []).append(salad_job)
            if is_last or len(found) == len(wanted):
                break
        return Listed(found, complete=is_last and not pages_failed) if pages_read else None

    def _page(self, page: int, share: CallShare) -> JobPage:
        if not share.take_for_scan():
            raise SaladUnavailableError("the tick may send no more calls to Salad")
        return self.salad.list_queue_jobs(page, SCAN_PAGE_SIZE)

    def _is_judged(self, stored: StoredJob, listed: Listed) -> bool:
        """Applies the outcome of the search to one job. Returns False when that failed; the job comes back later."""
        job = stored.job
        try:
            self._judge(stored, listed)
        except AvatarError as error:
            self.log("salad_scan_not_stored", level="error", job_id=job.id, reason=str(error))
        except Exception as error:  # noqa: BLE001  a fault in one job must not stop the others
            self.log("scan_broke", level="alarm", job_id=job.id, request_id=job.request_id, **what_broke(error))
            failed = TimerFailed(at=self.clock(), timer=Timer.DISPATCH, reason=type(error).__name__)
            self.store.update(job.id, lambda current: transition(current, failed))
        else:
            return True
        return False

    def _judge(self, stored: StoredJob, listed: Listed) -> None:
        """Applies to one job what the search has found of its attempts, and what it has not."""
        job, latest = stored.job, stored
        unwanted = unwanted_attempts(job)
        for attempt in attempts_to_find(job):
            known = (attempt.salad_job_id, *attempt.copies)
            found = [one for one in listed.jobs.get((job.id, attempt.number), ()) if one.id not in known]
            self.log("dispatch_looked_for", job_id=job.id, attempt=attempt.number, found=bool(found))
            events: list[Event] = [
                DispatchSent(at=self.clock(), attempt=attempt.number, salad_job_id=one.id) for one in found
            ]
            if not found and attempt not in unwanted:
                events = [self._missed(job)]
            elif not found and listed.complete:
                events = [AttemptClosed(at=self.clock(), attempt=attempt.number, salad_job_id=None)]
            latest = self._applied(latest, events)
            for one in found:
                latest = self._found(latest, attempt, one)

    def _missed(self, job: Job) -> Event:
        now, number = self.clock(), job.attempt.number
        if job.cancel_requested_at:
            return AttemptObserved(at=now, attempt=number, running=None)
        return DispatchLost(at=now, attempt=number)

    def _found(self, stored: StoredJob, attempt: Attempt, found: SaladJob) -> StoredJob:
        """Applies the state of a Salad job that was searched for, when it is over or its run has fallen silent."""
        if found.is_over:
            updated = self.finisher.apply_salad_result(found, known=stored)
            return updated.after if updated else stored
        if not attempt.runs:
            return stored
        running = found.status == "running"
        return self._applied(stored, [AttemptObserved(at=self.clock(), attempt=attempt.number, running=running)])

    def _applied(self, stored: StoredJob, events: Sequence[Event]) -> StoredJob:
        updated = self.store.update(stored.job.id, lambda job: reduce(transition, events, job), known=stored)
        if updated:
            self.finisher.announce(updated)
        return updated.after if updated else stored

    def _postpone(self, unknown: Sequence[StoredJob]) -> None:
        now = self.clock()
        later = TimerClaimed(at=now, timer=Timer.DISPATCH, until=now + AFTER_SCAN)
        for stored in unknown:
            self.store.update(stored.job.id, lambda job: transition(job, later), known=stored)

    def _get(self, job: Job, attempt: Attempt, salad_job_id: str, share: CallShare) -> SaladJob | None:
        """Reads one job of an attempt; None when Salad has none. Raises SaladUnavailableError."""
        if not share.take():
            raise SaladUnavailableError("the tick may send no more calls to Salad")
        try:
            found = self.salad.get_queue_job(salad_job_id)
        except NotAskedError as error:
            raise SaladUnavailableError(str(error)) from error
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

    def _delete_if_pending(self, job: Job, attempt: Attempt, salad_job_id: str, share: CallShare) -> None:
        """Deletes a job that waits in Salad's queue; never a running one, because that can block a queue worker."""
        found = self._get(job, attempt, salad_job_id, share)
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
