"""What we send to the worker through Salad: the `input` and `metadata` of a queue job."""

from typing import Any

from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.upload_keys import UploadKey
from avatar_jobs.protocol.times import to_text

SCHEMA_VERSION = 1  # of the worker's wire; workers accept this and the one before


def queue_metadata(job: Job) -> dict[str, Any]:
    """Salad's `metadata`: how an attempt is known again in a webhook or a list."""
    return {"job_id": job.id, "attempt": job.attempt.number, "request_id": job.request_id}


def worker_input(job: Job, *, report_url: str, report_token: str, upload: UploadKey | None) -> dict[str, Any]:
    """Salad's `input`: all that a worker needs for this attempt, and nothing that opens anything else.

    upload: the key for this job's outputs; None where workers have a key of their own.
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
        "upload": upload.as_wire() if upload else None,
        "params": {},
    }
