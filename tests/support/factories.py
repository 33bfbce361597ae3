"""Jobs for tests: each factory gives a valid value and takes changes by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

from avatar_jobs.domain.idempotency import IdempotencyRecord
from avatar_jobs.domain.job.model import ClaimedResult, Job, JobInput, Metrics, Output
from avatar_jobs.domain.job.new_job import new_job

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def a_job(job_id: str = "job-00000001", *, now: datetime = NOW, client: str = "studio", **changes: Any) -> Job:
    """A job just accepted; changes are fields of its input."""
    fields = {
        "video_url": "https://example.com/v.mp4", "audio_url": "https://example.com/a.wav",
        "aspect_ratio": "source", "resolution": "source", "webhook_url": None,
        "start_timeout_seconds": 3600, "run_timeout_seconds": 1800,
    }  # fmt: skip
    job_input = JobInput(**{**fields, **changes})
    return new_job(
        job_id=job_id,
        client=client,
        request_id="req-1",
        idempotency_key=None,
        job_input=job_input,
        metadata={"nested": [[1, 2], {"": None}], "big": 2**70, "text": "\u0000 ü 😀"},
        now=now,
    )


def a_record(job_id: str, key: str = "key-1", client: str = "studio", fingerprint: str = "f") -> IdempotencyRecord:
    """An idempotency record."""
    return IdempotencyRecord(client=client, key=key, job_id=job_id, fingerprint=fingerprint, created_at=NOW)


def an_output(**changes: Any) -> Output:
    """A finished file."""
    fields = {
        "bucket": "videos", "key": "k", "size_bytes": 10, "sha1": "a" * 40, "duration_sec": 1.0,
        "width": 480, "height": 854, "fps": 25.0, "frames": 25,
    }  # fmt: skip
    return Output(**{**fields, **changes})


def a_claim(attempt: int = 1, at: datetime = NOW) -> ClaimedResult:
    """A claimed result that is not yet verified."""
    return ClaimedResult(attempt=attempt, salad_job_id="s", output=an_output(), metrics=Metrics(), claimed_at=at)
