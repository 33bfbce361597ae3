"""The job: what is stored of one video from the request to the callback."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from avatar_jobs.domain.errors import JobErrorCode

SCHEMA_VERSION = 1  # readers accept this and the one before, so that old and new code run side by side in a deploy

# Each attempt is one Salad job, which Salad itself runs up to 4 times; three of ours is twelve runs, enough for
# any run of bad nodes and few enough that a poisoned input cannot burn GPUs for long.
MAX_ATTEMPTS = 3

# The form of the ids that we draw; nothing else is ever looked up, so that an id is safe in a path and a file name.
JOB_ID_FORM = re.compile(r"[A-Za-z0-9_-]{8,64}")

Name = Annotated[str, Field(max_length=100)]  # a label from a worker: short, whatever a hostile node sends
RETENTION_SEC = 30 * 86_400  # the contract's 30 days, when no setting says otherwise

AspectRatio = Literal["9:16", "16:9", "1:1", "4:5", "source"]
Resolution = Literal["480p", "720p", "1080p", "source"]


class JobStatus(StrEnum):
    """Where a job stands; the last three never change again."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """True when the job is over and only its callback and its clean-up are left."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


class Phase(StrEnum):
    """What an unfinished job is doing now; finished jobs have none."""

    ACCEPTED = "accepted"
    DISPATCHED = "dispatched"
    REQUEUED = "requeued"
    STARTING = "starting"
    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    GENERATING = "generating"
    ENCODING = "encoding"
    UPLOADING = "uploading"
    VERIFYING = "verifying"
    CANCELLING = "cancelling"


class DispatchState(StrEnum):
    """What is known of the one `create_queue_job` call of an attempt."""

    SENDING = "sending"  # claimed; the call may be under way
    SENT = "sent"  # Salad has the job
    UNSENT = "unsent"  # certain that Salad has no such job
    UNKNOWN = "unknown"  # the answer was lost: Salad may or may not have it


class Timer(StrEnum):
    """Why a job wants the tick's attention; a job carries at most one time for each."""

    DISPATCH = "dispatch"  # (re)send the current attempt, or judge a dispatch whose answer was lost
    VERIFY = "verify"  # look whether the claimed file is there
    SILENCE = "silence"  # ask Salad what became of a run that stopped reporting
    CANCEL = "cancel"  # see to it that a job whose cancellation was requested ends
    START_DEADLINE = "start_deadline"
    RUN_DEADLINE = "run_deadline"
    CLEANUP = "cleanup"  # see to it that no Salad job of ours is left burning
    CALLBACK = "callback"  # try the app's webhook
    REVOKE = "revoke"  # delete the storage keys of a job that is over
    PURGE = "purge"  # remove file and record


class CallbackState(StrEnum):
    """How the callback to the app stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"


class Frozen(BaseModel):
    """An immutable value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class JobInput(Frozen):
    """The request as it counts, time-outs in seconds. It has no defaults: SubmitBody has filled them in."""

    video_url: str
    audio_url: str
    aspect_ratio: AspectRatio
    resolution: Resolution
    webhook_url: str | None
    start_timeout_seconds: int
    run_timeout_seconds: int


class JobError(Frozen):
    """Why a job failed, where, and whether sending it again can help."""

    code: JobErrorCode
    message: str
    stage: str
    retryable: bool


class Metrics(Frozen):
    """What was measured of a run; what was not is None. Seconds, MiB (2^20 bytes), kB, US dollars."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False
    )  # a newer worker may measure more than we know

    generation_time_sec: float | None = None
    script_wall_time_sec: float | None = None
    peak_vram_mib: float | None = None
    peak_ram_kb: int | None = None
    stages: dict[Name, float] | None = Field(default=None, max_length=40)
    frames: int | None = None
    engine: Name | None = None
    gpu_class: Name | None = None
    cost_usd: float | None = None


class Output(Frozen):
    """The finished file as the worker measured it: bytes, seconds, pixels, frames a second."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False
    )  # a newer worker may tell more than we know

    bucket: str
    key: str
    size_bytes: int = Field(gt=0)
    sha1: str = Field(pattern=r"^[0-9a-f]{40}$")
    duration_sec: float = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fps: float = Field(gt=0)
    frames: int = Field(gt=0)


class ClaimedResult(Frozen):
    """A success that Salad reported and that nobody has checked yet."""

    attempt: int
    salad_job_id: str | None
    output: Output
    metrics: Metrics
    claimed_at: datetime


class Attempt(Frozen):
    """One dispatch of ours: one job at Salad, with the runs that reported from it (newest last)."""

    number: int
    dispatch: DispatchState
    claimed_at: datetime
    tries: int = 1  # how often this attempt was claimed; grows only while it stays unsent
    salad_job_id: str | None = None
    runs: tuple[str, ...] = ()
    last_report_at: datetime | None = None  # of the current run
    last_seq: int = -1  # of the current run: a report that was overtaken is ignored
    last_error: JobError | None = None  # the last one that a run reported
    closed: bool = False  # Salad's job of this attempt is known to be over: nothing of it can burn any more


class Callback(Frozen):
    """The outbox entry for the app's webhook; one id for all tries."""

    webhook_id: str
    state: CallbackState = CallbackState.WAITING
    attempts: int = 0
    last_status: int | None = None
    next_attempt_at: datetime | None = None


class TimelineEntry(Frozen):
    """One line of the job's history for operators."""

    at: datetime
    event: str
    attempt: int
    detail: str = ""


class Job(Frozen):
    """One video, from the request to the callback. Times are UTC; progress runs from 0.0 to 1.0."""

    schema_version: int = SCHEMA_VERSION
    id: str
    client: str
    request_id: str
    idempotency_key: str | None = None
    status: JobStatus
    phase: Phase | None
    progress: float = 0.0
    input: JobInput
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    credentials_expire_at: datetime
    retention_sec: int = RETENTION_SEC  # from the end until file and record are removed
    output_expires_at: datetime | None = None
    attempts: tuple[Attempt, ...]
    upload_key_ids: tuple[str, ...] = ()  # the storage keys that were made for it and may still live
    claimed_result: ClaimedResult | None = None
    output: Output | None = None
    metrics: Metrics | None = None
    error: JobError | None = None
    callback: Callback | None = None
    timers: dict[Timer, datetime] = Field(default_factory=dict)
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def attempt(self) -> Attempt:
        """The newest attempt; a job has one from its first breath."""
        return self.attempts[-1]

    @property
    def next_action_at(self) -> datetime | None:
        """The earliest of the job's timers: when the tick must look at it again, or None when nothing is left to do."""
        return min(self.timers.values(), default=None)
