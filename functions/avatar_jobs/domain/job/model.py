"""The job: everything that is stored about one video, from the request to the callback."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from avatar_jobs.domain.errors import JobErrorCode

SCHEMA_VERSION = 1  # readers accept this and the one before, so that old and new code run side by side in a deploy

# Each attempt is one Salad job, which Salad itself runs up to 4 times. Three attempts are up to twelve runs: enough to
# get past several bad nodes, few enough that an input that always fails does not use GPUs for long.
MAX_ATTEMPTS = 3

# The form of job ids. Other texts are never looked up, so an id is safe in a path and a file name.
JOB_ID_FORM = re.compile(r"[A-Za-z0-9_-]{8,64}")

Name = Annotated[str, Field(max_length=100)]  # a label from a worker, kept short even if a hostile node sends it
RETENTION_SEC = 30 * 86_400  # unless OUTPUT_LIFETIME_DAYS is set

AspectRatio = Literal["9:16", "16:9", "1:1", "4:5", "source"]
Resolution = Literal["480p", "720p", "1080p", "source"]


class JobStatus(StrEnum):
    """The status of a job; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Returns whether the job is over, so that only its callback and its cleanup are left."""
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
    """What is known about the `create_queue_job` call of an attempt."""

    SENDING = "sending"  # claimed; the call may be under way
    SENT = "sent"  # Salad has the job
    UNSENT = "unsent"  # certain that Salad has no such job
    UNKNOWN = "unknown"  # the answer was lost: Salad may or may not have it


class Timer(StrEnum):
    """The kinds of timers; a job has at most one due time for each."""

    DISPATCH = "dispatch"  # (re)send the current attempt, or judge a dispatch whose answer was lost
    VERIFY = "verify"  # check whether the claimed file is in the storage
    SILENCE = "silence"  # ask Salad about a run that stopped reporting
    CANCEL = "cancel"  # end a job whose cancellation was requested
    START_DEADLINE = "start_deadline"
    RUN_DEADLINE = "run_deadline"
    CLEANUP = "cleanup"  # end superseded attempts that may still run at Salad
    CALLBACK = "callback"  # try the app's webhook
    REVOKE = "revoke"  # delete the storage keys of a finished job
    PURGE = "purge"  # remove file and record


class CallbackState(StrEnum):
    """The state of the callback to the app."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"


class Frozen(BaseModel):
    """An immutable value that keeps fields it does not know: a newer release may have stored them.

    A default never changes, because stored records leave it out (protocol/stored_job.py); a new field has one.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class JobInput(Frozen):
    """The request with its defaults filled in by SubmitBody; time-outs in seconds."""

    video_url: str
    audio_url: str
    aspect_ratio: AspectRatio
    resolution: Resolution
    webhook_url: str | None
    start_timeout_seconds: int
    run_timeout_seconds: int


class JobError(Frozen):
    """Why a job failed, at which stage, and whether submitting it again can help."""

    code: JobErrorCode
    message: str
    stage: str
    retryable: bool


class Metrics(Frozen):
    """The measurements of a run, in seconds, MiB (2^20 bytes), kB and US dollars; None: not measured."""

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
    """The finished file as the worker measured it, in bytes, seconds, pixels and frames per second."""

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
    """An output that a worker reported. It is recorded but not yet verified."""

    attempt: int
    salad_job_id: str | None
    output: Output
    metrics: Metrics
    claimed_at: datetime


class Attempt(Frozen):
    """One attempt at a job: one job in Salad's queue. runs: the runs that reported from it, newest last."""

    number: int
    dispatch: DispatchState
    claimed_at: datetime
    tries: int = 1  # how often this attempt was claimed for sending
    salad_job_id: str | None = None
    runs: tuple[str, ...] = ()
    last_report_at: datetime | None = None  # of the current run
    last_seq: int = -1  # of the current run; reports with this number or a lower one are ignored
    last_error: JobError | None = None  # the last error that a run reported
    closed: bool = False  # its Salad job is over: this attempt can no longer use GPU time
    # Further Salad jobs of this attempt that may still wait or run. An attempt is sent again when its answer was lost.
    copies: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    # Earlier calls whose answers were lost: Salad may have their jobs, with ids that are not known.
    lost_calls: int = Field(default=0, exclude_if=lambda value: not value)


class Callback(Frozen):
    """The callback that the app is owed. webhook_id: the same for all tries."""

    webhook_id: str
    state: CallbackState = CallbackState.WAITING
    attempts: int = 0
    last_status: int | None = None
    next_attempt_at: datetime | None = None


class TimelineEntry(Frozen):
    """One entry of the job's history, for operators."""

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
    retention_sec: int = RETENTION_SEC  # from the end of the job until its file and record are removed
    output_expires_at: datetime | None = None
    attempts: tuple[Attempt, ...]
    upload_key_ids: tuple[str, ...] = ()  # storage keys that were made for the job and may still be valid
    claimed_result: ClaimedResult | None = None
    output: Output | None = None
    metrics: Metrics | None = None
    error: JobError | None = None
    callback: Callback | None = None
    timers: dict[Timer, datetime] = Field(default_factory=dict)
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def attempt(self) -> Attempt:
        """Returns the newest attempt; every job has at least one."""
        return self.attempts[-1]

    @property
    def next_action_at(self) -> datetime | None:
        """Returns when the job's next timer is due, None when nothing is left to do."""
        return min(self.timers.values(), default=None)
