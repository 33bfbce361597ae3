"""The worker as a process: start, refusals, HTTP answers, the real b2sdk, and how it ends."""

import json
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.functional.gpu_worker.rig import Clips, Rig, Site
from tests.support.processes import await_end
from tests.support.waiting import eventually
from tests.support.worker_process import B2_KEYS, Process, Worker, tools_of


def test_a_job_goes_from_http_to_the_bucket_through_the_real_b2sdk(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site
) -> None:
    worker = start(B2_REALM=b2, **B2_KEYS)
    status, answer = worker.generate(rig.job())
    assert (status, answer["status"]) == (200, "ok"), worker.lines
    assert answer["output_video_url"] == f"{b2}/file/avatar-outputs/musetalk/outputs/job-1.mp4"
    assert site.reports[-1]["finished"] is True
    status, answer_again = worker.generate(rig.job(attempt=2))
    assert answer_again["status"] == "ok", "a second attempt overwrites"
    assert answer_again["run_id"] != answer["run_id"]
    assert "app-key-secret" not in json.dumps(worker.lines)


def test_the_jobs_own_key_is_used_when_there_is_one(start: Callable[..., Worker], b2: str, rig: Rig) -> None:
    worker = start()
    upload = {
        "endpoint": b2,
        "key_id": B2_KEYS["B2_KEY_ID"],
        "app_key": B2_KEYS["B2_APP_KEY"],
        "bucket": "avatar-outputs",
        "prefix": "own/",
    }
    _, answer = worker.generate(rig.job(upload=upload))
    assert answer["output"]["key"] == "own/job-1.mp4"
    status, answer = worker.generate(rig.job(upload=upload | {"app_key": "wrong"}))
    assert (status, answer["error"]["code"]) == (200, "upload_failed"), "a dead key is final"
    status, answer = worker.generate(rig.job(upload=upload | {"bucket": "another"}))
    assert (status, answer["error"]["code"]) == (200, "upload_failed")


def test_storage_that_is_down_is_503_after_the_report(start: Callable[..., Worker], rig: Rig, site: Site) -> None:
    worker = start(B2_REALM="http://127.0.0.1:9", **B2_KEYS)
    status, answer = worker.generate(rig.job())
    assert (status, answer["error"]["code"]) == (503, "upload_failed")
    assert site.reports[-1]["error"]["code"] == "upload_failed"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        (b'{"schema_version": 7}', "schema_version"),
        (b'{"schema_version": 1, "job_id": "j"}', "video_url"),
        (b"[" * 100_000, "JSON"),
        (b" " * 300_000, "larger"),
    ],
)
def test_malformed_input_is_200_and_names_the_fault(start: Callable[..., Worker], body: Any, named: str) -> None:
    status, answer = start().generate(body)
    assert (status, answer["status"], answer["error"]["code"]) == (200, "error", "internal")
    assert answer["error"]["retryable"] is False
    assert named in answer["error"]["message"]


PROBE_SEC = 1.0  # Salad's probe waits no longer for an answer


def test_health_is_quick_while_a_job_runs_and_the_same_job_joins(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site, clips: Clips
) -> None:
    def slow(handler: Any) -> None:
        released.wait(30)
        handler.reply(200, clips.data("face.mp4"))

    released = threading.Event()
    site.files["/face.mp4"] = slow
    worker = start(B2_REALM=b2, **B2_KEYS)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(worker.generate, rig.job())
        eventually(lambda: "/face.mp4" in site.log)
        joined = pool.submit(worker.generate, rig.job())
        waiting = pool.submit(worker.generate, rig.job(job_id="job-2"))
        eventually(lambda: sum(line["event"] == "job_taken" for line in worker.lines) == 3)
        for path in ("/hc", "/live"):
            status, _, seconds = worker.get(path)
            assert (status, seconds < PROBE_SEC) == (200, True)
        released.set()
        assert first.result(60) == joined.result(60)
        assert waiting.result(60)[1]["status"] == "ok"
    assert sum(line["event"] == "run_started" for line in worker.lines) == 2


def test_a_waiting_caller_that_disconnects_loses_its_turn(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site
) -> None:
    released = threading.Event()
    site.files["/face.mp4"] = lambda handler: released.wait(30) and handler.reply(404, b"")
    worker = start(B2_REALM=b2, **B2_KEYS)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(worker.generate, rig.job())
        eventually(lambda: "/face.mp4" in site.log)
        body = json.dumps(rig.job(job_id="job-2")).encode()
        with socket.create_connection(("127.0.0.1", int(worker.url.rsplit(":", 1)[1]))) as caller:
            caller.sendall(b"POST /generate HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            worker.event("job_taken", job_id="job-2")
        worker.event("job_left", job_id="job-2")
        released.set()
        assert first.result(20)[1]["error"]["code"] == "input_download_failed"
    assert [line["job_id"] for line in worker.lines if line["event"] == "run_started"] == ["job-1"]


def test_unknown_paths_and_methods_are_json(start: Callable[..., Worker]) -> None:
    worker = start()
    assert worker.get("/nothing")[0] == 404
    assert worker.get("/generate")[0] == 405


def test_sigterm_answers_503_after_a_report_and_ends(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site
) -> None:
    site.files["/face.mp4"] = lambda handler: site.closing.wait(30)
    worker = start(B2_REALM=b2, **B2_KEYS)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(worker.generate, rig.job())
        eventually(lambda: "/face.mp4" in site.log)
        worker.child.send_signal(signal.SIGTERM)
        status, answer = request.result(20)
    assert (status, answer["error"]["code"]) == (503, "worker_interrupted")
    assert site.reports[-1]["error"]["code"] == "worker_interrupted"
    assert worker.child.wait(10) == 0
    assert worker.event("stopped")["all_answered"] is True


def test_tools_die_with_a_worker_that_is_killed_and_its_scratch_is_swept_later(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site, clips: Clips, tmp_path: Path
) -> None:
    worker = start(B2_REALM=b2, **B2_KEYS)
    site.files["/voice.wav"] = clips.data("long.wav")
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(worker.generate, rig.job(resolution="1080p", aspect_ratio="16:9"))
        eventually(lambda: tools_of(worker.child.pid))
        tools = tools_of(worker.child.pid)
        worker.child.kill()
        worker.child.wait(10)
        with pytest.raises(OSError, match=r"closed|reset|Remote"):
            request.result(20)
    await_end(tools)
    assert len(list((tmp_path / "work").iterdir())) == 1
    assert start().event("scratch_swept")["directories"] == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PORT": "x", "ENGINE": "magic"}, ["PORT", "ENGINE"]),
        ({"SALAD_MACHINE_ID": "machine"}, ["SALAD_MACHINE_ID"]),
        ({"FFMPEG_PATH": "/nowhere/ffmpeg"}, ["FFMPEG_PATH"]),
    ],
)
def test_a_worker_that_must_not_start_ends_with_one_message(settings: dict[str, str], named: str) -> None:
    process = Process("gpu_worker", settings)
    assert process.child.wait(20) == 2
    process.close()
    (line,) = process.lines
    assert line["event"] == "worker_cannot_start"
    for name in named:
        assert name in " ".join(line["faults"])
