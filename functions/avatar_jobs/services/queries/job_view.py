"""Renders the job as apps see it, in the answer to a GET and in the body of a callback."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.ports.storage import OutputStore
from avatar_jobs.protocol.times import to_optional_text, to_text


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
            "metrics": job.metrics.model_dump() if job.metrics else None,
            "error": job.error.model_dump(mode="json") if job.error else None,
            "input": job.input.model_dump(),
            "metadata": job.metadata,
            "created_at": to_text(job.created_at),
            "started_at": to_optional_text(job.started_at),
            "finished_at": to_optional_text(job.finished_at),
            "attempt": job.attempt.number,
            "cancel_requested_at": to_optional_text(job.cancel_requested_at),
            "webhook": self._webhook(job),
            "request_id": job.request_id,
        }

    def _output_url(self, job: Job, now: datetime) -> str | None:
        if job.status is not JobStatus.SUCCEEDED or job.output_expires_at is None or now >= job.output_expires_at:
            return None
        return self.outputs.link(output_name(self.prefix, job.id), now)

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
