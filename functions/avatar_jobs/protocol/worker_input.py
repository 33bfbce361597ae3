"""The `input` and `metadata` of a queue job: what a worker gets through Salad."""

from typing import Any

from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.upload_keys import UploadKey
from avatar_jobs.protocol.times import to_text

SCHEMA_VERSION = 1  # workers accept this version and the one before


def queue_metadata(job: Job) -> dict[str, Any]:
    """Returns the `metadata`, by which an attempt is recognized in a webhook or a list."""
    return {"job_id": job.id, "attempt": job.attempt.number, "request_id": job.request_id}


def worker_input(job: Job, *, report_url: str, report_token: str, upload: UploadKey | None) -> dict[str, Any]:
    """Returns the `input`: what a worker needs for this attempt, without access to anything else.

    upload: the key for this job's outputs; None if the workers have a key in their environment.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        **queue_metadata(job),
        "video_url": job.input.video_url,
        "audio_url": job.input.audio_url,
        "aspect_ratio": job.input.aspect_ratio,
        "resolution": job.input.resolution,
        "report_url": report_url,
        "report_token": report_token,
        "run_timeout_seconds": job.input.run_timeout_seconds,
        "expires_at": to_text(job.credentials_expire_at),
        "upload": _upload(upload) if upload else None,
        "params": {},
    }


def _upload(key: UploadKey) -> dict[str, Any]:
    return {
        "endpoint": key.endpoint,
        "key_id": key.key_id,
        "app_key": key.app_key,
        "bucket": key.bucket,
        "prefix": key.prefix,
    }
