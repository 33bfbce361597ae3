"""What an operator may ask of a job: send a stuck one again, tell the app once more of a finished one."""

from datetime import datetime

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import deadline_of, finished, next_attempt, timers_with, with_timeline_entry
from avatar_jobs.domain.job.model import (
    MAX_ATTEMPTS,
    Attempt,
    CallbackState,
    DispatchState,
    Job,
    JobStatus,
    Phase,
    Timer,
)
from avatar_jobs.domain.job.on_run import SILENT


def cancel_requested(job: Job, event: ev.CancelRequested) -> Job:
    """Nothing is dispatched afterwards. Cancelled at once when certainly nothing of the newest attempt is at Salad."""
    if job.cancel_requested_at:
        return job
    asked = with_timeline_entry(job.model_copy(update={"cancel_requested_at": event.at}), event.at, "cancel_requested")
    if job.claimed_result:  # a verified success that arrives first wins
        return asked
    if job.attempt.dispatch is DispatchState.UNSENT:
        return finished(asked, event.at, JobStatus.CANCELLED, None)
    # A dispatch under way, or one whose answer was lost, keeps its own timer: its outcome decides.
    due = event.at if job.attempt.dispatch is DispatchState.SENT else None
    return asked.model_copy(update={"phase": Phase.CANCELLING, "timers": timers_with(asked, cancel=due)})


def requeue_refusal(job: Job, at: datetime) -> str | None:
    """Returns why the job cannot be sent again now, one sentence for an operator; None when it can.

    It can when nothing else would move it: certainly not at Salad, or nobody heard of its attempt for SILENT_S. An
    attempt that reports, or whose sender still has its time, is left alone: a second one would only burn a GPU.
    """
    if job.status.is_terminal:
        return f"The job is over ({job.status.value}) and never changes again; its app must submit it again."
    if job.cancel_requested_at:
        return "Its cancellation was requested; nothing is dispatched afterwards."
    if job.claimed_result:
        return "A finished video is being looked for; that ends within 10 minutes, one way or the other."
    if at >= deadline_of(job):
        return "Its deadline has passed; the next tick ends it, and its app must submit it again."
    return _busy(job.attempt, job.timers.get(Timer.DISPATCH), at)


def _busy(attempt: Attempt, dispatch_due: datetime | None, at: datetime) -> str | None:
    """Why the newest attempt is not stuck: somebody is at work on it, or was a moment ago."""
    if attempt.dispatch is DispatchState.UNSENT:
        return None
    if attempt.dispatch is not DispatchState.SENT:
        waiting = dispatch_due is not None and at < dispatch_due
        return "It is being sent, or its answer was lost a moment ago; wait a minute." if waiting else None
    last_sign = attempt.last_report_at or attempt.claimed_at
    if at - last_sign >= SILENT:
        return None
    return f"Its attempt gave a sign of life less than {SILENT.seconds} seconds ago."


def requeue_requested(job: Job, event: ev.RequeueRequested) -> Job:
    """The next attempt; after the last one the same again, as after a lost dispatch: a double is harmless by the run
    rule, and attempts never exceed their cap."""
    if requeue_refusal(job, event.at) or _is_due(job, event.at):
        return job
    asked = with_timeline_entry(job, event.at, "requeue_requested", job.attempt.salad_job_id or "")
    if job.attempt.dispatch is DispatchState.UNSENT:  # certainly not at Salad: the same attempt, without its pause
        return asked.model_copy(update={"timers": timers_with(job, dispatch=event.at)})
    if job.attempt.number < MAX_ATTEMPTS:
        return next_attempt(asked, event.at)
    # Without its runs: should an old one come back to life, its report proves that nothing needs to be sent any more.
    again = Attempt(
        number=job.attempt.number,
        dispatch=DispatchState.UNSENT,
        claimed_at=event.at,
        tries=0,
        last_error=job.attempt.last_error,
    )
    return asked.model_copy(
        update={
            "attempts": (*job.attempts[:-1], again),
            "phase": Phase.REQUEUED,
            "progress": 0.0,
            "timers": timers_with(job, dispatch=event.at, silence=None),
        }
    )


def _is_due(job: Job, at: datetime) -> bool:
    """True when the next tick sends the attempt anyway."""
    return job.attempt.dispatch is DispatchState.UNSENT and job.timers.get(Timer.DISPATCH, at) <= at


def redelivery_refusal(job: Job) -> str | None:
    """Returns why the callback cannot be sent again, one sentence for an operator; None when it can."""
    if job.input.webhook_url is None:
        return "The job has no webhook_url; there is nobody to call."
    if job.callback is None:
        return f"The job is not over ({job.status.value}); its callback is sent at its end."
    return None


def redelivery_requested(job: Job, event: ev.RedeliveryRequested) -> Job:
    """Due at once with the same webhook-id and the tries counted on; a used-up schedule gets one try more."""
    if redelivery_refusal(job) or job.callback is None:
        return job
    due = job.timers.get(Timer.CALLBACK)
    if due is not None and due <= event.at:  # the next tick sends it anyway
        return job
    callback = job.callback.model_copy(update={"state": CallbackState.RETRYING, "next_attempt_at": event.at})
    changed = job.model_copy(update={"callback": callback, "timers": timers_with(job, callback=event.at)})
    return with_timeline_entry(changed, event.at, "redelivery_requested", f"tries so far: {job.callback.attempts}")
