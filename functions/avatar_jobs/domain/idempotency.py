"""Idempotency keys: compares the bodies of two requests with one key, and refuses a different body."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.domain.job.model import Frozen


class IdempotencyRecord(Frozen):
    """The job that a client's key stands for, and the fingerprint of its body. It is kept as long as the job."""

    client: str
    key: str
    job_id: str
    fingerprint: str
    created_at: datetime


def fingerprint(body: Mapping[str, Any]) -> str:
    """Returns the SHA-256 (hex) of a parsed body with its defaults filled in; the order of its keys does not matter."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def require_same_body(record: IdempotencyRecord, body_fingerprint: str) -> None:
    """Raises ApiError idempotency_key_reused when the key was already used with a different body."""
    if record.fingerprint != body_fingerprint:
        raise ApiError(ApiErrorCode.IDEMPOTENCY_KEY_REUSED, texts.idempotency_key_reused(record.key))
