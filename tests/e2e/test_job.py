"""Whole jobs through a whole rehearsal: API, store, queue, worker process, bucket, webhook, callback."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks.webhooks import Webhook

from infra.local.demo.checking import probe_video
from tests.e2e.api import App
from tests.e2e.rehearsals import Rehearsal, rehearsal
from tests.support.openapi import OpenApiValidator
from tests.support.scripted_server import Answer, scripted_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e
HELD_SEC = 600.0  # longer than any test: a download that is held until the test lets go


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One rehearsal for this file's tests."""
    with rehearsal(tmp_path_factory.mktemp("rehearsal"), REPLICAS="2", TICK_SEC="1") as started:
        yield started


@pytest.fixture
def app(running: Rehearsal, openapi: OpenApiValidator) -> App:
    """The first client."""
    return App(running.ready, openapi)


def control(ready: dict[str, Any], method: str, path: str, **arguments: Any) -> Any:
    """Calls the simulator's control API."""
    answer = requests.request(method, ready["salad"] + path, timeout=10, **arguments)
    assert answer.ok, answer.text
    return answer.json()


def check_whole_path(ready: dict[str, Any], app: App) -> dict[str, Any]:
    """Runs one job and checks its video, record and callback. Returns the job."""
    with scripted_server() as receiver:
        job = app.submit(
            webhook_url=f"{receiver.url}/done",
            aspect_ratio="9:16",
            resolution="480p",
            metadata={"order": 1},
            headers={"X-Request-Id": "the-request"},
        )
        done = app.finished(job["id"])
        assert done["status"] == "succeeded", done
        eventually(lambda: receiver.received, what="the callback")
        (callback,) = receiver.received
    secret = next(iter(ready["callback_secrets"].values()))
    told = Webhook(secret).verify(callback.body, dict(callback.headers))
    assert (told["type"], told["id"], told["metadata"]) == ("avatar.job.succeeded", job["id"], {"order": 1})
    assert callback.headers["x-request-id"] == "the-request"
    assert (done["metrics"]["engine"], done["metrics"]["generation_time_sec"]) == ("preview", None)
    assert done["metrics"]["frames"] == 74
    return done


def test_a_job_leaves_the_right_video_sidecar_and_callback(running: Rehearsal, app: App, tmp_path: Path) -> None:
    done = check_whole_path(running.ready, app)

    video = requests.get(done["output_url"], timeout=10)
    assert video.status_code == 200
    (tmp_path / "out.mp4").write_bytes(video.content)
    facts = probe_video(tmp_path / "out.mp4")
    assert (facts.width, facts.height, facts.frames) == (480, 854, 74)
    state = requests.get(running.ready["b2"] + "/_sim/state", timeout=10).json()
    names = [file["name"] for file in state["files"]]
    base = f"musetalk/outputs/{done['id']}"
    assert sorted(name for name in names if done["id"] in name) == [f"{base}.json", f"{base}.mp4"]
    (salad_job,) = [
        one for one in control(running.ready, "GET", "/_sim/state")["jobs"] if one["metadata"]["job_id"] == done["id"]
    ]
    assert salad_job["metadata"] == {"job_id": done["id"], "attempt": 1, "request_id": "the-request"}
    assert hashlib.sha1(video.content, usedforsecurity=False).hexdigest() in json.dumps(state)


def test_a_link_that_was_tampered_with_opens_nothing(running: Rehearsal, app: App) -> None:
    mine = app.finished(app.submit()["id"])["output_url"]
    assert requests.get(mine, timeout=10).status_code == 200
    assert requests.get(re.sub("X-Amz-Expires=[0-9]+", "X-Amz-Expires=36000", mine), timeout=10).status_code == 403
    assert requests.get(mine.split("?")[0], timeout=10).status_code in (401, 403)


@pytest.mark.skipif(
    "SALAD_QUEUE_WORKER" not in os.environ,
    reason="NOT TESTED against Salad's own queue worker: SALAD_QUEUE_WORKER does not name it",
)
def test_the_same_job_through_salads_own_queue_worker(openapi: OpenApiValidator, tmp_path: Path) -> None:
    binary = os.environ["SALAD_QUEUE_WORKER"]
    with rehearsal(tmp_path, SALAD_QUEUE_WORKER=binary, TICK_SEC="1") as started:
        check_whole_path(started.ready, App(started.ready, openapi))


def test_bad_media_get_a_verdict_at_the_first_attempt_that_says_what_to_change(running: Rehearsal, app: App) -> None:
    media = running.ready["media"]
    garbage = Answer(200, b"\x00\x01garbage" * 5000, {"Content-Type": "video/mp4"})
    with scripted_server(garbage) as corrupt:
        cases: dict[str, dict[str, Any]] = {
            "input_download_failed": {"video_url": f"{media}/no-such-file.mp4"},
            "media_corrupt": {"video_url": f"{corrupt.url}/face.mp4"},
            "no_audio_stream": {"audio_url": f"{media}/face.mp4"},
            "no_video_stream": {"video_url": f"{media}/speech.wav"},
        }
        jobs = {code: app.submit(**changes)["id"] for code, changes in cases.items()}
        done = {code: app.finished(job_id) for code, job_id in jobs.items()}
    for code, job in done.items():
        assert job["status"] == "failed"
        assert (job["error"]["code"], job["error"]["retryable"], job["attempt"]) == (code, False, 1), job["error"]
        assert job["error"]["message"].endswith(".")
        assert job["error"]["stage"]


@pytest.mark.parametrize(
    ("answer", "code", "requests_made"),
    [
        (Answer(302, b"", {"Location": "http://[::1/face.mp4"}), "input_url_not_allowed", 1),
        (Answer(200, b"face", {"Content-Length": "9" * 5000}), "input_download_failed", 3),
        (Answer(503, b"", {}), "input_download_timeout", 3),
        (Answer(429, b"", {"Retry-After": "1"}), "input_download_timeout", 3),
    ],
)
def test_what_a_media_server_answers_each_time_costs_one_run(
    running: Rehearsal, app: App, answer: Answer, code: str, requests_made: int
) -> None:
    with scripted_server(answer) as server:
        job = app.finished(app.submit(video_url=f"{server.url}/face.mp4")["id"])
        asked = len(server.received)
    assert (job["status"], job["error"]["code"], job["attempt"], job["runs"]) == ("failed", code, 1, 1), job
    assert job["error"]["retryable"] == (code == "input_download_timeout"), "the app may send it again later"
    assert asked == requests_made


def test_a_redirect_into_the_metadata_address_is_refused_on_the_worker(running: Rehearsal, app: App) -> None:
    to_metadata = Answer(302, b"", {"Location": "http://169.254.169.254/v1/token"})
    with scripted_server(to_metadata) as redirecting:
        job = app.finished(app.submit(video_url=f"{redirecting.url}/face.mp4")["id"])
    assert job["error"]["code"] == "input_url_not_allowed"


def test_a_submit_succeeds_while_salad_is_down(running: Rehearsal, app: App) -> None:
    fault = {"operation": "create_queue_job", "fault": {"status": 429, "retry_after": 1}, "times": 1}
    ordered = control(running.ready, "POST", "/_sim/faults", json=fault)

    job = app.submit()
    assert job["phase"] == "accepted"
    assert control(running.ready, "GET", f"/_sim/faults/{ordered['id']}")["happened"] == 1
    assert app.finished(job["id"])["status"] == "succeeded"


def test_a_killed_worker_uses_up_a_retry_of_salads_and_no_attempt_of_ours(running: Rehearsal, app: App) -> None:
    with scripted_server(Answer(200, b"x", delay_sec=HELD_SEC)) as slow:
        job_id = app.submit(video_url=f"{slow.url}/face.mp4")["id"]
        held = eventually(
            lambda: [
                one["instance_id"]
                for one in control(running.ready, "GET", "/_sim/state")["jobs"]
                if one["metadata"]["job_id"] == job_id and one["status"] == "running" and slow.received
            ],
            what="a worker that downloads",
        )
        control(running.ready, "POST", f"/_sim/instances/{held[0]}/kill")
        face = Path("infra/local/media/face.mp4").read_bytes()
        slow.default = Answer(200, face, {"Content-Type": "video/mp4"})
        slow.stopping.set()
        job = app.finished(job_id)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)


def test_the_two_clients_do_not_see_each_other(running: Rehearsal, openapi: OpenApiValidator) -> None:
    first, second = (App(running.ready, openapi, name) for name in running.ready["api_keys"])
    job_id = first.submit()["id"]
    assert second.call("GET", f"/v1/avatar/jobs/{job_id}").json["code"] == "job_not_found"


def test_the_tick_is_not_behind_the_apps_base_url(app: App) -> None:
    assert app.call("POST", "/tick").json["code"] == "not_found"


def test_a_running_job_is_cancelled_by_its_worker_at_the_next_report(running: Rehearsal, app: App) -> None:
    with scripted_server() as receiver, scripted_server(Answer(200, b"x" * 20_000, trickle_sec=0.05)) as slow:
        job_id = app.submit(video_url=f"{slow.url}/face.mp4", webhook_url=f"{receiver.url}/done")["id"]
        eventually(lambda: app.read(job_id)["phase"] == "downloading", what="a worker that downloads")
        asked = app.call("DELETE", f"/v1/avatar/jobs/{job_id}")
        assert (asked.status, asked.json["status"]) == (202, "running")
        assert app.read(job_id)["phase"] in ("cancelling", None)  # None: the next report has ended it already
        job = app.finished(job_id)
        assert job["started_at"] < job["cancel_requested_at"] <= job["finished_at"]
        assert (job["status"], job["error"], job["attempt"]) == ("cancelled", None, 1)
        eventually(lambda: receiver.received, what="the callback")
    assert b'"avatar.job.cancelled"' in receiver.received[0].body
    assert app.call("DELETE", f"/v1/avatar/jobs/{job_id}").json["status"] == "cancelled"


def test_a_waiting_job_is_cancelled_at_salad(openapi: OpenApiValidator, tmp_path: Path) -> None:
    with rehearsal(tmp_path, REPLICAS="0", TICK_SEC="1") as started:
        app = App(started.ready, openapi)
        job_id = app.submit()["id"]
        assert app.call("DELETE", f"/v1/avatar/jobs/{job_id}").status == 202
        assert app.finished(job_id)["status"] == "cancelled"
        (salad_job,) = control(started.ready, "GET", "/_sim/state")["jobs"]
        assert salad_job["status"] == "cancelled"


def test_list_and_health_show_what_happened(running: Rehearsal, app: App) -> None:
    done = app.finished(app.submit()["id"])
    page = app.call("GET", "/v1/avatar/jobs?page_size=1&status=succeeded").json
    assert [job["id"] for job in page["jobs"]] == [done["id"]]

    def whole_fleet() -> dict[str, Any] | None:
        """Health once a tick has seen both replicas: another test may have killed one a moment ago."""
        told: dict[str, Any] = app.call("GET", "/v1/avatar/health").json
        return told if (told["fleet"] or {}).get("running") == 2 else None

    health = eventually(whole_fleet, 30, "a tick that saw the whole fleet")
    assert isinstance(health, dict)
    assert health["jobs"]["succeeded"] >= 1
    assert health["last_tick_age_seconds"] < 60
