"""Everything that can happen to a job, as plain values; transition.py defines what each does in each state."""

from dataclasses import dataclass
from datetime import datetime

from avatar_jobs.domain.job.model import ClaimedResult, JobError, Phase, Timer


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a job. at: when this was learned, in UTC."""

    at: datetime


@dataclass(frozen=True, kw_only=True)
class AttemptEvent(Event):
    """An event of one attempt. attempt: its number, from Salad's metadata or the report token, never from a body."""

    attempt: int


@dataclass(frozen=True, kw_only=True)
class DispatchClaimed(AttemptEvent):
    """A tick is about to send an attempt that Salad certainly does not have."""


@dataclass(frozen=True, kw_only=True)
class DispatchSent(AttemptEvent):
    """Salad accepted the attempt. salad_job_id: its id at Salad; upload_key_id: the storage key that was sent along."""

    salad_job_id: str
    upload_key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DispatchUnsent(AttemptEvent):
    """The call certainly had no effect.

    retry_at: when to send again; upload_key_id: the storage key that was made for the call and could not be deleted.
    """

    retry_at: datetime
    reason: str
    upload_key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DispatchUnknown(AttemptEvent):
    """The answer was lost or the sender died: Salad may or may not have the attempt and its storage key."""

    reason: str
    upload_key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DispatchLost(AttemptEvent):
    """A dispatch with an unknown outcome was not found at Salad, and no report or webhook arrived in time."""


@dataclass(frozen=True, kw_only=True)
class RunReported(AttemptEvent):
    """A worker's report. seq: grows within a run; progress: 0.0 to 1.0; error: why the run ended, else None."""

    run_id: str
    seq: int
    phase: Phase
    progress: float
    error: JobError | None = None


@dataclass(frozen=True, kw_only=True)
class ResultClaimed(Event):
    """An attempt finished and its worker reported an output. The claimed output is recorded but not yet verified."""

    result: ClaimedResult


@dataclass(frozen=True, kw_only=True)
class VerificationClaimed(AttemptEvent):
    """A process is about to verify the claimed output; no other one verifies it before `until`."""

    until: datetime


@dataclass(frozen=True, kw_only=True)
class OutputVerified(AttemptEvent):
    """The claimed file is in the storage and has the reported size."""


@dataclass(frozen=True, kw_only=True)
class OutputAbsent(AttemptEvent):
    """The storage answered: the claimed file is missing or has another size. detail: which of the two."""

    detail: str


@dataclass(frozen=True, kw_only=True)
class AttemptFailed(AttemptEvent):
    """An attempt's Salad job ended without a result, and another attempt may succeed."""

    error: JobError
    salad_job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobRefused(AttemptEvent):
    """The worker found an error in the job itself, with which every node would fail."""

    error: JobError


@dataclass(frozen=True, kw_only=True)
class RunStopped(AttemptEvent):
    """A worker answered that it stopped: a cancellation, or a newer run. salad_job_id: the job that it answered."""

    salad_job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptObserved(AttemptEvent):
    """Salad's answer about an attempt's job that is not over.

    running: True on a node, False pending; None: Salad did not show the job, or did not answer.
    """

    running: bool | None


@dataclass(frozen=True, kw_only=True)
class AttemptClosed(AttemptEvent):
    """An attempt's Salad job is over, with or without a result.

    salad_job_id: None when Salad has no job of the attempt beside those whose ids are known.
    """

    salad_job_id: str | None


@dataclass(frozen=True, kw_only=True)
class KeysRevoked(Event):
    """Some of the job's storage keys were deleted or have expired."""

    key_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TimerClaimed(Event):
    """A tick is about to ask Salad because of a timer; the timer is not due again before `until`."""

    timer: Timer
    until: datetime


@dataclass(frozen=True, kw_only=True)
class TimerFailed(Event):
    """Serving a timer failed in a way that nobody expects. reason: the exception's type."""

    timer: Timer
    reason: str


@dataclass(frozen=True, kw_only=True)
class CancelRequested(Event):
    """The app, or an operator for it, asked for the end of the job."""


@dataclass(frozen=True, kw_only=True)
class DeadlinePassed(Event):
    """The job's start or run deadline passed. timer: which of the two."""

    timer: Timer


@dataclass(frozen=True, kw_only=True)
class CallbackClaimed(Event):
    """A process is about to call the app's webhook; no other one calls it before `until`."""

    until: datetime


@dataclass(frozen=True, kw_only=True)
class CallbackTried(Event):
    """The app's webhook was called. http_status: None if no answer came; next_attempt_at: None if no try follows.

    given_up: why no try was made and none will be; "" for a try.
    """

    delivered: bool
    http_status: int | None
    next_attempt_at: datetime | None
    given_up: str = ""


@dataclass(frozen=True, kw_only=True)
class RequeueRequested(Event):
    """An operator asked for a stuck job to be sent again."""


@dataclass(frozen=True, kw_only=True)
class RedeliveryRequested(Event):
    """An operator asked for the callback of a finished job to be sent once more."""
