"""Builds examples of every event that fit a job. Add the examples of a new event here. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.model import ClaimedResult, Job, JobError, Metrics, Output, Phase, Timer

# Longer than every lease, claim and silence timer of a job, and well before the deadlines of the examples.
LATER = timedelta(minutes=11)

ERROR = JobError(code=JobErrorCode.GPU_FAULT, message="example", stage="generating", retryable=True)
OUTPUT = Output(
    bucket="videos",
    key="example.mp4",
    size_bytes=1,
    sha1="0" * 40,
    duration_sec=1,
    width=2,
    height=2,
    fps=25,
    frames=25,
)


class MissingRepresentativeError(Exception):
    """An event has no example; the message names the event."""


def event_types() -> list[type[ev.Event]]:
    """Returns every event that can happen to a job, in the order of domain/job/events.py."""
    return [
        found
        for found in vars(ev).values()
        if isinstance(found, type) and issubclass(found, ev.Event) and found not in (ev.Event, ev.AttemptEvent)
    ]


def _attempts(job: Job) -> Sequence[int]:
    """Returns the numbers of the newest attempt and, if there is one, of the attempt before it."""
    return [number for number in (job.attempt.number, job.attempt.number - 1) if number]


def _salad_id(job: Job, number: int) -> str:
    return job.attempts[number - 1].salad_job_id or f"salad-{number}"


def _reports(job: Job, at: datetime) -> list[ev.Event]:
    """Returns reports of the current run and of a run that has not reported before."""
    number, seq = job.attempt.number, job.attempt.last_seq + 1
    known = job.attempt.runs[-1:] or (f"run-{number}-1",)
    runs = dict.fromkeys((*known, f"run-{number}-{len(job.attempt.runs) + 1}"))
    return [
        ev.RunReported(at=at, attempt=attempt, run_id=run, seq=seq, phase=Phase.GENERATING, progress=0.5, error=error)
        for attempt in _attempts(job)
        for run in runs
        for error in (None, ERROR)
    ]


def _claim(at: datetime, attempt: int) -> ClaimedResult:
    return ClaimedResult(attempt=attempt, salad_job_id=None, output=OUTPUT, metrics=Metrics(), claimed_at=at)


def _observations(job: Job, at: datetime) -> list[ev.Event]:
    """Returns observations of the attempts whose Salad job id is known: Salad can only be asked for these."""
    return [
        ev.AttemptObserved(at=at, attempt=number, running=running)
        for number in _attempts(job)
        for running in (False, True)
        if job.attempts[number - 1].salad_job_id
    ]


def _tries(at: datetime) -> list[ev.Event]:
    return [
        ev.CallbackTried(at=at, delivered=True, http_status=204, next_attempt_at=None),
        ev.CallbackTried(at=at, delivered=False, http_status=500, next_attempt_at=at + LATER),
        ev.CallbackTried(at=at, delivered=False, http_status=410, next_attempt_at=None),
    ]


def _of_attempts(make: Callable[[datetime, int, Job], ev.Event]) -> Callable[[Job, datetime], list[ev.Event]]:
    return lambda job, at: [make(at, number, job) for number in _attempts(job)]


EXAMPLES: Mapping[type[ev.Event], Callable[[Job, datetime], list[ev.Event]]] = MappingProxyType(
    {
        ev.DispatchClaimed: _of_attempts(lambda at, n, _: ev.DispatchClaimed(at=at, attempt=n)),
        ev.DispatchSent: _of_attempts(
            lambda at, n, job: ev.DispatchSent(
                at=at, attempt=n, salad_job_id=_salad_id(job, n), upload_key_id=f"key-{n}"
            )
        ),
        ev.DispatchUnsent: _of_attempts(
            lambda at, n, _: ev.DispatchUnsent(
                at=at, attempt=n, retry_at=at + LATER, reason="example", upload_key_id=f"key-{n}"
            )
        ),
        ev.DispatchUnknown: _of_attempts(lambda at, n, _: ev.DispatchUnknown(at=at, attempt=n, reason="example")),
        ev.DispatchLost: _of_attempts(lambda at, n, _: ev.DispatchLost(at=at, attempt=n)),
        ev.RunReported: _reports,
        ev.ResultClaimed: _of_attempts(lambda at, n, _: ev.ResultClaimed(at=at, result=_claim(at, n))),
        ev.VerificationClaimed: _of_attempts(
            lambda at, n, _: ev.VerificationClaimed(at=at, attempt=n, until=at + timedelta(seconds=30))
        ),
        ev.OutputVerified: _of_attempts(lambda at, n, _: ev.OutputVerified(at=at, attempt=n)),
        ev.OutputAbsent: _of_attempts(lambda at, n, _: ev.OutputAbsent(at=at, attempt=n, detail="example")),
        ev.AttemptFailed: _of_attempts(
            lambda at, n, job: ev.AttemptFailed(at=at, attempt=n, error=ERROR, salad_job_id=_salad_id(job, n))
        ),
        ev.JobRefused: _of_attempts(lambda at, n, _: ev.JobRefused(at=at, attempt=n, error=ERROR)),
        ev.RunStopped: _of_attempts(lambda at, n, job: ev.RunStopped(at=at, attempt=n, salad_job_id=_salad_id(job, n))),
        ev.AttemptObserved: _observations,
        ev.AttemptClosed: _of_attempts(
            lambda at, n, job: ev.AttemptClosed(at=at, attempt=n, salad_job_id=_salad_id(job, n))
        ),
        ev.KeysRevoked: lambda job, at: [ev.KeysRevoked(at=at, key_ids=job.upload_key_ids or ("key-1",))],
        ev.TimerClaimed: lambda job, at: [
            ev.TimerClaimed(at=at, timer=timer, until=at + LATER) for timer in job.timers or Timer
        ],
        ev.TimerFailed: lambda job, at: [
            ev.TimerFailed(at=at, timer=timer, reason="example") for timer in job.timers or Timer
        ],
        ev.CancelRequested: lambda _, at: [ev.CancelRequested(at=at)],
        ev.DeadlinePassed: lambda _, at: [
            ev.DeadlinePassed(at=at, timer=timer) for timer in (Timer.START_DEADLINE, Timer.RUN_DEADLINE)
        ],
        ev.CallbackClaimed: lambda _, at: [ev.CallbackClaimed(at=at, until=at + LATER)],
        ev.CallbackTried: lambda _, at: _tries(at),
        ev.RequeueRequested: lambda _, at: [ev.RequeueRequested(at=at)],
        ev.RedeliveryRequested: lambda _, at: [ev.RedeliveryRequested(at=at)],
    }
)


def examples(event: type[ev.Event], job: Job, at: datetime) -> Sequence[ev.Event]:
    """Returns the examples of one event at one time. Raises MissingRepresentativeError."""
    make = EXAMPLES.get(event)
    if make is None:
        raise MissingRepresentativeError(f"{event.__name__} has no example in infra/tools/state_table")
    return make(job, at)
