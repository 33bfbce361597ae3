"""Every sentence that a client can read in an error: in a problem document, or in the `error` of a job.

Each says what happened and what to do. The codes beside them are in errors.py, the form is in protocol/problem.py.
The messages of workers alone come from elsewhere: protocol/worker_result.py passes them on.
"""

from collections.abc import Sequence

# Failures of the service: `internal`, `storage_unavailable`, `upstream_unavailable`.
INTERNAL = "Internal error."
STORE_UNAVAILABLE = "The job store is unavailable; nothing was written."
STORE_OUTCOME_UNKNOWN = (
    "The job store did not confirm the change, so it may be stored; "
    "an Idempotency-Key keeps a repeated submission from making a second job."
)
UPSTREAM_UNAVAILABLE = "A service that this API depends on is unavailable."


def with_retry(what_happened: str, seconds: int) -> str:
    return f"{what_happened} Send the same request again in {seconds} seconds."


# Path, method and headers.
PATH_NOT_FOUND = "There is nothing under this path; check the URL."
REQUEST_MALFORMED = "The request is not valid HTTP; check its first line, its headers and its length."
REQUEST_TOO_LARGE = "The request is too large: its URL, one of its headers, their number or its body."
BODY_NOT_JSON_TYPE = "The body must be sent as Content-Type: application/json."
BODY_ENCODED = "The body must be sent as it is, without a Content-Encoding such as gzip."
JOB_NOT_FOUND = "Your client has no job with this id; check the id."
REPORTED_JOB_NOT_FOUND = "There is no job with this id; stop the run."
TICK_WITH_BODY = "The tick takes no body; send none."


def method_not_allowed(allowed: Sequence[str]) -> str:
    return f"This path accepts {', '.join(allowed)} only."


def api_key_missing(header: str) -> str:
    return f"The header {header} is missing; send your client's API key in it."


def api_key_wrong(header: str) -> str:
    return f"The API key in the header {header} is wrong; send a valid key of your client."


def bad_token(header: str) -> str:
    return f"{header} must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-'."


def body_too_large(limit_bytes: int) -> str:
    return f"The body must have at most {limit_bytes} bytes."


# Signatures and report tokens: what Salad and workers read. The reasons are logged, too.
WEBHOOK_HEADERS_MALFORMED = "webhook-id or webhook-timestamp is missing or malformed"
WEBHOOK_TIMESTAMP_OFF = "webhook-timestamp is more than five minutes off"
WEBHOOK_SIGNATURE_WRONG = "no webhook-signature matches"
REPORT_TOKEN_MALFORMED = "the report token is missing or malformed"  # noqa: S105  a sentence, not a secret
REPORT_TOKEN_WRONG = "the report token is wrong"  # noqa: S105
REPORT_TOKEN_EXPIRED = "the report token has expired"  # noqa: S105
REPORT_TOKEN_OF_ANOTHER_ATTEMPT = "the report token is for another attempt"  # noqa: S105


def not_authentic(reason: str) -> str:
    return f"The request is not authentic: {reason}."


# JSON bodies: `invalid_json`.
JSON_NOT_UTF8 = "The body is not UTF-8; encode it as UTF-8."
JSON_NAME_TWICE = "a name occurs twice in one object"
JSON_NUMBER_OUT_OF_RANGE = "a number is out of range"
JSON_HALF_SURROGATE = "a string holds half of a surrogate pair"


def json_constant(name: str) -> str:
    return f"{name} is not a JSON number"


def json_too_deep(max_depth: int) -> str:
    return f"The body is nested over {max_depth} levels; nest it less deeply."


def json_malformed(fault: str, line: int, column: int) -> str:
    return f"The body is not JSON: {fault} at line {line}, column {column}."


def json_refused(reason: str) -> str:
    return f"The body is not acceptable JSON: {reason}."


# Fields of a body and parameters of a query: `validation_error`.
FIELD_UNKNOWN = "This field is unknown; remove it."
FIELD_MISSING = "This field is required."
BODY_NOT_AN_OBJECT = "The body must be a JSON object."
NOT_AN_OBJECT = "Must be a JSON object."
NOT_A_TEXT = "Must be a text."
NOT_A_NUMBER = "Must be a number."
NOT_A_WHOLE_NUMBER = "Must be a whole number."
FIELD_INVALID = "Has the wrong type or form."
PARAMETER_TWICE = "This parameter occurs more than once; send it once."
TIME_MALFORMED = "Must be a time like 2026-01-31T09:30:00Z or 2026-01-31T10:30:00.123+01:00 (RFC 3339)."
TOKEN_MALFORMED = "Must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-'."  # noqa: S105
PAGE_TOKEN_INVALID = "Invalid page_token for this list; omit it to start at the newest job."  # noqa: S105


def one_of(allowed: str) -> str:
    return f"Must be one of: {allowed}."


def at_least(limit: float) -> str:
    return f"Must be at least {limit}."


def at_most(limit: float) -> str:
    return f"Must be at most {limit}."


def at_least_characters(limit: int) -> str:
    return f"Must have at least {limit} character{'s' if limit > 1 else ''}."


def at_most_characters(limit: int) -> str:
    return f"Must have at most {limit} characters."


def too_many_keys(limit: int) -> str:
    return f"Must have at most {limit} keys."


def too_many_json_bytes(limit_bytes: int) -> str:
    return f"Must have at most {limit_bytes} bytes as JSON."


def not_a_page_size(limit: int) -> str:
    return f"Must be a whole number from 1 to {limit}."


# URLs: `url_not_allowed`. None of them repeats the URL, whose query may hold a secret.
URL_NOT_ASCII = "The URL must be plain ASCII without spaces, control characters or backslashes."
URL_MALFORMED = "The URL cannot be parsed; check its host and port."
URL_NOT_HTTPS = "The URL must begin with https://."
URL_WITH_USER = "The URL must not carry a user name or password."
URL_PORT = "The URL must use port 443."
URL_PORT_IN_REHEARSAL = "The URL must use port 443 or 80; other ports are for loopback hosts only."
URL_PRIVATE_NAME = "The URL must not name a host inside a private network."
URL_HOST_MALFORMED = "The URL's host is missing or malformed; write international names in their xn-- form."
URL_HOST_NOTATION = "The URL's host must be a name or a plain dotted or bracketed IP address."
URL_HOST_UNRESOLVED = "The URL's host does not resolve to an IP address; check its name."
URL_HOST_PRIVATE = "The URL's host is a private, local or reserved address; use a public one."
URL_HOST_WITH_ZONE = "The URL's host must not carry an IPv6 zone."


def url_too_long(limit: int) -> str:
    return f"The URL must have at most {limit} characters."


# Submitting and cancelling: `queue_full`, `idempotency_key_reused`, `job_already_finished`.
def client_queue_full(limit: int) -> str:
    return f"Your client has {limit} open jobs, {_QUEUE_FULL}"


def queue_full(limit: int) -> str:
    return f"All clients together have {limit} open jobs, {_QUEUE_FULL}"


_QUEUE_FULL = "which is the limit. Wait for some to finish, or cancel some, and send this request again."


def idempotency_key_reused(key: str) -> str:
    return (
        f"Idempotency-Key {key!r} was already used with a different body. "
        "Send the first body again, or use a new key for a new job."
    )


def job_already_finished(status: str) -> str:
    return f"The job already {status}; it can no longer be cancelled."


# The `error.message` of a failed job; each of these jobs may be submitted again.
_AGAIN = "Submit the job again."
WORKER_SILENT = f"The worker stopped reporting in the middle of the job. {_AGAIN}"
WORKER_STOPPED = f"The worker stopped without having been asked to. {_AGAIN}"
SALAD_LOST_JOB = f"The GPU service no longer has the job. {_AGAIN}"
WORKER_WITHOUT_REASON = "The worker reported an error without a message."


def start_timeout(seconds: int) -> str:
    return f"No GPU took the job within its start_timeout_seconds of {seconds}. {_AGAIN}"


def run_timeout(seconds: int) -> str:
    return (
        f"The job did not finish within its run_timeout_seconds of {seconds}. "
        "Submit it again; a long audio needs a longer run_timeout_seconds."
    )


def salad_gave_up(status: str) -> str:
    return f"The GPU service ended the job without a result ({status}). {_AGAIN}"


def answer_unusable(reason: str) -> str:
    return f"The worker's answer could not be used: {reason}. {_AGAIN}"


ANSWER_NOT_JSON = "it is not JSON"
ANSWER_OF_ANOTHER_JOB = "it belongs to another job or attempt"
ANSWER_WITHOUT_ERROR = "it reports an error and names none"
ANSWER_WITHOUT_FILE = "it reports success and names no file"
ANSWER_OF_ANOTHER_FILE = "it names another file than the job's"


def answer_malformed(where: str) -> str:
    return f"it does not have the expected form (at {where or 'its root'})"


def output_unverified(reason: str) -> str:
    return f"The finished video could not be verified: {reason}. {_AGAIN}"


OUTPUT_MISSING = "the worker reported success, but there is no file"


def output_of_another_size(found_bytes: int, reported_bytes: int) -> str:
    return f"the file has {found_bytes} bytes, but the worker reported {reported_bytes}"


def storage_unavailable(minutes: int) -> str:
    return f"the storage did not answer for {minutes} minutes"
