"""The changes that several events share: timers, attempts, the next attempt, the end of the job."""

from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.model import (
    MAX_ATTEMPTS,
    Attempt,
    Callback,
    DispatchState,
    Job,
    JobError,
    JobStatus,
    Phase,
    TimelineEntry,
    Timer,
)

# The request that ends a job makes the first callback try; the tick takes over if that process dies before it does.
CALLBACK_LEASE = timedelta(seconds=30)
# Enough for every event of three failed attempts; the record must stay small whatever workers report.
TIMELINE_CAP = 60
# The webhook about a job that has just ended usually arrives within this time; if it does not, the tick asks Salad.
CLEANUP_WAIT = timedelta(seconds=60)
# A job under an outage of Salad may be sent again every two minutes, but few of these calls arrive. Beyond this number
# the oldest copies are forgotten: they end with the job's credentials.
MAX_COPIES = 16


def with_timeline_entry(job: Job, at: datetime, event: str, detail: str = "") -> Job:
    """Returns the job with one more timeline entry. Beyond TIMELINE_CAP the oldest ones but the first are dropped."""
    entry = TimelineEntry(at=at, event=event, attempt=job.attempt.number, detail=detail[:200])
    lines = (*job.timeline, entry)
    if len(lines) > TIMELINE_CAP:
        lines = (lines[0], *lines[-(TIMELINE_CAP - 1) :])
    return job.model_copy(update={"timeline": lines})


def is_current(job: Job, event: ev.AttemptEvent, *states: DispatchState) -> bool:
    """Returns whether the event belongs to the newest attempt and, if states are given, that attempt is in one."""
    attempt = job.attempt
    return attempt.number == event.attempt and (not states or attempt.dispatch in states)


def with_attempt(job: Job, **changes: Any) -> tuple[Attempt, ...]:
    """Returns the job's attempts with changes to the newest one."""
    return (*job.attempts[:-1], job.attempt.model_copy(update=changes))


def timers_with(job: Job, **changes: datetime | None) -> dict[Timer, datetime]:
    """Returns the job's timers with some set and, where None is given, some removed."""
    merged = {**job.timers, **{Timer(name): at for name, at in changes.items()}}
    return {name: at for name, at in merged.items() if at is not None}


def deadline_of(job: Job) -> datetime:
    """Returns when an unfinished job fails: at its start deadline until a run starts, then at its run deadline."""
    if job.started_at is None:
        return job.created_at + timedelta(seconds=job.input.start_timeout_seconds)
    return job.started_at + timedelta(seconds=job.input.run_timeout_seconds)


def open_salad_jobs(attempt: Attempt) -> tuple[str, ...]:
    """Returns the known ids of the attempt's Salad jobs that may still wait or run."""
    own = (attempt.salad_job_id,) if attempt.salad_job_id and not attempt.closed else ()
    return (*own, *attempt.copies)


def untraced_calls(attempt: Attempt) -> int:
    """Returns for how many calls Salad may have a job whose id is not known."""
    own = attempt.salad_job_id is None and attempt.dispatch is not DispatchState.UNSENT and not attempt.closed
    return attempt.lost_calls + own


def unclosed_attempts(job: Job) -> list[Attempt]:
    """Returns the attempts that may still wait or run at Salad, under a known id or an unknown one."""
    return [attempt for attempt in job.attempts if open_salad_jobs(attempt) or untraced_calls(attempt)]


def unwanted_attempts(job: Job) -> list[Attempt]:
    """Returns the unclosed attempts that nobody needs: the superseded ones, and all of a finished job."""
    current = 0 if job.status.is_terminal else job.attempt.number
    return [attempt for attempt in unclosed_attempts(job) if attempt.number != current]


def attempts_to_find(job: Job) -> list[Attempt]:
    """Returns the attempts whose Salad job has to be searched for: only its metadata says that it is theirs."""
    unwanted = unwanted_attempts(job)
    return [
        attempt
        for attempt in job.attempts
        if untraced_calls(attempt) and (attempt in unwanted or attempt.salad_job_id is None)
    ]


def with_changed(job: Job, changed: Attempt) -> Job:
    """Returns the job with one attempt replaced by its changed form."""
    attempts = tuple(changed if attempt.number == changed.number else attempt for attempt in job.attempts)
    return job.model_copy(update={"attempts": attempts})


def with_salad_job(attempt: Attempt, salad_job_id: str) -> Attempt:
    """Returns the attempt as sent, with the id of one more Salad job: its own, or that of a copy."""
    if salad_job_id == attempt.salad_job_id or salad_job_id in attempt.copies:
        return attempt.model_copy(update={"dispatch": DispatchState.SENT})
    left = max(0, untraced_calls(attempt) - 1)
    known = {"dispatch": DispatchState.SENT, "lost_calls": left}
    if attempt.salad_job_id is None:
        return attempt.model_copy(update={**known, "salad_job_id": salad_job_id, "closed": False})
    return attempt.model_copy(update={**known, "copies": (*attempt.copies, salad_job_id)[-MAX_COPIES:]})


def with_cleanup(job: Job, at: datetime) -> Job:
    """Sets the cleanup timer while an unwanted attempt may still be at Salad; removes it afterwards."""
    due = job.timers.get(Timer.CLEANUP, at + CLEANUP_WAIT) if unwanted_attempts(job) else None
    if due == job.timers.get(Timer.CLEANUP):
        return job
    return job.model_copy(update={"timers": timers_with(job, cleanup=due)})


def with_revocation(job: Job, at: datetime) -> Job:
    """Sets the revoke timer of a finished job while it has storage keys."""
    if not job.upload_key_ids or Timer.REVOKE in job.timers:
        return job
    return job.model_copy(update={"timers": timers_with(job, revoke=at)})


def next_attempt(job: Job, at: datetime) -> Job:
    """Adds the next attempt, due at once; the next tick claims and sends it."""
    planned = Attempt(number=job.attempt.number + 1, dispatch=DispatchState.UNSENT, claimed_at=at, tries=0)
    changed = job.model_copy(
        update={
            "attempts": (*job.attempts, planned),
            "phase": Phase.REQUEUED,
            "progress": 0.0,
            "timers": timers_with(job, dispatch=at, verify=None, silence=None),
        }
    )
    return with_cleanup(with_timeline_entry(changed, at, "requeued"), at)


def sent_again(job: Job, at: datetime) -> Job:
    """Plans the same attempt again, due at once: there is no attempt after the last one.

    What Salad may still have of it becomes a copy. Its old runs are removed: if one of them reports again, it counts
    as a new run and nothing needs to be sent.
    """
    old = job.attempt
    again = Attempt(
        number=old.number,
        dispatch=DispatchState.UNSENT,
        claimed_at=at,
        tries=old.tries,
        last_error=old.last_error,
        copies=open_salad_jobs(old)[-MAX_COPIES:],
        lost_calls=untraced_calls(old),
    )
    return job.model_copy(
        update={
            "attempts": (*job.attempts[:-1], again),
            "phase": Phase.REQUEUED,
            "progress": 0.0,
            "timers": timers_with(job, dispatch=at, silence=None),
        }
    )


def attempt_over(job: Job, at: datetime, error: JobError) -> Job:
    """Adds another attempt while attempts and time remain; otherwise ends the job with the last reported error."""
    time_remains = at < deadline_of(job)
    if job.cancel_requested_at:
        return finished(job, at, JobStatus.CANCELLED, None)
    if job.attempt.number < MAX_ATTEMPTS and time_remains:
        return next_attempt(with_timeline_entry(job, at, "attempt_failed", error.code), at)
    return finished(job, at, JobStatus.FAILED, job.attempt.last_error or error)


def finished(job: Job, at: datetime, status: JobStatus, error: JobError | None) -> Job:
    """Ends the job. The same write stores the callback that the app is owed."""
    callback = None
    timers: dict[Timer, datetime] = {Timer.PURGE: at + timedelta(seconds=job.retention_sec)}
    if job.input.webhook_url:
        lease_end = at + CALLBACK_LEASE
        callback = Callback(webhook_id=f"msg_{job.id}", next_attempt_at=lease_end)
        timers[Timer.CALLBACK] = lease_end
    changed = job.model_copy(
        update={
            "status": status,
            "phase": None,
            "error": error,
            "finished_at": at,
            "claimed_result": None,
            "callback": callback,
            "timers": timers,
        }
    )
    return with_revocation(
        with_cleanup(with_timeline_entry(changed, at, status.value, error.code if error else ""), at), at
    )


def started(job: Job, at: datetime) -> Job:
    """Returns the job as running since its first sign of life; the run deadline replaces the start deadline."""
    running = job.model_copy(update={"status": JobStatus.RUNNING, "started_at": job.started_at or at})
    run_deadline = job.timers.get(Timer.RUN_DEADLINE, deadline_of(running))
    timers = timers_with(job, dispatch=None, start_deadline=None, run_deadline=run_deadline)
    return running.model_copy(update={"timers": timers})
