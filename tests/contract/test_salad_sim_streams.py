"""The simulator ends a queue worker's stream when it is told to, with or without the job in flight."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support.salad_queue_worker import FakeQueueWorker, attempts, next_job, refusal
from tests.support.salad_sim import Simulator, group_body, simulator
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One instance whose queue worker is this test."""
    idle: Path = tmp_path_factory.mktemp("bin") / "fake-idle-queue-worker"
    idle.write_text("#!/bin/sh\nexec sleep 1000\n")
    idle.chmod(0o755)
    with simulator(SALAD_QUEUE_WORKER=str(idle), SALAD_SIM_HEARTBEAT_SEC="0.2") as running:
        running.call("create_queue", {"name": "jobs"})
        running.call("create_container_group", group_body(1))
        running.running(1)
        yield running


@pytest.fixture
def instance_id(started: Simulator) -> str:
    """A fresh instance on an empty queue."""
    before = started.running(1)[0]["id"]
    started.control("POST", f"/instances/{before}/kill")
    eventually(lambda: started.instances(id=before) == [])
    for job in started.state()["jobs"]:
        started.call("delete_queue_job", queue_job_id=job["id"])
    return str(started.running(1)[0]["id"])


@pytest.fixture
def fake(started: Simulator, instance_id: str) -> Iterator[FakeQueueWorker]:
    """The instance's queue worker."""
    worker = FakeQueueWorker(started.grpc_endpoint, started.imds("GET", instance_id, "token").json()["jwt"])
    yield worker
    worker.channel.close()


def end_stream(started: Simulator, instance_id: str, body: Any) -> tuple[int, dict[str, Any]]:
    answer = started.control("POST", f"/instances/{instance_id}/end-stream", body)
    return answer.status_code, answer.json()


def has_stream(started: Simulator, instance_id: str) -> bool:
    return bool(started.instances(id=instance_id)[0]["has_stream"])


def test_a_stream_ends_plainly_and_the_job_stays(started: Simulator, fake: FakeQueueWorker, instance_id: str) -> None:
    job_id = started.submit({})
    stream = fake.accept()
    next_job(stream)
    assert has_stream(started, instance_id)

    status, told = end_stream(started, instance_id, {})

    assert (status, told) == (200, {"id": instance_id, "code": "OK", "loses_job": False, "job_id": job_id})
    assert [message for message in stream if message.WhichOneof("message") == "job"] == []  # it ends, without an error
    assert not has_stream(started, instance_id)
    next(fake.accept(job_id))
    assert has_stream(started, instance_id)
    fake.tell("CompleteJob", job_id=job_id, output=b"1")
    assert (started.job(job_id)["output"], attempts(started, job_id)) == (1, 1)


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "UNAVAILABLE", "NOT_FOUND", "CANCELLED"])
def test_a_stream_ends_with_the_code_that_was_asked_for(
    started: Simulator, fake: FakeQueueWorker, instance_id: str, code: str
) -> None:
    stream = fake.accept()
    next(stream)
    assert end_stream(started, instance_id, {"code": code})[0] == 200
    assert refusal(lambda: stream) is grpc.StatusCode[code]


def test_an_instance_that_lost_its_job_is_no_longer_named_by_it(
    started: Simulator, fake: FakeQueueWorker, instance_id: str
) -> None:
    job_id = started.submit({})
    next_job(fake.accept())

    assert end_stream(started, instance_id, {"loses_job": True})[1]["job_id"] == job_id

    assert (started.job(job_id)["status"], attempts(started, job_id)) == ("pending", 1)
    assert refusal(lambda: fake.accept(job_id)) is grpc.StatusCode.NOT_FOUND
    assert refusal(lambda: fake.tell("CompleteJob", job_id=job_id)) is grpc.StatusCode.NOT_FOUND
    assert next_job(fake.accept()).job_id == job_id
    assert attempts(started, job_id) == 2


def test_what_cannot_be_ended_is_409_and_an_unknown_instance_404(
    started: Simulator, fake: FakeQueueWorker, instance_id: str
) -> None:
    assert end_stream(started, "none", {})[0] == 404
    assert end_stream(started, instance_id, {})[0] == 409
    next(fake.accept())
    assert end_stream(started, instance_id, {"loses_job": True})[0] == 409
    assert end_stream(started, instance_id, {})[0] == 200


@pytest.mark.parametrize("body", [{"code": "ABORTED"}, {"loses_job": 1}, {"other": 1}, []])
def test_an_end_that_the_simulator_does_not_know_is_400(started: Simulator, instance_id: str, body: Any) -> None:
    assert end_stream(started, instance_id, body)[0] == 400


def test_the_state_shows_the_readiness_that_the_queue_worker_was_told(started: Simulator, instance_id: str) -> None:
    assert started.instances(id=instance_id)[0]["told_ready"] is None
    assert started.imds("GET", instance_id, "status").json()["ready"] is True
    assert started.instances(id=instance_id)[0]["told_ready"] is True
