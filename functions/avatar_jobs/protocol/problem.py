"""Problem documents (RFC 9457): the HTTP status and the form of every error that this API answers with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic_core import ErrorDetails

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode, FieldError

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SEC = 5  # an unavailable store or service is usually back within seconds
MAX_FIELD_LENGTH = 200  # a field's name comes from the client and may be of any length
FAULTS_IN_DETAIL = 5  # the rest is in `errors` alone

HTTP_STATUS: Mapping[ApiErrorCode, int] = MappingProxyType(
    {
        ApiErrorCode.INVALID_JSON: 400,
        ApiErrorCode.INVALID_IDEMPOTENCY_KEY: 400,
        ApiErrorCode.UNAUTHENTICATED: 401,
        ApiErrorCode.JOB_NOT_FOUND: 404,
        ApiErrorCode.NOT_FOUND: 404,
        ApiErrorCode.METHOD_NOT_ALLOWED: 405,
        ApiErrorCode.JOB_ALREADY_FINISHED: 409,
        ApiErrorCode.PAYLOAD_TOO_LARGE: 413,
        ApiErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
        ApiErrorCode.VALIDATION_ERROR: 422,
        ApiErrorCode.URL_NOT_ALLOWED: 422,
        ApiErrorCode.IDEMPOTENCY_KEY_REUSED: 422,
        ApiErrorCode.QUEUE_FULL: 429,
        ApiErrorCode.RATE_LIMITED: 429,
        ApiErrorCode.INTERNAL: 500,
        ApiErrorCode.STORAGE_UNAVAILABLE: 503,
        ApiErrorCode.UPSTREAM_UNAVAILABLE: 503,
    }
)
RETRIED_STATUSES = frozenset({429, 500, 503})  # always sent with Retry-After
TITLES: Mapping[ApiErrorCode, str] = MappingProxyType(
    {code: code.value.replace("_", " ").capitalize() for code in ApiErrorCode}
)
# What is said about pydantic's types of errors: a sentence, or one with a value from the error's context.
MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "extra_forbidden": texts.FIELD_UNKNOWN,
        "missing": texts.FIELD_MISSING,
        "model_type": texts.NOT_AN_OBJECT,
        "dict_type": texts.NOT_AN_OBJECT,
        "string_type": texts.NOT_A_TEXT,
        "int_type": texts.NOT_A_WHOLE_NUMBER,
        "int_from_float": texts.NOT_A_WHOLE_NUMBER,
        "int_parsing": texts.NOT_A_WHOLE_NUMBER,
        "float_type": texts.NOT_A_NUMBER,
        "float_parsing": texts.NOT_A_NUMBER,
    }
)
MESSAGES_WITH_LIMIT: Mapping[str, tuple[Callable[[Any], str], str]] = MappingProxyType(
    {
        "greater_than_equal": (texts.at_least, "ge"),
        "less_than_equal": (texts.at_most, "le"),
        "string_too_short": (texts.at_least_characters, "min_length"),
        "string_too_long": (texts.at_most_characters, "max_length"),
        "literal_error": (texts.one_of, "expected"),
        "enum": (texts.one_of, "expected"),
    }
)


@dataclass(frozen=True)
class Problem:
    """A problem document with its HTTP status and the headers that belong to it."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str]


def render(error: ApiError, request_id: str) -> Problem:
    """Returns the problem document of an error."""
    status = HTTP_STATUS[error.code]
    document: dict[str, Any] = {
        "type": f"urn:avatar-jobs:problem:{error.code.value}",
        "title": TITLES[error.code],
        "status": status,
        "detail": error.detail,
        "code": error.code.value,
        "request_id": request_id,
    }
    if error.errors:
        document["errors"] = [vars(fault) for fault in error.errors]
    headers = {}
    if error.retry_after_sec is not None or status in RETRIED_STATUSES:
        headers["Retry-After"] = str(error.retry_after_sec or RETRY_AFTER_SEC)
    if error.allow:
        headers["Allow"] = ", ".join(error.allow)
    return Problem(status, document, headers)


def not_served(status: int, request_id: str) -> Problem:
    """Returns the problem document for a request that the server refuses by itself with this HTTP status."""
    match status:
        case 404:
            error = ApiError(ApiErrorCode.NOT_FOUND, texts.PATH_NOT_FOUND)
        case 413 | 414 | 431:
            error = ApiError(ApiErrorCode.PAYLOAD_TOO_LARGE, texts.REQUEST_TOO_LARGE)
        case _ if status >= 500:
            error = service_failure(ApiErrorCode.INTERNAL, texts.INTERNAL)
        case _:
            error = ApiError(ApiErrorCode.INVALID_JSON, texts.REQUEST_MALFORMED)
    problem = render(error, request_id)
    return Problem(status, {**problem.document, "status": status}, problem.headers)


def service_failure(code: ApiErrorCode, what_happened: str) -> ApiError:
    """Returns the ApiError for a failure of the service; it tells the client when to send the request again."""
    return ApiError(code, texts.with_retry(what_happened, RETRY_AFTER_SEC), retry_after_sec=RETRY_AFTER_SEC)


def fault(field: str, code: str, message: str) -> ApiError:
    """Returns the ApiError (422) for one fault of a body's field or a query's parameter."""
    return _validation_error([FieldError(field[:MAX_FIELD_LENGTH], code, message)])


def faults(errors: Sequence[ErrorDetails]) -> ApiError:
    """Returns the ApiError (422) for pydantic's errors; its code is url_not_allowed when only URLs are at fault."""
    return _validation_error([_field_error(error) for error in errors])


def _validation_error(found: Sequence[FieldError]) -> ApiError:
    only_urls = all(one.code == ApiErrorCode.URL_NOT_ALLOWED for one in found)
    code = ApiErrorCode.URL_NOT_ALLOWED if only_urls else ApiErrorCode.VALIDATION_ERROR
    detail = "; ".join(f"{one.field}: {one.message}" for one in found[:FAULTS_IN_DETAIL])
    return ApiError(code, detail, found)


def _field_error(error: ErrorDetails) -> FieldError:
    field = ".".join(str(part) for part in error["loc"]) or "body"
    return FieldError(field[:MAX_FIELD_LENGTH], error["type"], _message(error, field))


def _message(error: ErrorDetails, field: str) -> str:
    """Returns what is wrong, in our words; pydantic's own sentences are written for its users and not for ours."""
    kind = error["type"]
    if "url" not in error:  # it is one of ours, from a validator
        return error["msg"]
    if kind in MESSAGES_WITH_LIMIT:
        message_of, name = MESSAGES_WITH_LIMIT[kind]
        return message_of(error["ctx"][name])
    if field == "body" and MESSAGES.get(kind) == texts.NOT_AN_OBJECT:
        return texts.BODY_NOT_AN_OBJECT
    return MESSAGES.get(kind, texts.FIELD_INVALID)
