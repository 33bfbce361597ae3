"""The HTTP bodies that come in, and how their faults are told field by field."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from avatar_jobs.domain.errors import ApiError, ApiErrorCode, FieldError, UrlNotAllowedError
from avatar_jobs.domain.idempotency import TOKEN_FORM
from avatar_jobs.domain.job.model import AspectRatio, JobInput, JobStatus, Phase, Resolution
from avatar_jobs.domain.url_guard import MAX_URL_LENGTH, judge_url
from avatar_jobs.protocol.worker_result import WireError

MAX_METADATA_KEYS = 16  # a reference and a few labels; Salad itself allows 20
MAX_METADATA_BYTES = 4096
MIN_TIMEOUT_SEC, MAX_TIMEOUT_SEC = 10, 86_400
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
TIME_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
WIRE_VERSIONS = (0, 1)  # reports of workers of this release and of the one before

Url = Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH)]
Timeout = Annotated[int, Field(ge=MIN_TIMEOUT_SEC, le=MAX_TIMEOUT_SEC)]


class SubmitBody(BaseModel):
    """The body of `POST /v1/avatar/jobs`. Validate with context {"rehearsal": bool}; time-outs in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    video_url: Url
    audio_url: Url
    aspect_ratio: AspectRatio = "source"
    resolution: Resolution = "source"
    webhook_url: Url | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    start_timeout_seconds: Timeout = 3600
    run_timeout_seconds: Timeout = 1800

    @field_validator("video_url", "audio_url", "webhook_url")
    @classmethod
    def _guarded(cls, url: str | None, info: Any) -> str | None:
        try:
            if url is not None:
                judge_url(url, rehearsal=bool((info.context or {}).get("rehearsal")))
        except UrlNotAllowedError as error:
            raise PydanticCustomError("url_not_allowed", "{reason}", {"reason": str(error)}) from error
        return url

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, Any]) -> dict[str, Any]:
        if len(metadata) > MAX_METADATA_KEYS:
            raise PydanticCustomError("too_many_keys", f"must have at most {MAX_METADATA_KEYS} keys")
        if len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode()) > MAX_METADATA_BYTES:
            raise PydanticCustomError("too_long", f"must have at most {MAX_METADATA_BYTES} bytes as JSON")
        return metadata

    def job_input(self) -> JobInput:
        """The request as it counts, without metadata."""
        return JobInput(**self.model_dump(exclude={"metadata"}))


class ReportBody(BaseModel):
    """The body of a worker's report; a newer worker may say more than we know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[WIRE_VERSIONS]  # type: ignore[valid-type]
    attempt: int = Field(ge=1, le=1000)
    run_id: str = Field(pattern=f"^{TOKEN_FORM.pattern}$")
    seq: int = Field(ge=0, le=10_000_000)
    phase: Literal[
        Phase.STARTING,
        Phase.DOWNLOADING,
        Phase.PREPARING,
        Phase.GENERATING,
        Phase.ENCODING,
        Phase.UPLOADING,
        Phase.VERIFYING,
    ]
    progress: float = Field(ge=0.0, le=1.0, allow_inf_nan=False)
    stage_times: dict[str, float] = Field(default_factory=dict, max_length=40)
    error: WireError | None = None


class ListQuery(BaseModel):
    """The query of `GET /v1/avatar/jobs`; times carry an offset, most simply a Z."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: JobStatus | None = None
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    page_size: int = Field(default=DEFAULT_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)
    page_token: str | None = Field(default=None, min_length=1, max_length=MAX_URL_LENGTH)

    @field_validator("created_after", "created_before", mode="before")
    @classmethod
    def _written_out(cls, value: str | None) -> str | None:
        if value is not None and not TIME_FORM.fullmatch(value):
            raise PydanticCustomError(
                "time", "must be a time like 2026-01-31T09:30:00Z, with its plus sign written %2B"
            )
        return value

    @field_validator("page_size", mode="before")
    @classmethod
    def _plain_number(cls, value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch("[0-9]{1,6}", value):
            raise PydanticCustomError("int_parsing", f"must be a whole number from 1 to {MAX_PAGE_SIZE}")
        return value


def checked_list(pairs: Sequence[tuple[str, str]]) -> ListQuery:
    """Returns the parsed query. Raises ApiError validation_error, also for a name that occurs twice."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            fault = FieldError(field=name[:200], code="repeated", message="This parameter occurs more than once.")
            raise ApiError(ApiErrorCode.VALIDATION_ERROR, f"{fault.field}: {fault.message}", [fault])
    try:
        return ListQuery.model_validate(dict(pairs))
    except ValidationError as error:
        raise refusal(error.errors()) from error


def checked_submit(value: Any, *, rehearsal: bool) -> SubmitBody:
    """Returns the parsed body. Raises ApiError url_not_allowed or validation_error with each fault by field."""
    try:
        return SubmitBody.model_validate(value, context={"rehearsal": rehearsal})
    except ValidationError as error:
        raise refusal(error.errors()) from error


def checked_report(value: Any) -> ReportBody:
    """Returns the parsed report. Raises ApiError validation_error with each fault by field."""
    try:
        return ReportBody.model_validate(value)
    except ValidationError as error:
        raise refusal(error.errors()) from error


def refusal(errors: Sequence[ErrorDetails]) -> ApiError:
    """The one ApiError for a body's faults; url_not_allowed only when nothing else is wrong."""
    faults = [_fault(error) for error in errors]
    only_urls = all(fault.code == ApiErrorCode.URL_NOT_ALLOWED for fault in faults)
    code = ApiErrorCode.URL_NOT_ALLOWED if only_urls else ApiErrorCode.VALIDATION_ERROR
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:5])
    return ApiError(code, detail, faults)


def _fault(error: ErrorDetails) -> FieldError:
    field = ".".join(str(part) for part in error["loc"]) or "body"
    match error["type"]:
        case "extra_forbidden":
            message = "There is no such field."
        case "missing":
            message = "This field is required."
        case "model_type" | "dict_type" if field == "body":
            message = "The body must be a JSON object."
        case _:
            message = error["msg"]
    return FieldError(field=field[:200], code=error["type"], message=message)
