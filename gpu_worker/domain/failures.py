"""The exceptions that end a run, with the closed list of codes that an app can meet."""

from enum import StrEnum

from gpu_worker.domain import messages

MAX_MESSAGE = 500  # characters: enough for advice, small enough for every report, answer and log line


class ErrorCode(StrEnum):
    """The codes that a worker can give: a part of the closed list of a job's `error.code`."""

    INPUT_DOWNLOAD_FAILED = "input_download_failed"
    INPUT_URL_NOT_ALLOWED = "input_url_not_allowed"
    INPUT_TOO_LARGE = "input_too_large"
    INPUT_TOO_LONG = "input_too_long"
    INPUT_TOO_SHORT = "input_too_short"
    UNSUPPORTED_MEDIA = "unsupported_media"
    MEDIA_CORRUPT = "media_corrupt"
    NO_VIDEO_STREAM = "no_video_stream"
    NO_AUDIO_STREAM = "no_audio_stream"
    AUDIO_SILENT = "audio_silent"
    FACE_NOT_DETECTED = "face_not_detected"
    FACE_LOST = "face_lost"
    INPUT_DOWNLOAD_TIMEOUT = "input_download_timeout"
    GPU_OUT_OF_MEMORY = "gpu_out_of_memory"
    GPU_FAULT = "gpu_fault"
    UPLOAD_FAILED = "upload_failed"
    OUTPUT_VERIFICATION_FAILED = "output_verification_failed"
    WORKER_INTERRUPTED = "worker_interrupted"
    RUN_TIMEOUT = "run_timeout"
    INTERNAL = "internal"


# Failures that another node may not have. `run_timeout` is not among them: the job's time is used up on every node.
ANOTHER_NODE_MAY_HELP = frozenset(
    {
        ErrorCode.INPUT_DOWNLOAD_TIMEOUT,
        ErrorCode.GPU_OUT_OF_MEMORY,
        ErrorCode.GPU_FAULT,
        ErrorCode.UPLOAD_FAILED,
        ErrorCode.OUTPUT_VERIFICATION_FAILED,
        ErrorCode.WORKER_INTERRUPTED,
        ErrorCode.INTERNAL,
    }
)


class JobError(Exception):
    """The failure of a run: it ends without a video.

    message: what the app's developer should change, a text of messages.py without secrets;
    stage: the phase in which it happened, filled in by the run when it is None;
    retryable: whether another node may succeed; None: as the code says;
    detail: for the log only, such as the last lines of a tool;
    hopeless_node: this node can never make a video, whatever the job.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        stage: str | None = None,
        retryable: bool | None = None,
        detail: str = "",
        hopeless_node: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message[:MAX_MESSAGE]
        self.stage = stage
        self.retryable = code in ANOTHER_NODE_MAY_HELP if retryable is None else retryable
        self.detail = detail
        self.hopeless_node = hopeless_node


class DiskFullError(JobError):
    """The failure of a run because the node's disk is full; another node may have room."""


def disk_is_full(detail: str = "") -> DiskFullError:
    """Returns the failure of a run on a node whose disk is full; detail: for the log, what was full."""
    return DiskFullError(ErrorCode.INTERNAL, messages.DISK_FULL, retryable=True, detail=detail)


class SupersededError(Exception):
    """The end of a run that is no longer wanted: a newer run took over, or the job was cancelled or has ended."""
