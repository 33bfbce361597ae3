"""Runs the Salad simulator as a program and talks to it; every answer is held against Salad's OpenAPI file."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from infra.local.salad_sim import spec
from tests.support.events import events
from tests.support.waiting import eventually

ROOT = Path(__file__).parent.parent.parent
FAKE_WORKER = Path(__file__).with_name("salad_sim_fake_worker.py")
API_KEY = "the-key"
NAMES = {
    "organization_name": "rehearsal",
    "project_name": "avatar",
    "queue_name": "jobs",
    "container_group_name": "workers",
}
PROBE = {
    "failure_threshold": 1,
    "initial_delay_seconds": 0,
    "period_seconds": 1,
    "success_threshold": 1,
    "timeout_seconds": 1,
    "http": {
        "path": "/hc",
        "port": 8000,
        "scheme": "http",
        "headers": [{"name": "X-Probe", "value": "1"}],
    },
}


def group_body(count: int, **fields: Any) -> dict[str, Any]:
    """A request that creates the container group `workers` on the queue `jobs`."""
    return {
        "name": "workers",
        "autostart_policy": True,
        "restart_policy": "always",
        "replicas": count,
        "container": {"image": "registry/worker:1", "resources": {"cpu": 2, "memory": 4096}},
        "queue_connection": {"path": "/generate", "port": 8000, "queue_name": "jobs"},
        **fields,
    }


class Simulator:
    """A running simulator."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, grpc_port: int, lines: list[str]) -> None:
        self.process = process
        self._lines = lines  # of the simulator's standard error; a thread appends to them
        self.origin = f"http://127.0.0.1:{port}"
        self.grpc_endpoint = f"127.0.0.1:{grpc_port}"
        self._spec = spec.load()
        self._http = requests.Session()
        self._http.trust_env = False

    def call(
        self,
        operation_id: str,
        body: Any = None,
        *,
        key: str | None = API_KEY,
        is_spoilt: bool = False,
        query: Mapping[str, Any] | None = None,
        content_type: str | None = None,
        **names: str,
    ) -> requests.Response:
        """Calls an operation by its id; its answer must be one that the file allows, unless it is_spoilt by a fault."""
        operation = self._spec.operations[operation_id]
        path = operation.path.format(**{**NAMES, **names})
        headers = {"Salad-Api-Key": key} if key is not None else {}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type or next(iter(operation.request_schemas))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.origin}/api/public{path}"
        answer = self._http.request(operation.method, url, data=data, headers=headers, params=query, timeout=20)
        if not is_spoilt:
            parsed = answer.json() if answer.content else None
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
            assert self._spec.response_faults(operation_id, answer.status_code, kind, parsed) == []
        return answer

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Calls the control interface."""
        return self._http.request(method, f"{self.origin}/_sim{path}", json=body, timeout=20)

    def imds(
        self, method: str, instance_id: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Calls the metadata service as an instance does, or with other headers."""
        url = f"{self.origin}/_imds/{instance_id}/v1/{path}"
        sent = {"Metadata": "true"} if headers is None else dict(headers)
        return self._http.request(method, url, json=body, headers=sent, timeout=20)

    def plan_fault(self, operation: str, fault: dict[str, Any], times: int = 1) -> str:
        """Plans a fault and returns its id."""
        body = {"operation": operation, "fault": fault, "times": times}
        answer = self.control("POST", "/faults", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def happened(self, fault_id: str) -> int:
        """Returns how often a fault has happened."""
        return int(self.control("GET", f"/faults/{fault_id}").json()["happened"])

    def state(self) -> dict[str, Any]:
        """The control interface's view of everything."""
        state: dict[str, Any] = self.control("GET", "/state").json()
        return state

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """The simulator's log events of this name, all without one, oldest first."""
        return events("".join(list(self._lines)), event)

    def submit(self, job_input: Any, **fields: Any) -> str:
        """Creates a job on the queue `jobs` and returns its id."""
        answer = self.call("create_queue_job", {"input": job_input, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """The job over REST."""
        job: dict[str, Any] = self.call("get_queue_job", queue_job_id=job_id).json()
        return job

    def finished(self, job_id: str, seconds: float = 30.0) -> dict[str, Any]:
        """Waits until the job has ended and returns it."""
        ended = ("succeeded", "failed", "cancelled")
        return eventually(lambda: job if (job := self.job(job_id))["status"] in ended else None, seconds)

    def instances(self, **fields: Any) -> list[dict[str, Any]]:
        """The instances whose state has these values."""
        listed = self.state()["instances"]
        return [one for one in listed if all(one[name] == value for name, value in fields.items())]

    def running(self, count: int) -> list[dict[str, Any]]:
        """Waits until exactly so many instances are there, all of them running and ready."""

        def look() -> list[dict[str, Any]] | None:
            ready = self.instances(state="running", ready=True)
            return ready if len(ready) == count == len(self.instances()) else None

        return eventually(look)

    def close(self) -> None:
        """Ends the connections and the program."""
        self._http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)


@contextmanager
def simulator(**environment: str) -> Iterator[Simulator]:
    """Starts a simulator with these settings beside the tests' defaults, and ends it."""
    settings = {
        "PATH": os.environ["PATH"],
        "SALAD_SIM_API_KEY": API_KEY,
        "SALAD_SIM_RATE_LIMIT": "100000",  # the tests look more often than a client may
        "SALAD_SIM_START_DELAY_SEC": "0.1",
        "SALAD_SIM_STOP_GRACE_SEC": "2",
        "SALAD_SIM_QUEUE_WORKER_POLL_SEC": "0.2",
        "SALAD_SIM_WEBHOOK_RETRY_SEC": "0.1,0.2",
        "SALAD_SIM_WORKER_COMMAND": f"{sys.executable} {FAKE_WORKER}",
        **environment,
    }
    command = [sys.executable, "-m", "infra.local.salad_sim"]
    process = subprocess.Popen(command, cwd=ROOT, env=settings, stderr=subprocess.PIPE)
    assert process.stderr is not None
    lines: list[str] = []
    ready = threading.Event()

    def drain() -> None:
        for line in process.stderr or ():
            lines.append(line.decode(errors="replace"))
            if b"salad_sim_ready" in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=drain)
    reader.start()
    assert ready.wait(60), "the simulator did not start"
    try:
        said = events("".join(lines), "salad_sim_ready")
        assert said, f"the simulator ended: {''.join(lines)}"
        running = Simulator(process, said[0]["port"], said[0]["grpc_port"], lines)
        try:
            yield running
        finally:
            running.close()
    finally:
        process.kill()
        process.wait()
        reader.join(timeout=10)
        process.stderr.close()


class Receiver:
    """A web server that keeps the webhooks it gets and answers with the statuses it was told."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []  # of the next answers; 204 when there are none left
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(({name.lower(): text for name, text in self.headers.items()}, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def wait(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """Waits until so many have come."""
        return eventually(lambda: self.received if len(self.received) >= count else None)

    def of_job(self, job_id: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """Headers and parsed bodies of the webhooks that tell of a job."""
        parsed = [(headers, json.loads(body)) for headers, body in self.received]
        return [(headers, body) for headers, body in parsed if body["data"]["id"] == job_id]

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
