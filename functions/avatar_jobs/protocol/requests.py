"""The requests of apps: the bodies, queries and keys that are accepted."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode, UrlNotAllowedError
from avatar_jobs.domain.job.model import AspectRatio, JobInput, JobStatus, Resolution
from avatar_jobs.domain.url_guard import MAX_URL_LENGTH, judge_url
from avatar_jobs.protocol import problem

MAX_METADATA_KEYS = 16  # enough for a reference and a few labels; Salad allows 20
MAX_METADATA_BYTES = 4096
MIN_TIMEOUT_SEC, MAX_TIMEOUT_SEC = 10, 86_400
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
MAX_PAGE_TOKEN_LENGTH = 2048
TIME_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# Idempotency keys, request ids and run ids: URL-safe, so that each can stand in a log, a path or a document id.
TOKEN_FORM = re.compile(r"[A-Za-z0-9._~-]{1,128}")

Url = Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH)]
Timeout = Annotated[int, Field(ge=MIN_TIMEOUT_SEC, le=MAX_TIMEOUT_SEC)]


class SubmitBody(BaseModel):
    """The body of `POST /v1/avatar/jobs`, time-outs in seconds. Validation needs the context {"rehearsal": bool}."""

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
            raise PydanticCustomError("too_many_keys", texts.too_many_keys(MAX_METADATA_KEYS))
        if len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode()) > MAX_METADATA_BYTES:
            raise PydanticCustomError("too_long", texts.too_many_json_bytes(MAX_METADATA_BYTES))
        return metadata

    def job_input(self) -> JobInput:
        """Returns the request with its defaults, without metadata."""
        return JobInput(**self.model_dump(exclude={"metadata"}))


class ListQuery(BaseModel):
    """The query of `GET /v1/avatar/jobs`. Times need an offset, for example Z."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: JobStatus | None = None
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    page_size: int = Field(default=DEFAULT_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)
    page_token: str | None = Field(default=None, min_length=1, max_length=MAX_PAGE_TOKEN_LENGTH)

    @field_validator("created_after", "created_before", mode="before")
    @classmethod
    def _written_out(cls, value: str | None) -> str | None:
        if value is not None and not TIME_FORM.fullmatch(value):
            raise PydanticCustomError("time", texts.TIME_MALFORMED)
        return value

    @field_validator("page_size", mode="before")
    @classmethod
    def _plain_number(cls, value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch("[0-9]{1,6}", value):
            raise PydanticCustomError("int_parsing", texts.not_a_page_size(MAX_PAGE_SIZE))
        return value


def checked_key(key: str | None) -> str | None:
    """Returns the idempotency key as sent, or None when there is none. Raises ApiError invalid_idempotency_key."""
    if key is None or TOKEN_FORM.fullmatch(key):
        return key
    raise ApiError(ApiErrorCode.INVALID_IDEMPOTENCY_KEY, texts.bad_token("Idempotency-Key"))


def checked_list(pairs: Sequence[tuple[str, str]]) -> ListQuery:
    """Returns the parsed query. Raises ApiError validation_error, also for a name that occurs twice."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise problem.fault(name, "repeated", texts.PARAMETER_TWICE)
    try:
        return ListQuery.model_validate(dict(pairs))
    except ValidationError as error:
        raise problem.faults(error.errors()) from error


def checked_submit(value: Any, *, rehearsal: bool) -> SubmitBody:
    """Returns the parsed body. Raises ApiError url_not_allowed or validation_error with each fault by field."""
    try:
        return SubmitBody.model_validate(value, context={"rehearsal": rehearsal})
    except ValidationError as error:
        raise problem.faults(error.errors()) from error
