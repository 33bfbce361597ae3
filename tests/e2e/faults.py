"""What the fault tests share: a rehearsal with the fake worker, planned faults, and the check of the outcome."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from standardwebhooks.webhooks import Webhook

from tests.e2e.api import App
from tests.e2e.rehearsals import Rehearsal, rehearsal
from tests.support import fake_worker
from tests.support.events import events
from tests.support.openapi import OpenApiValidator
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server
from tests.support.waiting import eventually, never

CALLBACK_SEC = 45.0  # when a tick runs out of time, a later one sends the callback, after the lease of 30 s


@dataclass
class Faulty:
    """A running rehearsal in which a test can order faults of Salad and of the workers."""

    running: Rehearsal
    app: App
    receiver: ScriptedServer  # stands for the app's webhook
    gate: ScriptedServer  # a worker that was ordered to hold waits for its answer
    quiet_sec: float  # longer than a tick: after it, anything that would happen twice has happened

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the simulator's control API."""
        answer = requests.request(method, f"{self.running.ready['salad']}/_sim{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def order(self, operation: str, fault: Mapping[str, Any], times: int = 1) -> str:
        """Orders a fault, and returns its id."""
        return str(self.control("POST", "/faults", {"operation": operation, "fault": fault, "times": times})["id"])

    def happened(self, fault_id: str) -> int:
        """Returns how often a fault has happened."""
        return int(self.control("GET", f"/faults/{fault_id}")["happened"])

    def submit(self, orders: str = "", **changes: Any) -> dict[str, Any]:
        """Submits a job with orders to its worker (see fake_worker.py) and a callback."""
        urls = {
            "video_url": f"{self.running.ready['media']}/face.mp4?{orders}",
            "audio_url": f"{self.gate.url}/speech.wav",
            "webhook_url": f"{self.receiver.url}/done",
        }
        return self.app.submit(**{**urls, **changes})

    def salad_jobs(self, job_id: str) -> list[dict[str, Any]]:
        """Returns Salad's jobs for one of ours, by attempt."""
        jobs = [one for one in self.control("GET", "/state")["jobs"] if one["metadata"]["job_id"] == job_id]
        return sorted(jobs, key=lambda one: int(one["metadata"]["attempt"]))

    def held(self, job_id: str, count: int = 1) -> dict[str, Any]:
        """Waits until there are `count` Salad jobs for the job and the newest one runs. Returns that one."""

        def newest_running() -> dict[str, Any] | None:
            jobs = self.salad_jobs(job_id)
            return jobs[-1] if len(jobs) == count and jobs[-1]["status"] == "running" else None

        return eventually(newest_running, what=f"attempt {count} on a node")

    def release(self) -> None:
        """Ends the hold of every worker, now and later."""
        self.gate.stopping.set()

    def callbacks_of(self, job_id: str) -> list[dict[str, Any]]:
        """Returns the received callbacks of one job."""
        bodies = [json.loads(call.body) for call in list(self.receiver.received)]
        return [body for body in bodies if body["id"] == job_id]

    def log(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The log events of this name with these fields."""
        return events(self.running.log.read_text(), event, **fields)

    def salad(self, method: str, path: str) -> Any:
        """Calls Salad's REST API as an operator."""
        url = f"{self.running.ready['salad']}/api/public/organizations/{self.running.ready['organization']}{path}"
        headers = {"Salad-Api-Key": self.running.ready["salad_api_key"]}
        answer = requests.request(method, url, headers=headers, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def post_salad_webhook(
        self, job: Mapping[str, Any], status: str, *, key: str | None = None, age_sec: int = 0
    ) -> int:
        """Posts a webhook as Salad would for the job's newest Salad job. Returns the HTTP status.

        key: `whsec_...`, Salad's present one by default; age_sec: how long ago it was signed.
        """
        signed_with = key or "whsec_" + self.salad("GET", "/webhook-secret-key")["secret_key"]
        attempt = self.salad_jobs(job["id"])[-1]
        data = {"id": attempt["id"], "status": status, "metadata": attempt["metadata"], "output": None}
        body = json.dumps({"type": f"queue.job.{status}", "timestamp": "2026-01-01T00:00:00.0Z", "data": data})
        signed_at = datetime.now(UTC) - timedelta(seconds=age_sec)
        headers = {
            "webhook-id": "msg_of_a_test",
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": Webhook(signed_with).sign("msg_of_a_test", signed_at, body),
        }
        url = f"{self.running.ready['api']}/v1/webhooks/salad"
        return requests.post(url, data=body, headers=headers, timeout=10).status_code

    def check_outcome(self, job: Mapping[str, Any], status: str = "succeeded", attempt: int = 1) -> dict[str, Any]:
        """Waits for the job's end and checks what holds after any fault. Returns the job.

        There is one outcome, one callback, and no more attempts than allowed.
        """
        done = self.app.finished(job["id"])
        assert (done["status"], done["attempt"]) == (status, attempt), done
        eventually(lambda: self.callbacks_of(job["id"]), CALLBACK_SEC, "the callback")
        never(lambda: len(self.callbacks_of(job["id"])) > 1, self.quiet_sec, "a second callback")
        (told,) = self.callbacks_of(job["id"])
        assert (told["type"], told["attempt"]) == (f"avatar.job.{status}", attempt)
        assert len(self.salad_jobs(job["id"])) <= attempt <= 3
        again = self.app.read(job["id"])
        assert {name: again[name] for name in ("status", "attempt", "finished_at", "error")} == {
            name: done[name] for name in ("status", "attempt", "finished_at", "error")
        }
        assert len(self.log("job_finished", job_id=job["id"])) == 1
        if status == "succeeded":
            assert (again["error"], again["progress"]) == (None, 1.0)
            assert requests.get(again["output_url"], timeout=10).status_code == 200
        return again


@contextmanager
def faulty_rehearsal(directory: Path, *, replicas: int, tick_sec: int = 1) -> Iterator[Rehearsal]:
    """Runs a rehearsal with the fake worker."""
    command = fake_worker.COMMAND
    with rehearsal(directory, REPLICAS=str(replicas), TICK_SEC=str(tick_sec), WORKER_COMMAND=command) as started:
        yield started


@contextmanager
def faulty(running: Rehearsal, validator: OpenApiValidator, *, tick_sec: int = 1) -> Iterator[Faulty]:
    """Gives one test its own servers and no planned faults on a running rehearsal."""
    with scripted_server() as receiver, scripted_server(Answer(delay_sec=60)) as gate:
        one = Faulty(running, App(running.ready, validator), receiver, gate, quiet_sec=tick_sec + 0.2)
        one.control("POST", "/reset")
        yield one
