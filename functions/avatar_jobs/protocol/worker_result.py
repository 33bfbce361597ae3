"""What a finished Salad job's output means: the body tells, never Salad's own status."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import PERMANENT_JOB_ERRORS, JobErrorCode
from avatar_jobs.domain.job.model import JobError, Metrics, Output

# Texts from workers end up in answers to apps: one readable sentence, whatever a hostile node sends.
MAX_MESSAGE_LENGTH = 500
MAX_STAGE_LENGTH = 40


class Lenient(BaseModel):
    """A body from a worker: newer workers may say more than we know."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class WireError(Lenient):
    """An error as a worker words it, in a report or in its final answer."""

    code: str
    message: str | None = None
    stage: str | None = None

    def as_job_error(self) -> JobError:
        """The same as an error of our closed list; a code that we do not know is `internal`."""
        code = JobErrorCode(self.code) if self.code in set(JobErrorCode) else JobErrorCode.INTERNAL
        message = " ".join((self.message or "").split())[:MAX_MESSAGE_LENGTH] or texts.WORKER_WITHOUT_REASON
        stage = " ".join((self.stage or "").split())[:MAX_STAGE_LENGTH] or "unknown"
        return JobError(code=code, message=message, stage=stage, retryable=code.retryable)


class WireResult(Lenient):
    """The worker's answer to `POST /generate` as it reaches us through Salad."""

    status: Literal["ok", "error", "superseded"]
    job_id: str
    attempt: int
    output: Output | None = None
    metrics: Any = None
    error: WireError | None = None

    def usable_metrics(self) -> Metrics:
        """The metrics, or none of them when they are malformed: broken telemetry never costs a video."""
        try:
            return Metrics.model_validate(self.metrics or {})
        except ValidationError:
            return Metrics()


@dataclass(frozen=True)
class Promised:
    """A file that the worker says it uploaded under the name we expect."""

    output: Output
    metrics: Metrics


@dataclass(frozen=True)
class Refused:
    """A final error; permanent when no other node can mend it."""

    error: JobError
    permanent: bool


@dataclass(frozen=True)
class Superseded:
    """A run that was told to stop, or found itself overtaken; changes nothing."""


@dataclass(frozen=True)
class MalformedResult:
    """A body that no worker of ours writes, or one that speaks of another job or file."""

    reason: str


def read_result(
    output: Any, *, job_id: str, attempt: int, bucket: str, key: str
) -> Promised | Refused | Superseded | MalformedResult:
    """Reads the output of a Salad job that calls itself succeeded.

    output: the parsed JSON, or its text; job_id, attempt: from Salad's metadata; bucket, key: where our file must be.
    What the body says of job, bucket and key is used for nothing but to refuse a mismatch.
    """
    if isinstance(output, str):
        try:
            output = json.loads(output)
        except ValueError:
            return MalformedResult(texts.ANSWER_NOT_JSON)
    try:
        result = WireResult.model_validate(output)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        return MalformedResult(texts.answer_malformed(where))
    if (result.job_id, result.attempt) != (job_id, attempt):
        return MalformedResult(texts.ANSWER_OF_ANOTHER_JOB)
    return _meaning(result, bucket, key)


def _meaning(result: WireResult, bucket: str, key: str) -> Promised | Refused | Superseded | MalformedResult:
    if result.status == "superseded":
        return Superseded()
    if result.status == "error":
        if result.error is None:
            return MalformedResult(texts.ANSWER_WITHOUT_ERROR)
        error = result.error.as_job_error()
        return Refused(error, permanent=error.code in PERMANENT_JOB_ERRORS or error.code is JobErrorCode.RUN_TIMEOUT)
    if result.output is None:
        return MalformedResult(texts.ANSWER_WITHOUT_FILE)
    if (result.output.bucket, result.output.key) != (bucket, key):
        return MalformedResult(texts.ANSWER_OF_ANOTHER_FILE)
    return Promised(result.output, result.usable_metrics())
