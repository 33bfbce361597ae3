"""A Salad simulator whose replicas are the real gpu_worker with a chosen queue worker, and the servers around it."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, RunningB2, running_b2_sim
from tests.support.salad_sim import Simulator, group_body, simulator
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server
from tests.support.waiting import eventually

MEDIA = Path(__file__).resolve().parents[2] / "infra" / "local" / "media"
PREFIX = "musetalk/outputs/"
PROBE = {
    "http": {"path": "/hc", "port": 8000, "scheme": "http", "headers": [{"name": "Accept", "value": "*/*"}]},
    "initial_delay_seconds": 0,
    "period_seconds": 1,
    "timeout_seconds": 1,
    "success_threshold": 1,
    "failure_threshold": 2,
}
WAIT_SEC = 60.0  # Salad's own program asks for the readiness every 5 s, and the machine may be busy
NEVER_SEC = 600.0  # longer than any test: a download that is held until the test lets go


@dataclass
class Peers:
    """The servers around the queue worker. reports: stands for the control plane; audio: serves the voice track."""

    salad: Simulator
    b2: RunningB2
    reports: ScriptedServer
    audio: ScriptedServer

    def submit(self, job_id: str, video_url: str, attempt: int = 1) -> str:
        """Puts a job on the queue with the control plane's input. Returns Salad's id."""
        job_input = {
            "schema_version": 1, "job_id": job_id, "attempt": attempt, "request_id": "req-1",
            "video_url": video_url, "audio_url": f"{self.audio.url}/speech.wav",
            "aspect_ratio": "source", "resolution": "480p",
            "report_url": f"{self.reports.url}/reports/{job_id}", "report_token": "rt1.1.x",
            "run_timeout_seconds": 600, "expires_at": "2099-01-01T00:00:00.000Z", "upload": None, "params": {},
        }  # fmt: skip
        return self.salad.submit(job_input, metadata={"job_id": job_id, "attempt": attempt, "request_id": "req-1"})

    def idle_instance(self) -> dict[str, Any]:
        """Waits until the instance is ready, has a stream and has no job. Returns it."""
        wanted = {"state": "running", "ready": True, "has_stream": True, "job_id": None}
        return eventually(lambda: self.salad.instances(**wanted), WAIT_SEC)[0]

    def instance(self) -> dict[str, Any]:
        """Returns the one instance as it is now."""
        (one,) = self.salad.instances()
        return one

    def attempts(self, salad_job_id: str) -> int:
        """Returns how often Salad has dispatched the job."""
        return next(int(job["attempts"]) for job in self.salad.state()["jobs"] if job["id"] == salad_job_id)

    def status(self, salad_job_id: str) -> str:
        """Returns Salad's status of the job."""
        return str(self.salad.job(salad_job_id)["status"])

    def runs(self, job_id: str) -> set[str]:
        """Returns the run ids that the worker has reported for the job, one for each execution."""
        told = [json.loads(one.body) for one in self.reports.received if one.path.endswith(job_id)]
        return {str(report["run_id"]) for report in told}

    def last_report(self, job_id: str) -> dict[str, Any]:
        """Returns the worker's newest report on the job."""
        return next(json.loads(one.body) for one in reversed(self.reports.received) if one.path.endswith(job_id))

    def files(self, job_id: str) -> list[str]:
        """Returns the names of the job's files in the bucket."""
        state = requests.get(f"{self.b2.origin}/_sim/state", timeout=10).json()
        return sorted(file["name"] for file in state["files"] if job_id in file["name"])

    def end_stream(self, instance_id: str, **how: Any) -> None:
        """Ends the queue worker's stream from the service's side."""
        answer = self.salad.control("POST", f"/instances/{instance_id}/end-stream", how)
        assert answer.status_code == 200, answer.text


@contextmanager
def peers(
    directory: Path, queue_worker: str, *, worker_settings: Mapping[str, str] | None = None, **settings: str
) -> Iterator[Peers]:
    """Starts all servers and one replica. queue_worker: the path of a program, empty for the stand-in.

    worker_settings: further settings of the replica; settings: of the simulator.
    """
    heard = Answer(200, b'{"cancel": false, "remaining_seconds": 600}')
    voice = Answer(200, (MEDIA / "speech.wav").read_bytes(), {"Content-Type": "audio/wav"})
    with (
        running_b2_sim(directory / "b2") as b2,
        scripted_server(heard) as reports,
        scripted_server(voice) as audio,
        simulator(
            SALAD_QUEUE_WORKER=queue_worker,
            SALAD_SIM_WORKER_COMMAND=f"{sys.executable} -m gpu_worker",
            SALAD_SIM_STREAM_GRACE_SEC=str(WAIT_SEC),
            **settings,
        ) as salad,
    ):
        running = Peers(salad, b2, reports, audio)
        salad.call("create_queue", {"name": "jobs"})
        body = group_body(1, readiness_probe=PROBE)
        body["container"]["environment_variables"] = {
            "ENGINE": "preview", "REHEARSAL_MODE": "true", "B2_KEY_ID": KEY_ID, "B2_APP_KEY": APP_KEY,
            "B2_BUCKET_NAME": BUCKET, "B2_PREFIX": PREFIX, "B2_REALM": b2.origin, "WORK_DIR": str(directory / "work"),
            **(worker_settings or {}),
        }  # fmt: skip
        answer = salad.call("create_container_group", body)
        assert answer.status_code == 201, answer.text
        running.idle_instance()
        yield running


@contextmanager
def held_video() -> Iterator[ScriptedServer]:
    """A server that holds each face video back until its `stopping` is set."""
    face = Answer(200, (MEDIA / "face.mp4").read_bytes(), {"Content-Type": "video/mp4"}, delay_sec=NEVER_SEC)
    with scripted_server(face) as server:
        yield server
