"""What requests of apps and operators change: cancel a job, send a stuck one again, send a callback again."""

from datetime import datetime

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    deadline_of,
    finished,
    next_attempt,
    sent_again,
    timers_with,
    with_timeline_entry,
)
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
    """Records the request; nothing is dispatched afterwards. Ends the job at once if its newest attempt is unsent."""
    if job.cancel_requested_at:
        return job
    asked = with_timeline_entry(job.model_copy(update={"cancel_requested_at": event.at}), event.at, "cancel_requested")
    if job.claimed_result:  # if the claimed output is verified, the job succeeds
        return asked
    if job.attempt.dispatch is DispatchState.UNSENT:
        return finished(asked, event.at, JobStatus.CANCELLED, None)
    # A dispatch under way, or one with a lost answer, keeps its own timer too: its outcome may come first.
    return asked.model_copy(update={"phase": Phase.CANCELLING, "timers": timers_with(asked, cancel=event.at)})


def requeue_refusal(job: Job, at: datetime) -> str | None:
    """Returns why the job cannot be sent again now, as one sentence for an operator; None when it can.

    A job is stuck when Salad certainly does not have its attempt, or when the attempt has been silent for SILENT.
    An attempt that reports or is just being sent is not sent again: a second copy would only waste GPU time.
    """
    if job.status.is_terminal:
        return f"The job is over ({job.status.value}) and never changes again; its app must submit it again."
    if job.cancel_requested_at:
        return "Its cancellation was requested, so it is not sent again."
    if job.claimed_result:
        return "Its video is being verified; wait up to 10 minutes for the outcome."
    if at >= deadline_of(job):
        return "Its deadline has passed; the next tick ends it, and its app must submit it again."
    return _busy(job.attempt, job.timers.get(Timer.DISPATCH), at)


def _busy(attempt: Attempt, dispatch_due: datetime | None, at: datetime) -> str | None:
    """Returns why the newest attempt is not stuck, None when it is."""
    if attempt.dispatch is DispatchState.UNSENT:
        return None
    if attempt.dispatch is not DispatchState.SENT:
        waiting = dispatch_due is not None and at < dispatch_due
        return "It is being sent, or its answer was lost a moment ago; wait a minute." if waiting else None
    last_sign = attempt.last_report_at or attempt.claimed_at
    if at - last_sign >= SILENT:
        return None
    return f"Its attempt gave a sign of life less than {SILENT.seconds} seconds ago; wait."


def requeue_requested(job: Job, event: ev.RequeueRequested) -> Job:
    """Plans the next attempt; after the last one sends the same attempt again, as after a lost dispatch.

    So the attempts never exceed MAX_ATTEMPTS, and a second copy is harmless: only the newest run goes on.
    """
    if requeue_refusal(job, event.at) or _is_due(job, event.at):
        return job
    asked = with_timeline_entry(job, event.at, "requeue_requested", job.attempt.salad_job_id or "")
    if job.attempt.dispatch is DispatchState.UNSENT:  # Salad does not have it: send the same attempt without its pause
        return asked.model_copy(update={"timers": timers_with(job, dispatch=event.at)})
    if job.attempt.number < MAX_ATTEMPTS:
        return next_attempt(asked, event.at)
    return sent_again(asked, event.at)


def _is_due(job: Job, at: datetime) -> bool:
    """Returns whether the next tick sends the attempt anyway."""
    return job.attempt.dispatch is DispatchState.UNSENT and job.timers.get(Timer.DISPATCH, at) <= at


def redelivery_refusal(job: Job) -> str | None:
    """Returns why the callback cannot be sent again, as one sentence for an operator; None when it can."""
    if job.input.webhook_url is None:
        return "The job has no webhook_url, so it has no callback."
    if job.callback is None:
        return f"The job is not over ({job.status.value}); its callback is sent when it ends."
    return None


def redelivery_requested(job: Job, event: ev.RedeliveryRequested) -> Job:
    """Makes the callback due at once, with the same webhook-id; the count of its tries goes on.

    Later tries follow the rest of the callback schedule; if that is used up, this is the last try.
    """
    if redelivery_refusal(job) or job.callback is None:
        return job
    due = job.timers.get(Timer.CALLBACK)
    if due is not None and due <= event.at:  # the next tick sends it anyway
        return job
    callback = job.callback.model_copy(update={"state": CallbackState.RETRYING, "next_attempt_at": event.at})
    changed = job.model_copy(update={"callback": callback, "timers": timers_with(job, callback=event.at)})
    return with_timeline_entry(changed, event.at, "redelivery_requested", f"tries so far: {job.callback.attempts}")
