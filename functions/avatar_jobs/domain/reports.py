"""What a worker hears back when it reports."""

from dataclasses import dataclass
from datetime import datetime

from avatar_jobs.domain.jobs import Job, Timer


@dataclass(frozen=True)
class ReportAnswer:
    """cancel: stop and answer `superseded`; remaining_seconds: until the run deadline, never negative."""

    cancel: bool
    remaining_seconds: int


def report_answer(job: Job, *, attempt: int, run_id: str, now: datetime) -> ReportAnswer:
    """Judges a run after its report was applied: only the newest run of the newest attempt of an open job goes on."""
    newest = job.attempt.number == attempt and job.attempt.runs[-1:] == (run_id,)
    go_on = newest and not job.status.is_terminal and job.cancel_requested_at is None
    deadline = job.timers.get(Timer.RUN_DEADLINE)
    if deadline is None:
        remaining = float(job.input.run_timeout_seconds) if go_on else 0.0
    else:
        remaining = (deadline - now).total_seconds()
    return ReportAnswer(cancel=not go_on, remaining_seconds=max(0, int(remaining)))
