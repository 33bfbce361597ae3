"""The requests of apps: the bodies, queries and keys that are accepted."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode, UrlNotAllowedError
from avatar_jobs.domain.job.model import AspectRatio, JobInput, JobStatus, Resolution
from avatar_jobs.domain.url_guard import MAX_URL_LENGTH, judge_url
from avatar_jobs.protocol import problem
from avatar_jobs.protocol.times import from_text

MAX_METADATA_KEYS = 16  # enough for a reference and a few labels; Salad allows 20
MAX_METADATA_BYTES = 4096
MIN_TIMEOUT_SEC, MAX_TIMEOUT_SEC = 10, 86_400
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
MAX_PAGE_TOKEN_LENGTH = 2048
# Idempotency keys, request ids and run ids: URL-safe, so that each can stand in a log, a path or a document id.
TOKEN_FORM = re.compile(r"[A-Za-z0-9._~-]{1,128}")

Url = Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH)]


def _whole(value: Any) -> Any:
    """Returns 600 for 600.0, which is the same number in JSON; everything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Timeout = Annotated[int, BeforeValidator(_whole), Field(ge=MIN_TIMEOUT_SEC, le=MAX_TIMEOUT_SEC)]


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

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, fields: Any) -> Any:
        """Clients of many languages write null for a field that they do not set. An unknown one stays, to be named."""
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None or name not in cls.model_fields}

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
    """The query of `GET /v1/avatar/jobs`. Times have milliseconds; created_after is inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: tuple[str, ...] = ()
    open: bool = False
    created_after: datetime | None = None
    created_before: datetime | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    page_size: int = Field(default=DEFAULT_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)
    page_token: str | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _known(cls, values: Sequence[str]) -> Sequence[str]:
        if set(values) - set(JobStatus):
            raise PydanticCustomError("enum", texts.one_of(", ".join(JobStatus)))
        return values

    @field_validator("open", mode="before")
    @classmethod
    def _true(cls, value: str) -> bool:
        if value not in ("true", "True"):  # Python and .NET write True
            raise PydanticCustomError("literal_error", texts.one_of("true"))
        return True

    @field_validator("created_after", "created_before", mode="before")
    @classmethod
    def _time(cls, value: str, info: ValidationInfo) -> datetime:
        moment = from_text(value, round_up=info.field_name == "created_before")
        if moment is None:
            raise PydanticCustomError("time", texts.TIME_MALFORMED)
        return moment

    @field_validator("idempotency_key", "request_id", mode="before")
    @classmethod
    def _token(cls, value: str) -> str:
        if not TOKEN_FORM.fullmatch(value):
            raise PydanticCustomError("string_pattern_mismatch", texts.TOKEN_MALFORMED)
        return value

    @field_validator("page_size", mode="before")
    @classmethod
    def _plain_number(cls, value: str) -> int:
        found = re.fullmatch(r"0*([0-9]{1,6})(\.0+)?", value)
        if not found:
            raise PydanticCustomError("int_parsing", texts.not_a_page_size(MAX_PAGE_SIZE))
        return int(found[1])

    def wanted_statuses(self) -> Sequence[JobStatus] | None:
        """Returns the statuses that both `status` and `open` let pass, None for every status."""
        if not self.status and not self.open:
            return None
        return [
            status
            for status in JobStatus
            if status in (self.status or JobStatus) and not (self.open and status.is_terminal)
        ]


def checked_key(key: str | None) -> str | None:
    """Returns the idempotency key as sent, or None when there is none. Raises ApiError invalid_idempotency_key."""
    if key is None or TOKEN_FORM.fullmatch(key):
        return key
    raise ApiError(ApiErrorCode.INVALID_IDEMPOTENCY_KEY, texts.bad_token("Idempotency-Key"))


def checked_list(pairs: Sequence[tuple[str, str]]) -> ListQuery:
    """Returns the parsed query. A known parameter without a value counts as absent; only `status` may be repeated.

    Raises ApiError validation_error.
    """
    given: dict[str, Any] = {}
    for name, value in pairs:
        if not value and name in ListQuery.model_fields:
            continue
        if name == "status":
            given[name] = (*given.get(name, ()), value)
        elif name in given:
            raise problem.fault(name, "repeated", texts.PARAMETER_TWICE)
        else:
            given[name] = value
    try:
        return ListQuery.model_validate(given)
    except ValidationError as error:
        raise problem.faults(error.errors()) from error


def checked_submit(value: Any, *, rehearsal: bool) -> SubmitBody:
    """Returns the parsed body. Raises ApiError url_not_allowed or validation_error with each fault by field."""
    try:
        return SubmitBody.model_validate(value, context={"rehearsal": rehearsal})
    except ValidationError as error:
        raise problem.faults(error.errors()) from error
