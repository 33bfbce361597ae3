"""Idempotency keys: compares the bodies of two requests with one key, and refuses a different body."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.domain.job.model import Frozen, JobInput

# The fields of a request in 0.1.0, whose fingerprints always hold all of them. No field is ever added here.
FIRST_FIELDS = frozenset(
    {
        "video_url",
        "audio_url",
        "aspect_ratio",
        "resolution",
        "webhook_url",
        "start_timeout_seconds",
        "run_timeout_seconds",
    }
)


class IdempotencyRecord(Frozen):
    """The job that a client's key stands for, and the fingerprint of its body. It is kept as long as the job."""

    client: str
    key: str
    job_id: str
    fingerprint: str
    created_at: datetime


def fingerprint(job_input: JobInput, metadata: Mapping[str, Any]) -> str:
    """Returns the SHA-256 (hex) of a parsed body with its defaults filled in; the order of its keys does not matter.

    A field that was added after 0.1.0 counts only where it differs from its default. So a stored fingerprint stays
    right when a release adds a field, and the release before, which does not know the field, computes the same one.
    """
    fields = {
        name: value
        for name, value in job_input.model_dump().items()
        if name in FIRST_FIELDS or value != _default(job_input, name)
    }
    body = {"input": fields, "metadata": metadata}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _default(job_input: JobInput, name: str) -> Any:
    field = type(job_input).model_fields.get(name)
    return field.get_default(call_default_factory=True, validated_data={}) if field else None


def require_same_body(record: IdempotencyRecord, body_fingerprint: str) -> None:
    """Raises ApiError idempotency_key_reused when the key was already used with a different body."""
    if record.fingerprint != body_fingerprint:
        raise ApiError(ApiErrorCode.IDEMPOTENCY_KEY_REUSED, texts.idempotency_key_reused(record.key))
