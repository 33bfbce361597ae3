"""Which of a job's due timers the tick serves first."""

from datetime import datetime

from avatar_jobs.domain.job.model import Job, Timer

# VERIFY comes before the deadlines: a finished video counts even if the deadline has passed. The deadlines come before
# DISPATCH: a job past its deadline must not be sent. CANCEL, SILENCE and DISPATCH need Salad, so they come after the
# timers that can be served when the tick has used its share of Salad's calls.
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
