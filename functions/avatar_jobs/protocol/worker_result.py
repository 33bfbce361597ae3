"""Reads the worker's answer in the output of a Salad job. The answer decides, not Salad's status of the job."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import PERMANENT_JOB_ERRORS, JobErrorCode
from avatar_jobs.domain.job.model import JobError, Metrics, Output
from avatar_jobs.protocol.outside_json import read_json

# Apps see texts from workers: each is cut to one readable sentence, even if a hostile node sends it.
MAX_MESSAGE_LENGTH = 500
MAX_STAGE_LENGTH = 40
# The app may submit these again later, but no node does better now: else the worker answers 503, which is no answer.
FINAL_IN_AN_ANSWER = frozenset({JobErrorCode.RUN_TIMEOUT, JobErrorCode.INPUT_DOWNLOAD_TIMEOUT})


class Lenient(BaseModel):
    """The base of what workers send. Unknown fields are ignored, because a newer worker may send more."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class WireError(Lenient):
    """An error in a worker's report or in its final answer."""

    code: str
    message: str | None = None
    stage: str | None = None

    def as_job_error(self) -> JobError:
        """Returns the error of a job. A code that is not in the closed list becomes `internal`."""
        code = JobErrorCode(self.code) if self.code in set(JobErrorCode) else JobErrorCode.INTERNAL
        message = " ".join((self.message or "").split())[:MAX_MESSAGE_LENGTH] or texts.WORKER_WITHOUT_REASON
        stage = " ".join((self.stage or "").split())[:MAX_STAGE_LENGTH] or "unknown"
        return JobError(code=code, message=message, stage=stage, retryable=code.retryable)


class WireResult(Lenient):
    """The worker's answer to `POST /generate`, as Salad passes it on."""

    status: Literal["ok", "error", "superseded"]
    job_id: str
    attempt: int
    output: Output | None = None
    metrics: Any = None
    error: WireError | None = None

    def usable_metrics(self) -> Metrics:
        """Returns the metrics, all unknown when they are malformed: a video counts even without them."""
        try:
            return Metrics.model_validate(self.metrics or {}, extra="ignore")
        except ValidationError:
            return Metrics()


@dataclass(frozen=True)
class ClaimedSuccess:
    """A success: the worker reports a file under the expected name. The file is not yet verified."""

    output: Output
    metrics: Metrics


@dataclass(frozen=True)
class Refused:
    """A final error. permanent: every node would fail with it."""

    error: JobError
    permanent: bool


@dataclass(frozen=True)
class Superseded:
    """A run that stopped because of a cancellation or because a newer run replaced it."""


@dataclass(frozen=True)
class MalformedResult:
    """An answer that is malformed, or that belongs to another job or file."""

    reason: str


def read_result(
    output: Any, *, job_id: str, attempt: int, bucket: str, key: str
) -> ClaimedSuccess | Refused | Superseded | MalformedResult:
    """Returns what the output of a succeeded Salad job means.

    output: the parsed JSON, or its text; job_id, attempt: from Salad's metadata; bucket, key: where the file must be.
    The job, bucket and key in the answer are only compared with these; an answer with others is malformed.
    """
    if isinstance(output, str):
        try:
            output = read_json(output)
        except ValueError:  # not JSON, or over the limits of what is parsed
            return MalformedResult(texts.ANSWER_NOT_JSON)
    try:
        result = WireResult.model_validate(output, extra="ignore")  # in all parts: what is not known is not stored
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        return MalformedResult(texts.answer_malformed(where))
    if (result.job_id, result.attempt) != (job_id, attempt):
        return MalformedResult(texts.ANSWER_OF_ANOTHER_JOB)
    return _meaning(result, bucket, key)


def _meaning(result: WireResult, bucket: str, key: str) -> ClaimedSuccess | Refused | Superseded | MalformedResult:
    if result.status == "superseded":
        return Superseded()
    if result.status == "error":
        if result.error is None:
            return MalformedResult(texts.ANSWER_WITHOUT_ERROR)
        error = result.error.as_job_error()
        return Refused(error, permanent=error.code in PERMANENT_JOB_ERRORS | FINAL_IN_AN_ANSWER)
    if result.output is None:
        return MalformedResult(texts.ANSWER_WITHOUT_FILE)
    if (result.output.bucket, result.output.key) != (bucket, key):
        return MalformedResult(texts.ANSWER_OF_ANOTHER_FILE)
    return ClaimedSuccess(result.output, result.usable_metrics())
