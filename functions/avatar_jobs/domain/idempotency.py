"""Idempotency keys: their form, what "the same body" means, and what a second request with a key gets."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.domain.job.model import Frozen

# Also the form of a request id. URL-safe, so that both can stand in a log, a path or a document id unescaped.
TOKEN_FORM = re.compile(r"[A-Za-z0-9._~-]{1,128}")


class IdempotencyRecord(Frozen):
    """Which job a client's key stands for, and the fingerprint of its body; it lives as long as the job."""

    client: str
    key: str
    job_id: str
    fingerprint: str
    created_at: datetime


def checked_key(key: str | None) -> str | None:
    """Returns the key as sent, or None when there is none. Raises ApiError invalid_idempotency_key."""
    if key is None or TOKEN_FORM.fullmatch(key):
        return key
    raise ApiError(
        ApiErrorCode.INVALID_IDEMPOTENCY_KEY,
        "Idempotency-Key must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-'.",
    )


def fingerprint(body: Mapping[str, Any]) -> str:
    """Returns the SHA-256 (hex) of a parsed body with its defaults filled in; the order of its keys does not matter."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def require_same_body(record: IdempotencyRecord, body_fingerprint: str) -> None:
    """Raises ApiError idempotency_key_reused when the key was used with another body before."""
    if record.fingerprint != body_fingerprint:
        raise ApiError(
            ApiErrorCode.IDEMPOTENCY_KEY_REUSED,
            f"Idempotency-Key {record.key!r} was used with another body before. "
            "Send the first body again, or draw a new key for a new job.",
        )
