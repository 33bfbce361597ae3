"""The real gpu_worker under Salad's queue worker, and the stand-in under the same: end, cancel, kill, reconnect."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.e2e.queue_worker_peers import PREFIX, WAIT_SEC, Peers, held_video, peers
from tests.support.scripted_server import Answer, ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e
GO_ON = Answer(200, b'{"cancel": false, "remaining_seconds": 600}')
STOP = Answer(200, b'{"cancel": true, "remaining_seconds": 600}')


@pytest.fixture(scope="module", params=["stand-in", "binary"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """One simulator for each queue worker."""
    program = os.environ.get("SALAD_QUEUE_WORKER", "") if request.param == "binary" else ""
    if request.param == "binary" and not program:
        pytest.skip("NOT TESTED against Salad's own queue worker: SALAD_QUEUE_WORKER does not name it")
    with peers(tmp_path_factory.mktemp(request.param), program) as started:
        yield started


@pytest.fixture
def video() -> Iterator[ScriptedServer]:
    """The server that holds the face video back until a test releases it."""
    with held_video() as server:
        yield server


@pytest.fixture
def job_id(running: Peers) -> Iterator[str]:
    """A new job id, once the one instance is idle; its reports are answered with GO_ON."""
    running.reports.default = GO_ON
    running.idle_instance()
    yield uuid4().hex
    running.reports.default = GO_ON


def let_go(video: ScriptedServer) -> None:
    """Sends each video at once from now on."""
    video.stopping.set()


@contextmanager
def unanswered_probe(worker: int) -> Iterator[None]:
    """Stops the worker for the length of the block, so that the readiness probe gets no answer."""
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def wait_for_download(running: Peers, video: ScriptedServer, salad_job_id: str, requests: int = 1) -> str:
    """Waits until the job's worker downloads for the nth time. Returns the instance's id."""
    eventually(lambda: len(video.received) >= requests, WAIT_SEC)
    instance = running.instance()
    assert instance["job_id"] == salad_job_id
    return str(instance["id"])


def check_video(running: Peers, job_id: str, salad_job_id: str) -> None:
    """Waits until Salad's job has succeeded, and checks its output and files."""
    job = running.salad.finished(salad_job_id, WAIT_SEC)
    assert (job["status"], job["output"]["status"], job["output"]["job_id"]) == ("succeeded", "ok", job_id), job
    assert running.files(job_id) == [f"{PREFIX}{job_id}.json", f"{PREFIX}{job_id}.mp4"]


def test_a_job_runs_once_to_its_end(running: Peers, video: ScriptedServer, job_id: str) -> None:
    let_go(video)
    salad_job_id = running.submit(job_id, f"{video.url}/face.mp4")
    check_video(running, job_id, salad_job_id)
    assert (running.attempts(salad_job_id), len(running.runs(job_id))) == (1, 1)
    assert running.last_report(job_id)["finished"] is True


def test_a_run_that_is_told_to_stop_frees_the_instance_at_once(
    running: Peers, video: ScriptedServer, job_id: str
) -> None:
    salad_job_id = running.submit(job_id, f"{video.url}/face.mp4")
    wait_for_download(running, video, salad_job_id)
    running.reports.default = STOP

    stopped = running.salad.finished(salad_job_id, WAIT_SEC)

    assert (stopped["status"], stopped["output"]["status"]) == ("succeeded", "superseded")
    assert (running.attempts(salad_job_id), running.files(job_id)) == (1, [])
    running.idle_instance()


def test_a_killed_instance_costs_one_try_and_another_finishes(
    running: Peers, video: ScriptedServer, job_id: str
) -> None:
    salad_job_id = running.submit(job_id, f"{video.url}/face.mp4")
    killed = wait_for_download(running, video, salad_job_id)

    answer = running.salad.control("POST", f"/instances/{killed}/kill")
    let_go(video)

    assert answer.json()["job_id"] == salad_job_id
    check_video(running, job_id, salad_job_id)
    assert (running.attempts(salad_job_id), len(running.runs(job_id))) == (2, 2)
    assert running.instance()["id"] != killed


def test_scaling_in_an_instance_in_mid_job_costs_one_try(running: Peers, video: ScriptedServer, job_id: str) -> None:
    salad_job_id = running.submit(job_id, f"{video.url}/face.mp4")
    wait_for_download(running, video, salad_job_id)

    running.salad.call("update_container_group", {"replicas": 0})
    eventually(lambda: not running.salad.instances(), WAIT_SEC)
    assert (running.status(salad_job_id), running.attempts(salad_job_id)) == ("pending", 1)
    let_go(video)
    running.salad.call("update_container_group", {"replicas": 1})

    check_video(running, job_id, salad_job_id)
    assert running.attempts(salad_job_id) == 2


@pytest.mark.parametrize("code", ["OK", "UNAVAILABLE", "UNAUTHENTICATED"])
def test_a_stream_that_ends_in_mid_job_comes_back_and_keeps_its_run(
    running: Peers, video: ScriptedServer, job_id: str, code: str
) -> None:
    salad_job_id = running.submit(job_id, f"{video.url}/face.mp4")
    instance_id = wait_for_download(running, video, salad_job_id)

    running.end_stream(instance_id, code=code)

    eventually(lambda: running.instance()["has_stream"], WAIT_SEC)
    assert running.instance()["job_id"] == salad_job_id
    let_go(video)
    check_video(running, job_id, salad_job_id)
    assert (running.attempts(salad_job_id), len(running.runs(job_id)), len(video.received)) == (1, 1, 1)


def test_losing_and_regaining_readiness_during_a_job_uses_up_no_try(
    running: Peers, video: ScriptedServer, job_id: str
) -> None:
    salad_job_id = running.submit(job_id, f"{video.url}/face.mp4")
    instance_id = wait_for_download(running, video, salad_job_id)
    worker = int(running.instance()["pid"])

    with unanswered_probe(worker):
        eventually(lambda: not running.instance()["has_stream"], WAIT_SEC)
        assert running.instance()["job_id"] == salad_job_id
    eventually(lambda: running.instance()["has_stream"], WAIT_SEC)
    let_go(video)

    check_video(running, job_id, salad_job_id)
    assert (running.attempts(salad_job_id), len(running.runs(job_id))) == (1, 1)
    assert running.instance()["id"] == instance_id


@pytest.mark.parametrize("how", [{"loses_job": True}, {"code": "NOT_FOUND"}, {"code": "CANCELLED"}], ids=json.dumps)
def test_a_queue_worker_whose_job_is_not_found_takes_no_job_until_readiness_has_gone_and_come_back(
    running: Peers, video: ScriptedServer, job_id: str, how: dict[str, object]
) -> None:
    salad_job_id = running.submit(job_id, f"{video.url}/face.mp4")
    instance_id = wait_for_download(running, video, salad_job_id)
    worker = int(running.instance()["pid"])

    running.end_stream(instance_id, **how)
    let_go(video)
    eventually(lambda: running.runs(job_id) and running.last_report(job_id)["finished"], WAIT_SEC)
    eventually(lambda: running.instance()["job_id"] is None, WAIT_SEC)
    waiting = salad_job_id if "loses_job" in how else running.submit(f"{job_id}2", f"{video.url}/face.mp4")

    # The instance is ready and idle, and the job waits, because there is no stream.
    assert running.files(job_id) == [f"{PREFIX}{job_id}.json", f"{PREFIX}{job_id}.mp4"]
    lone = running.instance()
    assert (lone["id"], lone["ready"], lone["has_stream"], lone["job_id"]) == (instance_id, True, False, None)
    assert running.status(waiting) == "pending"

    with unanswered_probe(worker):
        eventually(lambda: running.instance()["told_ready"] is False, WAIT_SEC)
    done = running.salad.finished(waiting, WAIT_SEC)
    assert (done["status"], running.instance()["id"]) == ("succeeded", instance_id)
