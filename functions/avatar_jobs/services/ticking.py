"""The tick: under one lease, does what is due, each job fenced so that one that fails does not stop the next."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from avatar_jobs.domain.agenda import due_timer
from avatar_jobs.domain.errors import AvatarError
from avatar_jobs.domain.events import (
    CallbackClaimed,
    DeadlinePassed,
    DispatchClaimed,
    DispatchLost,
    DispatchUnknown,
    VerificationClaimed,
)
from avatar_jobs.domain.jobs import DispatchState, Timer
from avatar_jobs.domain.transition import transition
from avatar_jobs.ports import Clock, EventLog, JobStore, StoredJob, Updated
from avatar_jobs.services.calling_back import LATER_TRY_SEC, CallbackDeliverer
from avatar_jobs.services.dispatching import Dispatcher
from avatar_jobs.services.finishing import Finisher
from avatar_jobs.services.verifying import Verifier

WORK_SHARE, WORK_LIMIT = 0.8, timedelta(seconds=50)  # of the period; what is left is for the store's last writes
LEASE_SHARE = 0.9  # a tick that dies frees the lease before the next but one comes
DUE_LIMIT = 500  # jobs a tick: the promise of the design
DISPATCH_SHARE = 99  # of Salad's 240 calls a minute 100 are the tick's, and one of them looks at the queue
VERIFY_AGAIN = timedelta(seconds=30)  # a storage that is away is asked twice a minute
CALLBACK_CLAIM = timedelta(seconds=60)  # a try of 15 s, and time to store what came of it


@dataclass
class TickReport:
    """What a tick did: whether it had the lease, and how many jobs it handled by kind of work."""

    had_lease: bool
    done: Counter[str] = field(default_factory=Counter)


class Ticker:
    """period: between two ticks; draw_id: names the lease's holder."""

    def __init__(
        self,
        *,
        store: JobStore,
        dispatcher: Dispatcher,
        verifier: Verifier,
        finisher: Finisher,
        callbacks: CallbackDeliverer,
        clock: Clock,
        log: EventLog,
        draw_id: Callable[[], str],
        period: timedelta,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._verifier = verifier
        self._finisher = finisher
        self._callbacks = callbacks
        self._clock = clock
        self._log = log
        self._draw_id = draw_id
        self._period = period

    def tick(self) -> TickReport:
        """Does one round of housekeeping. Raises StorageUnavailableError when lease or agenda cannot be read."""
        holder, began = self._draw_id(), self._clock()
        if not self._store.take_tick_lease(holder, began, began + self._period * LEASE_SHARE):
            self._log("tick_skipped", reason="another tick holds the lease")
            return TickReport(had_lease=False)
        report = TickReport(had_lease=True)
        stop_at = began + min(self._period * WORK_SHARE, WORK_LIMIT)
        try:
            for stored in self._store.due(began, DUE_LIMIT):
                if self._clock() >= stop_at:
                    report.done["left_for_the_next_tick"] += 1
                    continue
                self._handle(stored, report)
        finally:
            self._store.release_tick_lease(holder, self._clock())
        self._log("tick_finished", seconds=(self._clock() - began).total_seconds(), **report.done)
        return report

    def _handle(self, stored: StoredJob, report: TickReport) -> None:
        """Serves one due timer of one job; a failure is counted and logged, not raised."""
        job = stored.job
        timer = due_timer(job, self._clock())
        if timer is None:
            return
        try:
            report.done[self._act(timer, stored, report)] += 1
        except AvatarError as error:
            report.done["failed"] += 1
            self._log(
                "due_job_failed",
                level="error",
                job_id=job.id,
                request_id=job.request_id,
                timer=timer.value,
                reason=str(error),
            )

    def _act(self, timer: Timer, stored: StoredJob, report: TickReport) -> str:
        """Returns the kind of work done, for the report."""
        now = self._clock()
        match timer:
            case Timer.DISPATCH:
                return self._dispatch(stored, now, report)
            case Timer.VERIFY:
                return self._verify(stored, now)
            case Timer.CALLBACK:
                return self._call_back(stored, now)
            case Timer.START_DEADLINE | Timer.RUN_DEADLINE:
                passed = DeadlinePassed(at=now, timer=timer)
                updated = self._store.update(stored.job.id, lambda job: transition(job, passed), known=stored)
                self._announce(updated)
                return "deadline"

    def _dispatch(self, stored: StoredJob, now: datetime, report: TickReport) -> str:
        attempt = stored.job.attempt
        if attempt.dispatch is DispatchState.SENDING:
            unknown = DispatchUnknown(at=now, attempt=attempt.number, reason="its sender never came back")
            self._store.update(stored.job.id, lambda job: transition(job, unknown), known=stored)
            return "dispatch_unknown"
        if attempt.dispatch is DispatchState.UNKNOWN:
            lost = DispatchLost(at=now, attempt=attempt.number)
            self._store.update(stored.job.id, lambda job: transition(job, lost), known=stored)
            return "dispatch_lost"
        if report.done["dispatched"] >= DISPATCH_SHARE:
            return "left_for_the_next_tick"
        claim = DispatchClaimed(at=now, attempt=attempt.number)
        claimed = self._store.update(stored.job.id, lambda job: transition(job, claim), known=stored)
        if claimed is None or not claimed.changed:
            return "overtaken"
        self._dispatcher.send(claimed.after)
        return "dispatched"

    def _verify(self, stored: StoredJob, now: datetime) -> str:
        claim = stored.job.claimed_result
        if claim is None:
            return "overtaken"
        claimed = VerificationClaimed(at=now, attempt=claim.attempt, until=now + VERIFY_AGAIN)
        updated = self._store.update(stored.job.id, lambda job: transition(job, claimed), known=stored)
        if updated and updated.changed and updated.after.job.claimed_result:
            updated = self._verifier.verify(updated.after)
        self._announce(updated)
        return "verified"

    def _call_back(self, stored: StoredJob, now: datetime) -> str:
        claim = CallbackClaimed(at=now, until=now + CALLBACK_CLAIM)
        claimed = self._store.update(stored.job.id, lambda job: transition(job, claim), known=stored)
        if claimed is None or not claimed.changed:
            return "overtaken"
        self._callbacks.deliver(claimed.after, LATER_TRY_SEC)
        return "called_back"

    def _announce(self, updated: Updated | None) -> None:
        if updated:
            self._finisher.announce(updated)
