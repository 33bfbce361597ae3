"""What a tick repairs after a minute of silence, against the real Salad simulator with its faults and a moved clock.

The functions run in this process, the simulator and its workers as programs; a bridge carries webhooks and reports.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support import fake_worker
from tests.support.salad_sim import NAMES, Simulator, group_body, simulator
from tests.support.scripted_server import Answer, scripted_server
from tests.support.system import System
from tests.support.waiting import eventually

UNKNOWN_SEC = 65  # a dispatch whose answer was lost is looked for after 60 s
SILENT_SEC = 65  # a run without a report is asked for after 60 s


class Bridge:
    """The origin that Salad and the workers call: hands webhooks and reports to salad_webhook, one at a time."""

    def __init__(self) -> None:
        self.system: System | None = None
        self.calls: list[tuple[str, int]] = []  # path and status
        bridge, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: text for name, text in self.headers.items() if name.lower() != "host"}
                assert bridge.system is not None
                with lock:
                    reply = bridge.system.function("salad_webhook").call("POST", self.path, body=body, headers=headers)
                    bridge.calls.append((self.path, reply.status))
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                """Keeps the test's output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def webhooks(self) -> list[int]:
        """The statuses that webhooks got."""
        return [status for path, status in list(self.calls) if path == "/v1/webhooks/salad"]

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def salad() -> Iterator[Simulator]:
    """One simulator for the file, with a queue and a group of fake workers that has no replicas at first."""
    settings = {"SALAD_SIM_WORKER_COMMAND": fake_worker.COMMAND, "SALAD_SIM_WEBHOOK_ROTATION_SEC": "0"}
    with simulator(**settings) as running:
        running.call("create_queue", {"name": "jobs"})
        running.call("create_container_group", group_body(0))
        yield running


@pytest.fixture
def bridged(system: System, salad: Simulator) -> Iterator[tuple[System, Bridge]]:
    """The functions, with the simulator as their Salad."""
    salad.control("POST", "/reset")
    bridge = Bridge()
    bridge.system = system
    key = salad.call("get_webhook_secret_key").json()["secret_key"]
    system.environment |= {
        "SALAD_API_URL": f"{salad.origin}/api/public",
        "SALAD_API_KEY": "the-key",
        "SALAD_ORG_NAME": NAMES["organization_name"],
        "SALAD_PROJECT_NAME": NAMES["project_name"],
        "SALAD_QUEUE_NAME": NAMES["queue_name"],
        "SALAD_WEBHOOK_SECRETS": f"whsec_{key}",
        "PUBLIC_BASE_URL": bridge.url,
    }
    system.bucket.default = Answer(200, b"x" * len(fake_worker.VIDEO), {"Content-Type": "video/mp4"})
    try:
        yield system, bridge
    finally:
        scale(salad, 0)
        bridge.close()


def scale(salad: Simulator, replicas: int) -> None:
    """Sets the number of workers and waits until they are there."""
    salad.call("update_container_group", {"replicas": replicas}, container_group_name="workers")
    if replicas:
        salad.running(replicas)
    else:
        eventually(lambda: not salad.instances(), what="the end of every instance")


def submit(system: System, orders: str = "", **changes: Any) -> dict[str, Any]:
    """Submits a job with orders to its worker and a callback."""
    urls = {"video_url": f"{system.app.url}/face.mp4?{orders}", "webhook_url": f"{system.app.url}/done"}
    job: dict[str, Any] = system.submit(system.body(**{**urls, **changes})).json
    return job


def attempts(salad: Simulator, job: dict[str, Any]) -> list[tuple[int, str]]:
    """Attempt and status of Salad's jobs of one of ours."""
    jobs = [one for one in salad.state()["jobs"] if one["metadata"]["job_id"] == job["id"]]
    return sorted((int(one["metadata"]["attempt"]), str(one["status"])) for one in jobs)


def after(system: System, seconds: float, ticks: int = 2) -> None:
    """Moves the clock, then ticks twice: once for the repair, once for what the repair planned."""
    system.move_clock(seconds)
    for _ in range(ticks):
        assert system.tick().json["lease"] == "held"


def ended(system: System, job: dict[str, Any], status: str = "succeeded", attempt: int = 1) -> dict[str, Any]:
    """Waits for the job's end; checks that one callback was sent and that the job stays as it is."""
    eventually(lambda: system.read(job["id"]).json["done"], what="the end")
    done = system.read(job["id"]).json
    assert (done["status"], done["attempt"]) == (status, attempt), done
    after(system, 5)
    assert system.read(job["id"]).json["finished_at"] == done["finished_at"]
    told = [json.loads(call.body) for call in system.app.received if call.path == "/done"]
    assert [one["type"] for one in told if one["id"] == job["id"]] == [f"avatar.job.{status}"]
    found: dict[str, Any] = done
    return found


NO_EFFECT: list[dict[str, Any]] = [{"status": 500}, {"status": 503, "html": True}, {"cut": "before"}]


@pytest.mark.parametrize("fault", NO_EFFECT, ids=["500", "html-503", "cut-before"])
def test_a_dispatch_that_did_not_arrive_is_searched_for_and_becomes_the_next_attempt(
    bridged: tuple[System, Bridge], salad: Simulator, fault: dict[str, Any]
) -> None:
    system, _ = bridged
    ordered = salad.plan_fault("create_queue_job", fault)
    job = submit(system)
    assert (salad.happened(ordered), job["phase"], attempts(salad, job)) == (1, "accepted", [])

    after(system, UNKNOWN_SEC - 10)
    assert attempts(salad, job) == [], "nothing is sent while the first one may still turn up"
    after(system, 10)
    assert attempts(salad, job) == [(2, "pending")]
    scale(salad, 1)
    ended(system, job, attempt=2)


def test_a_dispatch_that_did_arrive_is_found_and_not_sent_again(
    bridged: tuple[System, Bridge], salad: Simulator
) -> None:
    system, _ = bridged
    ordered = salad.plan_fault("create_queue_job", {"cut": "after"}, times=2)
    jobs = [submit(system), submit(system)]
    assert salad.happened(ordered) == 2

    salad.call("get_queue")  # the counters below start after the submissions
    looks = salad.state()["calls"].get("list_queue_jobs", 0)
    after(system, UNKNOWN_SEC)
    assert salad.state()["calls"]["list_queue_jobs"] == looks + 1, "one shared search for both"
    assert [attempts(salad, job) for job in jobs] == [[(1, "pending")], [(1, "pending")]]
    assert [system.read(job["id"]).json["phase"] for job in jobs] == ["dispatched", "dispatched"]
    scale(salad, 1)
    for job in jobs:
        ended(system, job)


def test_a_lost_webhook_delays_the_job_by_a_minute(bridged: tuple[System, Bridge], salad: Simulator) -> None:
    system, bridge = bridged
    ordered = salad.plan_fault("webhook", {"lose": True})
    scale(salad, 1)
    job = submit(system, "reports=1")
    eventually(lambda: salad.happened(ordered) == 1, what="the lost webhook")
    assert attempts(salad, job) == [(1, "succeeded")]
    assert (system.read(job["id"]).json["status"], bridge.webhooks()) == ("running", [])

    after(system, SILENT_SEC, ticks=1)
    ended(system, job)
    assert bridge.webhooks() == []


def test_after_a_lost_webhook_of_a_worker_that_never_reported_salad_is_asked_at_the_start_deadline(
    bridged: tuple[System, Bridge], salad: Simulator
) -> None:
    system, _ = bridged
    ordered = salad.plan_fault("webhook", {"lose": True})
    scale(salad, 1)
    job = submit(system, start_timeout_seconds=100)
    eventually(lambda: salad.happened(ordered) == 1, what="the lost webhook")

    after(system, 101)
    ended(system, job)


def test_a_job_that_is_lost_at_salad_is_sent_again(bridged: tuple[System, Bridge], salad: Simulator) -> None:
    system, _ = bridged
    with scripted_server(Answer(delay_sec=60)) as gate:
        scale(salad, 1)
        job = submit(system, "reports=1&order1=hold", audio_url=f"{gate.url}/speech.wav")
        eventually(lambda: system.read(job["id"]).json["status"] == "running", what="the first report")
        ordered = salad.plan_fault("get_queue_job", {"status": 404})
        after(system, SILENT_SEC)
        assert salad.happened(ordered) == 1
        assert [number for number, _ in attempts(salad, job)] == [1, 2]
        gate.stopping.set()
        done = ended(system, job, attempt=2)
    assert done["error"] is None


def test_a_run_that_salad_took_back_waits_and_one_that_is_silent_on_its_node_is_replaced(
    bridged: tuple[System, Bridge], salad: Simulator
) -> None:
    system, _ = bridged
    with scripted_server(Answer(delay_sec=60)) as gate:
        scale(salad, 1)
        job = submit(system, "reports=1&order1=hold", audio_url=f"{gate.url}/speech.wav")
        eventually(lambda: system.read(job["id"]).json["status"] == "running", what="the first report")
        (instance,) = salad.instances()
        salad.call("update_container_group", {"replicas": 0}, container_group_name="workers")
        salad.control("POST", f"/instances/{instance['id']}/kill")
        eventually(lambda: attempts(salad, job) == [(1, "pending")], what="the job back in the queue")

        after(system, SILENT_SEC)
        assert system.read(job["id"]).json["phase"] == "requeued"
        assert attempts(salad, job) == [(1, "pending")]

        scale(salad, 1)
        eventually(lambda: system.read(job["id"]).json["phase"] == "starting", what="the second run")
        after(system, SILENT_SEC)
        assert attempts(salad, job) == [(1, "running"), (2, "pending")], "running and silent"
        gate.stopping.set()
        eventually(lambda: system.read(job["id"]).json["done"], what="the end")
    assert ended(system, job, attempt=2)["error"] is None


def test_a_question_that_salad_does_not_answer_does_not_change_the_job(
    bridged: tuple[System, Bridge], salad: Simulator
) -> None:
    system, _ = bridged
    lost = salad.plan_fault("webhook", {"lose": True})
    scale(salad, 1)
    job = submit(system, "reports=1")
    eventually(lambda: salad.happened(lost) == 1, what="the lost webhook")
    down = salad.plan_fault("get_queue_job", {"status": 503, "html": True})

    after(system, SILENT_SEC, ticks=1)
    assert salad.happened(down) == 1
    unchanged = system.read(job["id"]).json
    assert (unchanged["status"], unchanged["attempt"], attempts(salad, job)) == ("running", 1, [(1, "succeeded")])
    after(system, SILENT_SEC, ticks=1)
    ended(system, job)


def test_after_a_rotation_functions_without_the_new_key_refuse_webhooks_and_the_tick_asks_salad(
    bridged: tuple[System, Bridge], salad: Simulator
) -> None:
    system, bridge = bridged
    former = system.environment["SALAD_WEBHOOK_SECRETS"]
    system.function("salad_webhook")  # loaded with the former key alone
    present = "whsec_" + salad.call("update_webhook_secret_key").json()["secret_key"]
    scale(salad, 1)
    refused = submit(system, "reports=1")
    eventually(lambda: bridge.webhooks() == [401], what="the refused webhook")
    after(system, SILENT_SEC, ticks=1)
    ended(system, refused)

    del system.loaded["salad_webhook"]
    system.environment["SALAD_WEBHOOK_SECRETS"] = f"{former},{present}"
    taken = submit(system)
    eventually(lambda: bridge.webhooks() == [401, 204], what="the webhook that is taken")
    ended(system, taken)
