"""What the callback events change: the app's callback of a finished job."""

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import timers_with, with_timeline_entry
from avatar_jobs.domain.job.model import CallbackState, Job, Timer


def callback_claimed(job: Job, event: ev.CallbackClaimed) -> Job:
    """Reserves the next try for one process until event.until."""
    due = job.timers.get(Timer.CALLBACK)
    if job.callback is None or due is None or event.at < due:  # another process has claimed it, or no try is left
        return job
    callback = job.callback.model_copy(update={"next_attempt_at": event.until})
    return job.model_copy(update={"callback": callback, "timers": timers_with(job, callback=event.until)})


def callback_tried(job: Job, event: ev.CallbackTried) -> Job:
    """Records a try, or why none was made, and sets the callback timer for the next one, if there is one."""
    if job.callback is None or job.callback.state in (CallbackState.DELIVERED, CallbackState.FAILED):
        return job
    if event.delivered:
        state, next_at = CallbackState.DELIVERED, None
    else:
        next_at = event.next_attempt_at
        state = CallbackState.RETRYING if next_at else CallbackState.FAILED
    callback = job.callback.model_copy(
        update={
            "state": state,
            "attempts": job.callback.attempts + (0 if event.given_up else 1),
            "last_status": job.callback.last_status if event.given_up else event.http_status,
            "next_attempt_at": next_at,
        }
    )
    changed = job.model_copy(update={"callback": callback, "timers": timers_with(job, callback=next_at)})
    outcome = event.given_up or str(event.http_status or "no answer")
    return with_timeline_entry(changed, event.at, f"callback_{state.value}", outcome)
