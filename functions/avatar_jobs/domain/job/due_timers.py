"""Which of a job's due timers the tick serves first."""

from datetime import datetime

from avatar_jobs.domain.job.model import Job, Timer

# A claimed file is worth more than a deadline, and a job past its deadline must not be dispatched any more.
# What needs Salad comes after what does not, so that a spent share of its calls holds up nothing else.
ORDER = (
    Timer.VERIFY,
    Timer.CALLBACK,
    Timer.REVOKE,
    Timer.RUN_DEADLINE,
    Timer.START_DEADLINE,
    Timer.CANCEL,
    Timer.SILENCE,
    Timer.DISPATCH,
    Timer.CLEANUP,
    Timer.PURGE,
)


def due_timer(job: Job, now: datetime) -> Timer | None:
    """Returns the due timer to serve first, None when none is due yet."""
    return next((timer for timer in ORDER if timer in job.timers and job.timers[timer] <= now), None)
