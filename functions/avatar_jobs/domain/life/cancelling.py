"""The app asked for the end of its job: a fact at once, a status only when it is certain."""

from avatar_jobs.domain import events as ev
from avatar_jobs.domain.jobs import DispatchState, Job, JobStatus, Phase
from avatar_jobs.domain.life.common import finished, noted, timers_with


def cancel_requested(job: Job, event: ev.CancelRequested) -> Job:
    """Nothing is dispatched afterwards. Cancelled at once when certainly nothing of the newest attempt is at Salad."""
    if job.cancel_requested_at:
        return job
    asked = noted(job.model_copy(update={"cancel_requested_at": event.at}), event.at, "cancel_requested")
    if job.claimed_result:  # a verified success that arrives first wins
        return asked
    if job.attempt.dispatch is DispatchState.UNSENT:
        return finished(asked, event.at, JobStatus.CANCELLED, None)
    # A dispatch under way, or one whose answer was lost, keeps its own timer: its outcome decides.
    due = event.at if job.attempt.dispatch is DispatchState.SENT else None
    return asked.model_copy(update={"phase": Phase.CANCELLING, "timers": timers_with(asked, cancel=due)})
