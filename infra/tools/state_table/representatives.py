"""One or more examples of every event, made to fit a job; a new event has none until it is added here. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.model import ClaimedResult, Job, JobError, Metrics, Output, Phase, Timer

# Past every lease, claim and silence of the life, and well before the deadlines of the examples.
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
    """An event has no example; the message names it."""


def event_types() -> list[type[ev.Event]]:
    """Every event that can happen to a job, in the order of domain/events.py."""
    return [
        found
        for found in vars(ev).values()
        if isinstance(found, type) and issubclass(found, ev.Event) and found not in (ev.Event, ev.AttemptEvent)
    ]


def _attempts(job: Job) -> Sequence[int]:
    """The newest attempt and, where there is one, the one before."""
    return [number for number in (job.attempt.number, job.attempt.number - 1) if number]


def _salad_id(job: Job, number: int) -> str:
    return job.attempts[number - 1].salad_job_id or f"salad-{number}"


def _reports(job: Job, at: datetime) -> list[ev.Event]:
    """From the current run, and from one that nobody heard of before."""
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


def _looks(job: Job, at: datetime) -> list[ev.Event]:
    """Salad can only be asked for a job whose id is known."""
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
        ev.RunStopped: _of_attempts(lambda at, n, _: ev.RunStopped(at=at, attempt=n)),
        ev.AttemptObserved: _looks,
        ev.AttemptClosed: _of_attempts(
            lambda at, n, job: ev.AttemptClosed(at=at, attempt=n, salad_job_id=_salad_id(job, n))
        ),
        ev.KeysRevoked: lambda job, at: [ev.KeysRevoked(at=at, key_ids=job.upload_key_ids or ("key-1",))],
        ev.TimerClaimed: lambda job, at: [
            ev.TimerClaimed(at=at, timer=timer, until=at + LATER) for timer in job.timers or Timer
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
    """The examples of one event at one moment. Raises MissingRepresentativeError."""
    make = EXAMPLES.get(event)
    if make is None:
        raise MissingRepresentativeError(f"{event.__name__} has no example in infra/tools/state_table")
    return make(job, at)
