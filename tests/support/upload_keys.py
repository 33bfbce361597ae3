"""What the tests of the jobs' storage keys share."""

import json
import time
from typing import Any

from avatar_jobs.adapters.b2_upload_keys import B2UploadKeys
from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, RunningB2
from tests.support.functions import PREFIX
from tests.support.salad_side import report
from tests.support.system import System


def key_maker(b2: RunningB2, mint_sec: float = 5.0, origin: str | None = None, prefix: str = PREFIX) -> B2UploadKeys:
    """The maker of keys, without a function around it. origin: of another B2 than this one."""
    return B2UploadKeys(
        api_url=origin or b2.origin,
        key_id=KEY_ID,
        app_key=APP_KEY,
        bucket=BUCKET,
        prefix=prefix,
        mint_sec=mint_sec,
        revoke_sec=mint_sec,
        clock=time.monotonic,
    )


def sent_input(system: System, number: int = -1) -> dict[str, Any]:
    """The input that was sent to Salad."""
    given: dict[str, Any] = json.loads(system.salad.sent[number].body)["input"]
    return given


def job_keys(b2: RunningB2) -> list[dict[str, Any]]:
    """The account's keys but the first."""
    return [key for key in b2.state()["keys"] if key["name"].startswith("avatar-")]


def end_the_job(system: System) -> dict[str, Any]:
    """Submits a job, reports on it, cancels it, and lets Salad confirm the cancellation. Returns the job."""
    job: dict[str, Any] = system.submit().json
    report(system, job)
    system.function("job_status").call(
        "DELETE", f"/v1/avatar/jobs/{job['id']}", headers={"X-Internal-API-Key": "key-of-studio-0123456789"}
    )
    system.salad.set_job("cancelled", job_id=job["id"], attempt=1)
    system.tick()
    assert system.read(job["id"]).json["status"] == "cancelled"
    return job
