"""Everything that can happen to a job, as plain values; transition.py says what each does in each state."""

from dataclasses import dataclass
from datetime import datetime

from avatar_jobs.domain.job.model import ClaimedResult, JobError, Phase, Timer


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened, and when (UTC) we learned of it."""

    at: datetime


@dataclass(frozen=True, kw_only=True)
class AttemptEvent(Event):
    """An event of one attempt, known by Salad's own metadata or by the report token, never by what a body says."""

    attempt: int


@dataclass(frozen=True, kw_only=True)
class DispatchClaimed(AttemptEvent):
    """A tick is about to send an attempt that is certainly not at Salad."""


@dataclass(frozen=True, kw_only=True)
class DispatchSent(AttemptEvent):
    """Salad answered 201 with its own job id; upload_key_id: the storage key that went with it, if one did."""

    salad_job_id: str
    upload_key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DispatchUnsent(AttemptEvent):
    """The call certainly had no effect; try again at retry_at. upload_key_id: a storage key that was made for it and
    could not be deleted at once."""

    retry_at: datetime
    reason: str
    upload_key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DispatchUnknown(AttemptEvent):
    """The answer was lost, or the sender never came back: Salad may or may not have the job, and its storage key."""

    reason: str
    upload_key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DispatchLost(AttemptEvent):
    """An unknown dispatch waited its time and nobody heard of it."""


@dataclass(frozen=True, kw_only=True)
class RunReported(AttemptEvent):
    """A worker's report: seq grows within a run, progress is 0.0 to 1.0, error is what made this run end."""

    run_id: str
    seq: int
    phase: Phase
    progress: float
    error: JobError | None = None


@dataclass(frozen=True, kw_only=True)
class ResultClaimed(Event):
    """Salad says that an attempt finished and its body promises a file."""

    result: ClaimedResult


@dataclass(frozen=True, kw_only=True)
class VerificationClaimed(AttemptEvent):
    """Somebody is about to look for the promised file; nobody else shall before `until`."""

    until: datetime


@dataclass(frozen=True, kw_only=True)
class OutputVerified(AttemptEvent):
    """The promised file is there with the promised size."""


@dataclass(frozen=True, kw_only=True)
class OutputAbsent(AttemptEvent):
    """The storage answered, and the promised file is not there or has another size."""

    detail: str


@dataclass(frozen=True, kw_only=True)
class AttemptFailed(AttemptEvent):
    """A Salad job of an attempt is over without a result, and another one may do better."""

    error: JobError
    salad_job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobRefused(AttemptEvent):
    """The worker found a fault of the job itself that no other node can mend."""

    error: JobError


@dataclass(frozen=True, kw_only=True)
class RunStopped(AttemptEvent):
    """A worker answered that it stopped, because it was told to or found itself overtaken."""


@dataclass(frozen=True, kw_only=True)
class AttemptObserved(AttemptEvent):
    """Salad was asked for an attempt's job and says that it is not over: pending, or running on a node."""

    running: bool


@dataclass(frozen=True, kw_only=True)
class AttemptClosed(AttemptEvent):
    """Salad's job of an attempt is over, whatever came of it."""

    salad_job_id: str


@dataclass(frozen=True, kw_only=True)
class KeysRevoked(Event):
    """These storage keys of the job are deleted, or have expired."""

    key_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TimerClaimed(Event):
    """A tick is about to ask Salad because of a timer; the next look is not before `until`."""

    timer: Timer
    until: datetime


@dataclass(frozen=True, kw_only=True)
class CancelRequested(Event):
    """The app asked for the end of its job."""


@dataclass(frozen=True, kw_only=True)
class DeadlinePassed(Event):
    """The job's start or run deadline went by."""

    timer: Timer


@dataclass(frozen=True, kw_only=True)
class CallbackClaimed(Event):
    """Somebody is about to call the app's webhook; nobody else shall before `until`."""

    until: datetime


@dataclass(frozen=True, kw_only=True)
class CallbackTried(Event):
    """The app's webhook was called: its HTTP status (None: no answer), and when to try next (None: never)."""

    delivered: bool
    http_status: int | None
    next_attempt_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RequeueRequested(Event):
    """An operator wants a stuck job to be sent again."""


@dataclass(frozen=True, kw_only=True)
class RedeliveryRequested(Event):
    """An operator wants the callback of a finished job to be sent once more."""
