"""What comes from Salad's side in a functional test: webhooks, a worker's answer and reports, a file in the bucket."""

import json
from typing import Any

from avatar_jobs.protocol import signatures
from tests.support.fake_salad import SALAD_JOB_ID
from tests.support.functions import BUCKET, PREFIX, TOKEN_SECRET, WEBHOOK_SECRET, Reply
from tests.support.scripted_server import Answer
from tests.support.system import System

SIZE = 123_456


def result(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A worker's answer that reports the job's file."""
    key = f"{PREFIX}{job['id']}.mp4"
    output = {
        "bucket": BUCKET, "key": key, "size_bytes": SIZE, "sha1": "a" * 40,
        "duration_sec": 2.96, "width": 512, "height": 512, "fps": 25.0, "frames": 74,
    }  # fmt: skip
    metrics = {"generation_time_sec": None, "frames": 74, "engine": "preview", "stages": {"engine": 1.5}}
    return {
        "status": "ok", "job_id": job["id"], "attempt": job["attempt"], "run_id": "run-1",
        "output_video_url": "https://evil.example/x.mp4", "output": output, "metrics": metrics, **changes,
    }  # fmt: skip


def webhook(system: System, job: dict[str, Any], output: Any, *, status: str = "succeeded", **changes: Any) -> Reply:
    """Salad's webhook for a job, as salad_webhook gets it."""
    data = {
        "id": SALAD_JOB_ID, "status": status, "output": output, "input": {},
        "metadata": {"job_id": job["id"], "attempt": job["attempt"], "request_id": "r"},
        "events": [{"type": "created", "time": "2026-01-01T00:00:00.0000000Z"}],
    }  # fmt: skip
    body = json.dumps(
        {"type": f"queue.job.{status}", "timestamp": "2026-01-01T00:00:00.0000000Z", "data": {**data, **changes}}
    ).encode()
    headers = signatures.signed_headers([WEBHOOK_SECRET], "msg_1", system.clock(), body)
    return system.function("salad_webhook").call("POST", "/v1/webhooks/salad", body=body, headers=headers)


def report(system: System, job: dict[str, Any], run_id: str = "run-1", seq: int = 0, **changes: Any) -> Reply:
    """A worker's report for the job's attempt."""
    body = {
        "schema_version": 1, "attempt": job["attempt"], "run_id": run_id, "seq": seq, "phase": "starting",
        "progress": 0.0, "stage_times": {}, "error": None, **changes,
    }  # fmt: skip
    token = signatures.report_token(TOKEN_SECRET, job["id"], job["attempt"])
    return system.function("salad_webhook").call(
        "POST", f"/v1/worker/jobs/{job['id']}/reports", json_body=body, headers={"Authorization": f"Bearer {token}"}
    )


def file_stands(system: System, size: int = SIZE) -> None:
    """Puts the file into the bucket."""
    system.bucket.default = Answer(200, b"", {"Content-Type": "video/mp4"})
    system.bucket.default = Answer(200, b"x" * size, {"Content-Type": "video/mp4"})


def attempts_sent(system: System) -> list[int]:
    """The attempt number of every job that was sent to Salad."""
    return [json.loads(call.body)["metadata"]["attempt"] for call in system.salad.sent]
