"""What the dispatch events change: an attempt is claimed, sent, not sent, or its answer is lost."""

from datetime import datetime, timedelta

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    finished,
    is_current,
    next_attempt,
    timers_with,
    with_attempt,
    with_revocation,
    with_timeline_entry,
)
from avatar_jobs.domain.job.model import MAX_ATTEMPTS, DispatchState, Job, JobStatus, Phase, Timer
from avatar_jobs.domain.upload_keys import with_key_id

# A sender needs at most 4 s for Salad and 5 s for the store; after 30 s it has died.
DISPATCH_CLAIM = timedelta(seconds=30)
# How long a report or a webhook may take to prove that a dispatch with a lost answer did arrive.
UNKNOWN_WAIT = timedelta(seconds=60)


def dispatch_claimed(job: Job, event: ev.DispatchClaimed) -> Job:
    """Reserves an unsent attempt for one sender until DISPATCH_CLAIM is over."""
    if job.cancel_requested_at or job.claimed_result or not is_current(job, event, DispatchState.UNSENT):
        return job
    attempts = with_attempt(job, dispatch=DispatchState.SENDING, claimed_at=event.at, tries=job.attempt.tries + 1)
    changed = job.model_copy(
        update={"attempts": attempts, "timers": timers_with(job, dispatch=event.at + DISPATCH_CLAIM)}
    )
    return with_timeline_entry(changed, event.at, "dispatch_claimed", f"try {changed.attempt.tries}")


def dispatch_sent(job: Job, event: ev.DispatchSent) -> Job:
    """Records that Salad has the attempt, with the attempt's id there and its storage key."""
    known = job.attempt.salad_job_id is not None and job.attempt.dispatch is DispatchState.SENT
    if known or not is_current(job, event):
        return with_key(job, event.upload_key_id)
    salad_job_id = job.attempt.salad_job_id or event.salad_job_id
    attempts = with_attempt(job, dispatch=DispatchState.SENT, salad_job_id=salad_job_id)
    phase = Phase.DISPATCHED if job.phase is Phase.ACCEPTED else job.phase
    cancel = event.at if job.cancel_requested_at and job.claimed_result is None else None
    timers = timers_with(job, dispatch=None, cancel=cancel)
    changed = with_key(job, event.upload_key_id).model_copy(
        update={"attempts": attempts, "phase": phase, "timers": timers}
    )
    return with_timeline_entry(changed, event.at, "dispatched", event.salad_job_id)


def dispatch_unsent(job: Job, event: ev.DispatchUnsent) -> Job:
    """Plans the next try of the same attempt, or ends a job whose cancellation was requested."""
    known = with_key(job, event.upload_key_id)
    if not is_current(job, event, DispatchState.SENDING):
        return known
    if job.cancel_requested_at and job.claimed_result is None:  # Salad does not have the attempt
        return finished(known, event.at, JobStatus.CANCELLED, None)
    changed = known.model_copy(
        update={
            "attempts": with_attempt(job, dispatch=DispatchState.UNSENT),
            "timers": timers_with(job, dispatch=_unless_claimed(job, event.retry_at)),
        }
    )
    return with_timeline_entry(changed, event.at, "dispatch_unsent", event.reason)


def dispatch_unknown(job: Job, event: ev.DispatchUnknown) -> Job:
    """Waits UNKNOWN_WAIT for a report or a webhook that proves that the attempt arrived."""
    if not is_current(job, event, DispatchState.SENDING):
        return with_key(job, event.upload_key_id)
    changed = with_key(job, event.upload_key_id).model_copy(
        update={
            "attempts": with_attempt(job, dispatch=DispatchState.UNKNOWN),
            "timers": timers_with(job, dispatch=_unless_claimed(job, event.at + UNKNOWN_WAIT)),
        }
    )
    return with_timeline_entry(changed, event.at, "dispatch_unknown", event.reason)


def dispatch_lost(job: Job, event: ev.DispatchLost) -> Job:
    """Plans the next attempt; after the last one sends the same attempt again.

    An outage of Salad must not end a job before its deadline, and a second copy of an attempt is harmless: only the
    newest run goes on (on_run.report_answer).
    """
    if job.claimed_result or not is_current(job, event, DispatchState.UNKNOWN):
        return job
    if job.cancel_requested_at:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    lost = with_timeline_entry(job, event.at, "dispatch_lost")
    if job.attempt.number < MAX_ATTEMPTS:
        return next_attempt(lost, event.at)
    return lost.model_copy(
        update={
            "attempts": with_attempt(job, dispatch=DispatchState.UNSENT),
            "timers": timers_with(job, dispatch=event.at),
        }
    )


def _unless_claimed(job: Job, at: datetime) -> datetime | None:
    """Returns when the dispatch is checked next, None while a claimed output may end the job.

    If that claim is dropped, on_result.py sets the timer again.
    """
    return None if job.claimed_result else at


def with_key(job: Job, key_id: str | None) -> Job:
    """Returns the job with one more storage key; the same job when key_id is None or already known."""
    keys = with_key_id(job.upload_key_ids, key_id)
    return job if keys == job.upload_key_ids else job.model_copy(update={"upload_key_ids": keys})


def late_key(job: Job, event: ev.DispatchSent | ev.DispatchUnsent | ev.DispatchUnknown) -> Job:
    """Records the storage key of a dispatch whose outcome arrives after the job's end, so that it is deleted."""
    known = with_key(job, event.upload_key_id)
    return job if known is job else with_revocation(known, event.at)


def keys_revoked(job: Job, event: ev.KeysRevoked) -> Job:
    """Removes the deleted keys from the job; the revoke timer goes with the last one."""
    left = tuple(key_id for key_id in job.upload_key_ids if key_id not in event.key_ids)
    if left == job.upload_key_ids:
        return job
    due = job.timers.get(Timer.REVOKE) if left else None
    changed = job.model_copy(update={"upload_key_ids": left, "timers": timers_with(job, revoke=due)})
    return with_timeline_entry(changed, event.at, "keys_revoked", str(len(event.key_ids)))
