"""Serves the due timers of jobs: one action for each timer, claimed in the store before it is done."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from avatar_jobs.domain.errors import AvatarError, ProviderError
from avatar_jobs.domain.job.changes import deadline_of
from avatar_jobs.domain.job.events import (
    CallbackClaimed,
    DeadlinePassed,
    DispatchClaimed,
    DispatchUnknown,
    Event,
    KeysRevoked,
    TimerClaimed,
    TimerFailed,
    VerificationClaimed,
)
from avatar_jobs.domain.job.model import DispatchState, Job, Timer
from avatar_jobs.domain.job.on_timer import cleanup_wait, quiet_wait
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.domain.rate_budget import CallShare
from avatar_jobs.ports.jobs import JobStore, StoredJob, Updated
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.storage import OutputStore, UploadKeys
from avatar_jobs.services.breaker import what_broke
from avatar_jobs.services.callbacks.batch import CallbackBatch
from avatar_jobs.services.callbacks.deliverer import LATER_TRY_SEC
from avatar_jobs.services.dispatch.dispatcher import Dispatcher
from avatar_jobs.services.outcome.finisher import Finisher
from avatar_jobs.services.outcome.verifier import Verifier
from avatar_jobs.services.queries.job_view import output_name, sidecar_name
from avatar_jobs.services.tick.reconciler import Reconciler

VERIFY_AGAIN = timedelta(seconds=30)  # an unavailable storage is asked twice a minute
CALLBACK_CLAIM = timedelta(seconds=60)  # one try takes up to 15 s; the rest is for storing its outcome
# When a timer is served without a decision, the job is due again after this time: soon while an app waits.
ASK_AGAIN = {
    Timer.CANCEL: timedelta(seconds=10),
    Timer.SILENCE: timedelta(seconds=60),
    Timer.REVOKE: timedelta(seconds=120),
    Timer.PURGE: timedelta(hours=1),
    Timer.START_DEADLINE: timedelta(seconds=1),
    Timer.RUN_DEADLINE: timedelta(seconds=1),
}
# Of the tick's 100 calls a minute. Most of these attempts just wait in a long queue; what is left over waits with them.
QUIET_LOOKS = 30
TICKS_PAST_DEADLINE = 1  # when Salad does not answer, the job ends one tick later anyway


@dataclass
class TickContext:
    """What one tick carries from job to job. Safe for threads.

    share: the calls to Salad that it may still send; stop_at: when its work must end; unknown: jobs whose dispatch must
    be searched for at Salad; quiet_looks: how many attempts that have never reported Salad may still be asked about;
    done: counts for the tick's report, changed by count alone.
    """

    share: CallShare
    stop_at: datetime
    unknown: list[StoredJob] = field(default_factory=list)
    quiet_looks: int = field(default_factory=lambda: QUIET_LOOKS)
    done: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def take_quiet_look(self) -> bool:
        """Takes one of the quiet looks. Returns False when none is left."""
        with self._lock:
            self.quiet_looks -= 1
            return self.quiet_looks >= 0

    def count(self, kind: str, number: int = 1) -> None:
        """Adds to the count of one kind of work."""
        if number:
            with self._lock:
                self.done[kind] += number


@dataclass(frozen=True, kw_only=True)
class Housekeeper:
    """Serves one due timer of one job.

    upload_keys: deletes storage keys, None where none are made; prefix: the bucket's folder for videos; period: time
    between two ticks.
    """

    store: JobStore
    outputs: OutputStore
    dispatcher: Dispatcher
    verifier: Verifier
    finisher: Finisher
    reconciler: Reconciler
    callbacks: CallbackBatch
    upload_keys: UploadKeys | None
    clock: Clock
    log: EventLog
    prefix: str
    period: timedelta

    def act(self, timer: Timer, stored: StoredJob, context: TickContext) -> str:
        """Serves one due timer. Returns the kind of work done, for the tick's report.

        Raises AvatarError; SaladUnavailableError, a kind of it, when Salad gives no usable answer.
        """
        now = self.clock()
        match timer:
            case Timer.VERIFY:
                return self._verify(stored, now)
            case Timer.CALLBACK:
                return self._call_back(stored, now)
            case Timer.DISPATCH:
                return self._dispatch(stored, now, context)
            case Timer.START_DEADLINE | Timer.RUN_DEADLINE:
                return self._deadline(timer, stored, now, context)
            case Timer.SILENCE | Timer.CANCEL | Timer.CLEANUP | Timer.REVOKE | Timer.PURGE:
                return self._serve_claimed(timer, stored, now, context)

    def put_off(self, timer: Timer, stored: StoredJob, error: Exception) -> None:
        """Stores that serving a timer failed in a way that nobody expects; it is due again later each time."""
        failed = TimerFailed(at=self.clock(), timer=timer, reason=type(error).__name__)
        self.store.update(stored.job.id, lambda job: transition(job, failed))

    def _apply(self, stored: StoredJob, event: Event) -> Updated | None:
        return self.store.update(stored.job.id, lambda job: transition(job, event), known=stored)

    def _verify(self, stored: StoredJob, now: datetime) -> str:
        claim = stored.job.claimed_result
        if claim is None:
            return "overtaken"
        updated = self._apply(stored, VerificationClaimed(at=now, attempt=claim.attempt, until=now + VERIFY_AGAIN))
        if updated and updated.changed and updated.after.job.claimed_result:
            updated = self.verifier.verify(updated.after)
        self._announce(updated)
        return "verified"

    def _call_back(self, stored: StoredJob, now: datetime) -> str:
        claimed = self._apply(stored, CallbackClaimed(at=now, until=now + CALLBACK_CLAIM))
        if claimed is None or not claimed.changed:
            return "overtaken"
        self.callbacks.deliver(claimed.after, LATER_TRY_SEC)
        return "called_back"

    def _dispatch(self, stored: StoredJob, now: datetime, context: TickContext) -> str:
        attempt = stored.job.attempt
        if attempt.dispatch is DispatchState.SENDING:
            reason = "the sender stopped before it stored the answer"
            self._apply(stored, DispatchUnknown(at=now, attempt=attempt.number, reason=reason))
            return "dispatch_unknown"
        if attempt.dispatch is DispatchState.UNKNOWN:
            context.unknown.append(stored)
            return "dispatch_looked_for"
        if not context.share.take():
            # Postponed, so that hundreds of waiting dispatches do not fill the next tick's list of due jobs.
            later = TimerClaimed(at=now, timer=Timer.DISPATCH, until=now + self.period / 2)
            self._apply(stored, later)
            return "left_for_the_next_tick"
        claimed = self._apply(stored, DispatchClaimed(at=now, attempt=attempt.number))
        if claimed is None or not claimed.changed:
            return "overtaken"
        self.dispatcher.send(claimed.after)
        return "dispatched"

    def _deadline(self, timer: Timer, stored: StoredJob, now: datetime, context: TickContext) -> str:
        """Asks Salad first: a job that is over there ended in time, even if its webhook was lost.

        Whatever Salad says, the deadline then acts, unless the job has ended or a claimed output waits.
        """
        claimed = self._apply(stored, TimerClaimed(at=now, timer=timer, until=now + ASK_AGAIN[timer]))
        if claimed is None or not claimed.changed:
            return "overtaken"
        latest: StoredJob | None = claimed.after
        if claimed.after.job.claimed_result is None:
            try:
                seen = self.reconciler.reconcile(claimed.after, context.share)
            except Exception as error:
                if now < deadline_of(stored.job) + self.period * TICKS_PAST_DEADLINE:
                    raise
                if not isinstance(error, AvatarError):  # whatever the look at Salad meets, the deadline ends the job
                    self.log("due_job_broke", level="alarm", job_id=stored.job.id, timer=timer, **what_broke(error))
            else:
                latest = seen.stored if seen else None
        if latest:
            self._announce(self._apply(latest, DeadlinePassed(at=now, timer=timer)))
        return "deadline"

    def _serve_claimed(self, timer: Timer, stored: StoredJob, now: datetime, context: TickContext) -> str:
        claimed = self._apply(stored, TimerClaimed(at=now, timer=timer, until=now + _again(timer, stored.job, now)))
        if claimed is None or not claimed.changed:
            return "overtaken"
        match timer:
            case Timer.SILENCE:
                self._ask_about_silence(claimed.after, context)
            case Timer.CANCEL:
                if self.reconciler.cancel(claimed.after, context.share):
                    context.unknown.append(claimed.after)
            case Timer.CLEANUP:
                if self.reconciler.clean_up(claimed.after, context.share):
                    context.unknown.append(claimed.after)
            case Timer.REVOKE:
                self._revoke(claimed.after, now)
            case _:
                self._purge(claimed.after)
        return timer.value

    def _ask_about_silence(self, stored: StoredJob, context: TickContext) -> None:
        """Asks Salad about the attempt; one without a known Salad id is searched for with the others of this tick."""
        attempt = stored.job.attempt
        if attempt.salad_job_id is None:
            context.unknown.append(stored)
            return
        if not attempt.runs and not context.take_quiet_look():
            return
        self.reconciler.reconcile(stored, context.share)

    def _revoke(self, stored: StoredJob, now: datetime) -> None:
        """Deletes the job's storage keys. Keys that this system cannot delete expire by themselves.

        A key that the storage refuses to delete does not keep the others. Raises ProviderError when one is left.
        """
        job = stored.job
        if now >= job.credentials_expire_at:
            self._apply(stored, KeysRevoked(at=now, key_ids=job.upload_key_ids))
            return
        if self.upload_keys is None:
            return
        revoked: list[str] = []
        failure: ProviderError | None = None
        for key_id in job.upload_key_ids:
            try:
                self.upload_keys.revoke(key_id)
                revoked.append(key_id)
            except ProviderError as error:
                failure = error
                if error.status is None:  # no answer: the next key would wait as long
                    break
        if revoked:
            self._apply(stored, KeysRevoked(at=now, key_ids=tuple(revoked)))
        if failure:
            raise failure

    def _purge(self, stored: StoredJob) -> None:
        """Removes the files, then the record, so that a purge that stops in between is repeated."""
        job = stored.job
        for key in (output_name(self.prefix, job.id), sidecar_name(self.prefix, job.id)):
            self.outputs.delete(key)
        self.store.purge(job)

    def _announce(self, updated: Updated | None) -> None:
        if updated:
            self.finisher.announce(updated)


def _again(timer: Timer, job: Job, now: datetime) -> timedelta:
    """Returns after which time a timer that was served without a decision is due again."""
    if timer is Timer.CLEANUP:
        return cleanup_wait(job, now)
    if timer is Timer.SILENCE and not job.attempt.runs:
        return quiet_wait(job, now)
    return ASK_AGAIN[timer]
