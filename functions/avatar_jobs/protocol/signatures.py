"""Signs callbacks to apps, verifies Salad's webhooks (both by Standard Webhooks), makes and checks report tokens.

The Standard Webhooks specification (https://www.standardwebhooks.com): HMAC-SHA256 over "id.timestamp.body",
headers webhook-id, webhook-timestamp (seconds), webhook-signature ("v1,<base64>", several separated by a space).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import BadSignatureError

SECRET_PREFIX = "whsec_"  # noqa: S105  the specification's prefix, not a secret
TOLERANCE_SEC = 300  # into the past and the future; the specification and Salad both say five minutes
MAX_SIGNATURES = 16  # in one header; a rotation needs two
TOKEN_PREFIX = "rt1"  # noqa: S105  the version of the token's form, not a secret


def secret_bytes(secret: str) -> bytes:
    """Returns the key in `whsec_<base64>` (the prefix may be missing). Raises ValueError when it is not base64."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret must be whsec_ followed by base64") from error


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Returns one `v1,<base64>` signature of a message; timestamp in seconds since the epoch."""
    digest = hmac.new(secret_bytes(secret), f"{message_id}.{timestamp}.".encode(), hashlib.sha256)
    digest.update(body)  # not joined before: a body may have 10 MB
    return "v1," + base64.b64encode(digest.digest()).decode()


def signed_headers(secrets: Sequence[str], message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Returns the three Standard Webhooks headers, with one signature for each secret (rotation)."""
    timestamp = int(now.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets),
    }


def read_webhook_headers(headers: Mapping[str, str], now: datetime) -> tuple[str, int]:
    """Returns the message's id and timestamp; it needs no body, so that a body is read only after a plausible head.

    headers: looked up by lower-case name. Raises BadSignatureError for headers that no authentic message has now.
    """
    message_id = headers.get("webhook-id", "")
    timestamp_text = headers.get("webhook-timestamp", "")
    if not message_id or not timestamp_text.isascii() or not timestamp_text.isdigit() or len(timestamp_text) > 12:
        raise BadSignatureError(texts.WEBHOOK_HEADERS_MALFORMED)
    timestamp = int(timestamp_text)
    if abs(now.timestamp() - timestamp) > TOLERANCE_SEC:
        raise BadSignatureError(texts.WEBHOOK_TIMESTAMP_OFF)
    if not headers.get("webhook-signature", "").strip():
        raise BadSignatureError(texts.WEBHOOK_SIGNATURE_WRONG)
    return message_id, timestamp


def verify_webhook(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Verifies the signature of a webhook. Returns the message's id; raises BadSignatureError if it is not authentic.

    headers: looked up by lower-case name; body: the raw bytes, before any parsing.
    """
    message_id, timestamp = read_webhook_headers(headers, now)
    given = headers.get("webhook-signature", "").split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]
    expected = [sign(secret, message_id, timestamp, body).encode() for secret in secrets]
    # Every pair is compared, so that the time taken does not reveal which one matched.
    matches = [hmac.compare_digest(one, other.encode()) for one in expected for other in given]
    if not any(matches):
        raise BadSignatureError(texts.WEBHOOK_SIGNATURE_WRONG)
    return message_id


def report_token(secret: str, job_id: str, attempt: int) -> str:
    """Returns the bearer token with which a worker can report on this attempt of this job, and do nothing else."""
    digest = hmac.new(secret.encode(), f"report:{job_id}:{attempt}".encode(), hashlib.sha256).digest()
    return f"{TOKEN_PREFIX}.{attempt}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def attempt_of_token(secrets: Sequence[str], job_id: str, authorization: str) -> int:
    """Returns the attempt of the token in an `Authorization: Bearer` header. Raises BadSignatureError if it is bad."""
    token = authorization.removeprefix("Bearer ")
    parts = token.split(".")
    if (
        len(parts) != 3
        or parts[0] != TOKEN_PREFIX
        or not parts[1].isascii()
        or not parts[1].isdigit()
        or len(parts[1]) > 4
    ):
        raise BadSignatureError(texts.REPORT_TOKEN_MALFORMED)
    attempt = int(parts[1])
    expected = [report_token(secret, job_id, attempt).encode() for secret in secrets]
    matches = [hmac.compare_digest(one, token.encode()) for one in expected]
    if not any(matches):
        raise BadSignatureError(texts.REPORT_TOKEN_WRONG)
    return attempt
