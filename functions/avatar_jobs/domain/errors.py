"""The two closed lists of error codes, and the errors of this package. AvatarError is the base of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class JobErrorCode(StrEnum):
    """The codes that say why a job failed: the closed list of `error.code` in a job."""

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
    QUEUE_TIMEOUT = "queue_timeout"
    RUN_TIMEOUT = "run_timeout"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    INTERNAL = "internal"

    @property
    def retryable(self) -> bool:
        """Returns whether the same job can succeed when the app submits it again unchanged."""
        return self not in PERMANENT_JOB_ERRORS


PERMANENT_JOB_ERRORS = frozenset(
    {
        JobErrorCode.INPUT_DOWNLOAD_FAILED,
        JobErrorCode.INPUT_URL_NOT_ALLOWED,
        JobErrorCode.INPUT_TOO_LARGE,
        JobErrorCode.INPUT_TOO_LONG,
        JobErrorCode.INPUT_TOO_SHORT,
        JobErrorCode.UNSUPPORTED_MEDIA,
        JobErrorCode.MEDIA_CORRUPT,
        JobErrorCode.NO_VIDEO_STREAM,
        JobErrorCode.NO_AUDIO_STREAM,
        JobErrorCode.AUDIO_SILENT,
        JobErrorCode.FACE_NOT_DETECTED,
        JobErrorCode.FACE_LOST,
    }
)


class ApiErrorCode(StrEnum):
    """The codes that say why a request was refused: the closed list of `code` in a problem document."""

    INVALID_JSON = "invalid_json"
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key"
    UNAUTHENTICATED = "unauthenticated"
    JOB_NOT_FOUND = "job_not_found"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    JOB_ALREADY_FINISHED = "job_already_finished"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    VALIDATION_ERROR = "validation_error"
    URL_NOT_ALLOWED = "url_not_allowed"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    QUEUE_FULL = "queue_full"
    RATE_LIMITED = "rate_limited"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    INTERNAL = "internal"


class AvatarError(Exception):
    """The base of every error class of this package."""


@dataclass(frozen=True)
class FieldError:
    """One fault of one field. field: its JSON or query name; message: what to change."""

    field: str
    code: str
    message: str


class ApiError(AvatarError):
    """A refused request, answered with a problem document (protocol/problem.py).

    detail: what happened and what to do; errors: the faults by field; retry_after_sec: when to try again; allow: the
    methods that the path accepts, for method_not_allowed.
    """

    def __init__(
        self,
        code: ApiErrorCode,
        detail: str,
        errors: Sequence[FieldError] = (),
        retry_after_sec: int | None = None,
        allow: Sequence[str] = (),
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_sec = retry_after_sec
        self.allow = tuple(allow)


class StorageUnavailableError(AvatarError):
    """The job store is unavailable. A change is stored completely or not at all.

    may_have_written: whether a write was sent whose answer was lost, so that it is stored or not.
    """

    def __init__(self, message: str, *, may_have_written: bool = False) -> None:
        super().__init__(message)
        self.may_have_written = may_have_written


class RecordUnreadableError(StorageUnavailableError):
    """One stored record cannot be read by this release; the store itself works, and so does every other record.

    job_id: of the record, or of the job that an idempotency record names; client: whose record it is, "" when unknown;
    reason: what is wrong with it, without any stored value.
    """

    def __init__(self, job_id: str, client: str, reason: str) -> None:
        super().__init__(f"the record {job_id!r} cannot be read: {reason}")
        self.job_id = job_id
        self.client = client
        self.reason = reason


class UrlNotAllowedError(AvatarError):
    """A URL from outside that the URL guard refuses. The message names the broken rule and never repeats the URL."""


class BadSignatureError(AvatarError):
    """A signature, a token or a header that belongs to it is missing, malformed, expired or wrong."""


class ProviderError(AvatarError):
    """A call to another system failed.

    status: its HTTP status, None when no answer came; retryable: whether the same call can succeed later;
    may_have_happened: False only when the call certainly had no effect (refused connection, 4xx); retry_after_sec: the
    pause in seconds that the other system asked for.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None,
        retryable: bool,
        may_have_happened: bool,
        retry_after_sec: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = retryable
        self.may_have_happened = may_have_happened
        self.retry_after_sec = retry_after_sec


class NotAskedError(ProviderError):
    """A call to another system was not made: the system did not answer a moment ago, or no time is left for it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=None, retryable=True, may_have_happened=False)


class SaladUnavailableError(AvatarError):
    """Salad gave no usable answer, or the tick has used its share of calls. It is never an error of the job."""
