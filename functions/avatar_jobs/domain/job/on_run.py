"""What a worker's report changes, and what the worker is answered."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    is_current,
    started,
    timers_with,
    with_attempt,
    with_timeline_entry,
)
from avatar_jobs.domain.job.model import DispatchState, Job, Phase, Timer

# While only the progress changes, one report per 10 s is stored: reports are the main cost of the store.
REPORT_STORE_INTERVAL = timedelta(seconds=10)
# A worker reports every 5 s, so a minute without a report is a dozen lost reports in a row.
SILENT = timedelta(seconds=60)
# The most runs that are stored for one attempt. Salad makes at most 4; a stolen token must not make the record grow.
MAX_RUNS = 16


def run_reported(job: Job, event: ev.RunReported) -> Job:
    """Applies a report of the newest attempt's newest run; a run that is not yet known becomes the newest.

    After the credentials have expired, the token proves nothing any more.
    """
    if not is_current(job, event) or job.claimed_result or event.at > job.credentials_expire_at:
        return job
    attempt = job.attempt
    if event.run_id not in attempt.runs:
        return _run_started(job, event) if len(attempt.runs) < MAX_RUNS else job
    if event.run_id != attempt.runs[-1] or event.seq <= attempt.last_seq:
        return job
    fresh = attempt.last_report_at and event.at - attempt.last_report_at < REPORT_STORE_INTERVAL
    if fresh and event.phase is job.phase and event.error is None:
        return job
    return _report_stored(job, event)


def _run_started(job: Job, event: ev.RunReported) -> Job:
    """Adds the newest run. Its report proves that Salad has the attempt."""
    runs = (*job.attempt.runs, event.run_id)
    attempts = with_attempt(job, dispatch=DispatchState.SENT, runs=runs, last_seq=-1)
    changed = started(job.model_copy(update={"attempts": attempts}), event.at)
    return _report_stored(with_timeline_entry(changed, event.at, "run_started", event.run_id), event)


def _report_stored(job: Job, event: ev.RunReported) -> Job:
    """Stores a report. Each report pushes the silence timer back by 60 s."""
    error = event.error or job.attempt.last_error
    changed = job.model_copy(
        update={
            "attempts": with_attempt(job, last_report_at=event.at, last_seq=event.seq, last_error=error),
            "phase": Phase.CANCELLING if job.cancel_requested_at else event.phase,
            "progress": min(max(event.progress, 0.0), 0.99),  # 1.0 is reserved for a verified output
            "timers": timers_with(job, silence=event.at + SILENT),
        }
    )
    return with_timeline_entry(changed, event.at, "run_failed", event.error.code) if event.error else changed


@dataclass(frozen=True)
class ReportAnswer:
    """The answer to a report.

    cancel: the worker must stop and answer `superseded`; remaining_seconds: until the run deadline, never negative.
    """

    cancel: bool
    remaining_seconds: int


def report_answer(job: Job, *, attempt: int, run_id: str, now: datetime) -> ReportAnswer:
    """Returns the answer to a report that was applied. Only the newest run of the newest attempt goes on."""
    newest = job.attempt.number == attempt and job.attempt.runs[-1:] == (run_id,)
    go_on = newest and not job.status.is_terminal and job.cancel_requested_at is None
    deadline = job.timers.get(Timer.RUN_DEADLINE)
    if deadline is None:
        remaining = float(job.input.run_timeout_seconds) if go_on else 0.0
    else:
        remaining = (deadline - now).total_seconds()
    return ReportAnswer(cancel=not go_on, remaining_seconds=max(0, int(remaining)))
