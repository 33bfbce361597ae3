"""Renders the job as apps see it, in the answer to a GET and in the body of a callback."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.ports.storage import OutputStore
from avatar_jobs.protocol.times import to_optional_text, to_text

# Answers repeat the same link for this long, so that caches and comparisons of apps work. A link is valid for more than
# an hour longer than this (adapters/b2_outputs.py), so that it is good for an hour after every answer.
SAME_LINK = timedelta(minutes=10)


def output_name(prefix: str, job_id: str) -> str:
    """Returns the key of a job's video in the bucket; it is computed from the job, never taken from a worker."""
    return f"{prefix}{job_id}.mp4"


def sidecar_name(prefix: str, job_id: str) -> str:
    """Returns the key of the JSON file beside a job's video."""
    return f"{prefix}{job_id}.json"


@dataclass(frozen=True)
class JobRenderer:
    """Renders jobs for apps. outputs: makes links to videos; prefix: the bucket's folder for videos."""

    outputs: OutputStore
    prefix: str

    def render(self, job: Job, now: datetime) -> dict[str, Any]:
        """Returns every key of a job (`Job` in docs/api/openapi.yaml), as JSON values. now: the time of the answer."""
        return {
            "id": job.id,
            "status": job.status.value,
            "done": job.status.is_terminal,
            "phase": job.phase.value if job.phase else None,
            "progress": round(job.progress, 4),
            "output_url": self._output_url(job, now),
            "output_expires_at": to_optional_text(job.output_expires_at),
            "output": _output(job),
            "queue": {"ahead": None, "estimated_start_at": None} if job.status is JobStatus.QUEUED else None,
            "priority": "normal",
            "erased_at": None,
            "metrics": job.metrics.model_dump() if job.metrics else None,
            "error": job.error.model_dump(mode="json") if job.error else None,
            "input": job.input.model_dump(),
            "metadata": job.metadata,
            "created_at": to_text(job.created_at),
            "started_at": to_optional_text(job.started_at),
            "finished_at": to_optional_text(job.finished_at),
            "attempt": job.attempt.number,
            "runs": _runs(job),
            "cancel_requested_at": to_optional_text(job.cancel_requested_at),
            "webhook": self._webhook(job),
            "request_id": job.request_id,
        }

    def _output_url(self, job: Job, now: datetime) -> str | None:
        if job.finished_at is None or job.output_expires_at is None or now >= job.output_expires_at:
            return None
        # Counted from the end of the job, so that the callback and the answers after it have the same link.
        age = max(timedelta(0), now - job.finished_at)  # the clocks of two instances may differ a little
        signed_at = job.finished_at + age // SAME_LINK * SAME_LINK
        return self.outputs.link(output_name(self.prefix, job.id), signed_at)

    def _webhook(self, job: Job) -> dict[str, Any] | None:
        if job.input.webhook_url is None:
            return None
        if job.callback is None:
            return {"state": "waiting", "attempts": 0, "last_status": None, "next_attempt_at": None}
        return {
            "state": job.callback.state.value,
            "attempts": job.callback.attempts,
            "last_status": job.callback.last_status,
            "next_attempt_at": to_optional_text(job.callback.next_attempt_at),
        }


def _output(job: Job) -> dict[str, Any] | None:
    """Returns the measures of the verified video, None until the job has succeeded."""
    return job.output.model_dump(exclude={"bucket", "key"}) if job.output else None


def _runs(job: Job) -> int:
    """Returns the number of executions begun: those that reported, and one when only a result shows it."""
    reported = sum(len(attempt.runs) for attempt in job.attempts)
    return max(reported, 1 if job.started_at else 0)
