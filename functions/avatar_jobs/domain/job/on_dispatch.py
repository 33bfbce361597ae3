"""What the dispatch events change: an attempt is claimed, sent, not sent, or its answer is lost."""

from datetime import datetime, timedelta

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    CLEANUP_WAIT,
    finished,
    is_current,
    next_attempt,
    sent_again,
    timers_with,
    with_attempt,
    with_changed,
    with_cleanup,
    with_revocation,
    with_salad_job,
    with_timeline_entry,
)
from avatar_jobs.domain.job.model import MAX_ATTEMPTS, DispatchState, Job, JobStatus, Phase, Timer
from avatar_jobs.domain.job.on_run import SILENT
from avatar_jobs.domain.upload_keys import with_key_id

# A sender needs at most 4 s for Salad and 5 s for the store; after 30 s it has died.
DISPATCH_CLAIM = timedelta(seconds=30)
# How long a report or a webhook may take to prove that a dispatch with a lost answer did arrive.
UNKNOWN_WAIT = timedelta(seconds=60)
# When Salad is asked about an attempt that it has and whose run has never reported: it may have failed, and the webhook
# about that may be lost. Later questions come after twice the time each (quiet_wait), because a queue can be long.
QUIET_WAIT = timedelta(minutes=5)


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
    """Records that Salad has the attempt, with its id there and its storage key.

    An attempt that is no longer wanted is recorded too, so that its Salad job is found and ended.
    """
    keyed = with_key(job, event.upload_key_id)
    if not is_current(job, event):
        return _with_late_outcome(keyed, event, DispatchState.SENT)
    attempt = with_salad_job(job.attempt, event.salad_job_id)
    if attempt == job.attempt:
        return keyed
    phase = Phase.DISPATCHED if job.phase is Phase.ACCEPTED else job.phase
    changed = with_changed(keyed, attempt).model_copy(
        update={"phase": phase, "timers": _timers_when_sent(job, event.at)}
    )
    return with_timeline_entry(changed, event.at, "dispatched", event.salad_job_id)


def _timers_when_sent(job: Job, at: datetime) -> dict[Timer, datetime]:
    """Returns the timers of an attempt that Salad has, with the one for silence unless a claimed output may end it."""
    if job.claimed_result:
        return timers_with(job, dispatch=None)
    silence = job.timers.get(Timer.SILENCE, at + QUIET_WAIT)
    cancel = at if job.cancel_requested_at else None
    return timers_with(job, dispatch=None, silence=silence, cancel=cancel)


def dispatch_unsent(job: Job, event: ev.DispatchUnsent) -> Job:
    """Plans the next try of the same attempt, or ends a job whose cancellation was requested."""
    known = with_key(job, event.upload_key_id)
    if not is_current(job, event, DispatchState.SENDING):
        return _with_late_outcome(known, event, DispatchState.UNSENT)
    unsent = known.model_copy(update={"attempts": with_attempt(job, dispatch=DispatchState.UNSENT)})
    if job.cancel_requested_at and job.claimed_result is None:  # Salad does not have the attempt
        return finished(unsent, event.at, JobStatus.CANCELLED, None)
    changed = unsent.model_copy(update={"timers": timers_with(job, dispatch=_unless_claimed(job, event.retry_at))})
    return with_timeline_entry(changed, event.at, "dispatch_unsent", event.reason)


def dispatch_unknown(job: Job, event: ev.DispatchUnknown) -> Job:
    """Waits UNKNOWN_WAIT for a report or a webhook that proves that the attempt arrived."""
    known = with_key(job, event.upload_key_id)
    if not is_current(job, event, DispatchState.SENDING):
        return _with_late_outcome(known, event, DispatchState.UNKNOWN)
    changed = known.model_copy(
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
    if job.claimed_result or not is_current(job, event) or not _is_lost(job, event.at):
        return job
    if job.cancel_requested_at:
        return finished(job, event.at, JobStatus.CANCELLED, None)
    lost = with_timeline_entry(job, event.at, "dispatch_lost")
    if job.attempt.number < MAX_ATTEMPTS:
        return next_attempt(lost, event.at)
    return sent_again(lost, event.at)


def _is_lost(job: Job, at: datetime) -> bool:
    """Returns whether nothing has been heard of an attempt without a known Salad id for as long as it may take."""
    attempt = job.attempt
    if attempt.dispatch is DispatchState.UNKNOWN:
        return at >= job.timers.get(Timer.DISPATCH, at)
    silent = attempt.last_report_at is None or at - attempt.last_report_at >= SILENT
    return attempt.dispatch is DispatchState.SENT and attempt.salad_job_id is None and silent


def _unless_claimed(job: Job, at: datetime) -> datetime | None:
    """Returns when the dispatch is checked next, None while a claimed output may end the job.

    If that claim is dropped, on_result.py sets the timer again.
    """
    return None if job.claimed_result else at


def with_key(job: Job, key_id: str | None) -> Job:
    """Returns the job with one more storage key; the same job when key_id is None or already known."""
    keys = with_key_id(job.upload_key_ids, key_id)
    return job if keys == job.upload_key_ids else job.model_copy(update={"upload_key_ids": keys})


def late_outcome(job: Job, event: ev.DispatchSent | ev.DispatchUnsent | ev.DispatchUnknown) -> Job:
    """Records the outcome of a dispatch that arrives after the job's end: its key is deleted, its Salad job ended."""
    states = {ev.DispatchSent: DispatchState.SENT, ev.DispatchUnsent: DispatchState.UNSENT}
    state = states.get(type(event), DispatchState.UNKNOWN)
    known = _with_late_outcome(with_key(job, event.upload_key_id), event, state)
    return job if known is job else with_revocation(known, event.at)


def _with_late_outcome(job: Job, event: ev.AttemptEvent, state: DispatchState) -> Job:
    """Records the outcome of the dispatch of an attempt that is no longer wanted."""
    found = next((attempt for attempt in job.attempts if attempt.number == event.attempt), None)
    if found is None:
        return job
    if isinstance(event, ev.DispatchSent):
        changed = with_salad_job(found, event.salad_job_id)
    elif found.dispatch is DispatchState.SENDING:
        changed = found.model_copy(update={"dispatch": state})
    else:
        return job
    if changed == found:
        return job
    cleaned = with_cleanup(with_changed(job, changed), event.at)
    due = cleaned.timers.get(Timer.CLEANUP)
    if due is None:
        return cleaned
    return cleaned.model_copy(update={"timers": timers_with(cleaned, cleanup=min(due, event.at + CLEANUP_WAIT))})


def keys_revoked(job: Job, event: ev.KeysRevoked) -> Job:
    """Removes the deleted keys from the job; the revoke timer goes with the last one."""
    left = tuple(key_id for key_id in job.upload_key_ids if key_id not in event.key_ids)
    if left == job.upload_key_ids:
        return job
    due = job.timers.get(Timer.REVOKE) if left else None
    changed = job.model_copy(update={"upload_key_ids": left, "timers": timers_with(job, revoke=due)})
    return with_timeline_entry(changed, event.at, "keys_revoked", str(len(event.key_ids)))
