"""The queue's promises, each over the stand-in queue worker and over Salad's own program where it is at hand."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import await_end
from tests.support.salad_sim import PROBE, Receiver, Simulator, group_body, simulator
from tests.support.waiting import eventually


@pytest.fixture(scope="module", params=["stand-in", "binary"])
def shared(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    program = os.environ.get("SALAD_QUEUE_WORKER", "") if request.param == "binary" else ""
    if request.param == "binary" and not program:
        pytest.skip("NOT TESTED against Salad's own queue worker: SALAD_QUEUE_WORKER does not name it")
    with simulator(SALAD_QUEUE_WORKER=program) as running:
        running.call("create_queue", {"name": "jobs"})
        assert running.call("create_container_group", group_body(1, readiness_probe=PROBE)).status_code == 201
        running.running(1)
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def test_a_job_reaches_the_worker_and_its_answer_comes_back(shared: Simulator, receiver: Receiver) -> None:
    job_id = shared.submit({"text": "ä", "list": [1, None]}, webhook=receiver.url)
    job = shared.finished(job_id)
    assert job["status"] == "succeeded"
    assert job["output"]["path"] == "/generate"
    assert job["output"]["salad_job_id"] == job_id
    assert job["output"]["input"] == {"text": "ä", "list": [1, None]}
    assert job["output"]["pid"] == shared.instances()[0]["pid"]
    assert [event["action"] for event in job["events"]] == ["created", "started", "succeeded"]
    receiver.wait(1)
    told = receiver.of_job(job_id)[0][1]
    assert (told["type"], told["data"]["output"]) == ("queue.job.succeeded", job["output"])


@pytest.mark.parametrize("status", [200, 400, 404, 422])
def test_every_status_but_the_retryable_ones_succeeds_with_the_body(shared: Simulator, status: int) -> None:
    job = shared.finished(shared.submit({"status": status, "body": '{"status": "error"}'}))
    assert (job["status"], job["output"]) == ("succeeded", {"status": "error"})


def test_a_body_that_is_not_json_is_kept_as_text(shared: Simulator) -> None:
    assert shared.finished(shared.submit({"body": "<html>"}))["output"] == "<html>"


def test_a_body_of_brackets_in_brackets_is_kept_as_text(shared: Simulator) -> None:
    body = "[" * 50_000 + "]" * 50_000
    assert shared.finished(shared.submit({"body": body}))["output"] == body


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_retryable_status_is_tried_four_times_and_its_body_is_lost(
    shared: Simulator, receiver: Receiver, status: int
) -> None:
    job_id = shared.submit({"status": status, "body": "the reason"}, webhook=receiver.url)
    job = shared.finished(job_id)
    assert job["status"] == "failed"
    assert "output" not in job
    actions = [event["action"] for event in job["events"]]
    assert actions == ["created", "started", "started", "started", "started", "failed"]
    receiver.wait(1)
    assert receiver.of_job(job_id)[0][1]["type"] == "queue.job.failed"


def test_an_answer_over_ten_megabytes_is_rejected(shared: Simulator) -> None:
    job = shared.finished(shared.submit({"body": "x", "pad": 10 * 1024 * 1024}))
    assert job["status"] == "failed"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that lets the held jobs end once it exists; the test's end creates it."""
    file = tmp_path / "gate"
    yield file
    file.touch()


def test_a_dispatched_job_cannot_be_cancelled(shared: Simulator, gate: Path) -> None:
    job_id = shared.submit({"hold_file": str(gate)})
    eventually(lambda: shared.job(job_id)["status"] == "running")
    assert shared.call("delete_queue_job", queue_job_id=job_id).status_code == 202
    assert shared.job(job_id)["status"] == "running"
    gate.touch()
    assert shared.finished(job_id)["status"] == "succeeded"


def test_an_instance_runs_one_job_at_a_time_in_order(shared: Simulator, gate: Path) -> None:
    first, second = shared.submit({"hold_file": str(gate)}), shared.submit({})
    eventually(lambda: shared.job(first)["status"] == "running")
    assert shared.job(second)["status"] == "pending"
    assert shared.call("get_queue").json()["current_queue_length"] == 1
    assert [one["job_id"] for one in shared.instances()] == [first]
    gate.touch()
    ended = [shared.finished(job_id)["update_time"] for job_id in (first, second)]
    assert ended == sorted(ended)


def test_a_killed_instance_is_one_failed_attempt_and_another_takes_the_job(shared: Simulator, gate: Path) -> None:
    job_id = shared.submit({"hold_file": str(gate)})
    instance = eventually(lambda: next(iter(shared.instances(job_id=job_id)), None))
    answer = shared.control("POST", f"/instances/{instance['id']}/kill")
    assert (answer.status_code, answer.json()["job_id"]) == (200, job_id)
    await_end([instance["pid"]])
    gate.touch()
    job = shared.finished(job_id)
    assert job["status"] == "succeeded"
    attempts = next(one["attempts"] for one in shared.state()["jobs"] if one["id"] == job_id)
    assert attempts == 2
    assert shared.running(1)[0]["id"] != instance["id"]


def test_a_worker_that_dies_in_a_job_is_a_failed_attempt(shared: Simulator) -> None:
    job = shared.finished(shared.submit({"exit": True}), seconds=90)
    assert job["status"] == "failed"
    shared.running(1)
