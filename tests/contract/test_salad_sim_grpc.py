"""The job queue's gRPC service as a queue worker meets it, spoken by hand."""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from infra.local import job_queue_protocol
from tests.support.salad_queue_worker import FakeQueueWorker, attempts, next_job, refusal
from tests.support.salad_sim import Simulator, group_body, simulator
from tests.support.waiting import eventually

GRACE_SEC = 3.0  # long enough that a busy machine opens the next stream within it


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    idle: Path = tmp_path_factory.mktemp("bin") / "fake-idle-queue-worker"
    idle.write_text("#!/bin/sh\nexec sleep 1000\n")
    idle.chmod(0o755)
    with simulator(
        SALAD_QUEUE_WORKER=str(idle), SALAD_SIM_STREAM_GRACE_SEC=str(GRACE_SEC), SALAD_SIM_HEARTBEAT_SEC="0.2"
    ) as running:
        running.call("create_queue", {"name": "jobs"})
        running.call("create_container_group", group_body(1))
        running.running(1)
        yield running


@pytest.fixture
def instance_id(started: Simulator) -> str:
    """A fresh instance, so that no test meets what another has left."""
    before = started.running(1)[0]["id"]
    started.control("POST", f"/instances/{before}/kill")
    eventually(lambda: started.instances(id=before) == [])
    for job in started.state()["jobs"]:
        started.call("delete_queue_job", queue_job_id=job["id"])
    return str(started.running(1)[0]["id"])


@pytest.fixture
def fake(started: Simulator, instance_id: str) -> Iterator[FakeQueueWorker]:
    token = started.imds("GET", instance_id, "token").json()["jwt"]
    worker = FakeQueueWorker(started.grpc_endpoint, token)
    yield worker
    worker.channel.close()


def test_an_idle_stream_sends_heartbeats(fake: FakeQueueWorker) -> None:
    stream = fake.accept()
    assert [next(stream).WhichOneof("message") for _ in range(3)] == ["heartbeat"] * 3
    stream.cancel()


def test_a_job_carries_the_instances_port_and_the_groups_path(started: Simulator, fake: FakeQueueWorker) -> None:
    job_id = started.submit({"a": 1})
    job = next_job(fake.accept())
    assert (job.job_id, job.path, job.input) == (job_id, "/generate", b'{"a": 1}')
    assert job.port == started.instances()[0]["port"]
    fake.tell("CompleteJob", job_id=job_id, output=b"null")
    done = started.job(job_id)
    assert (done["status"], done["output"]) == ("succeeded", None)


@pytest.mark.parametrize("token", ["", "malformed", "a.b.c"])
def test_a_token_of_no_instance_is_unauthenticated(started: Simulator, token: str) -> None:
    other = FakeQueueWorker(started.grpc_endpoint, token)
    assert refusal(other.accept) is grpc.StatusCode.UNAUTHENTICATED
    assert refusal(lambda: other.tell("CompleteJob", job_id="x")) is grpc.StatusCode.UNAUTHENTICATED
    other.channel.close()


def test_a_token_ends_with_its_instance(started: Simulator, fake: FakeQueueWorker, instance_id: str) -> None:
    started.control("POST", f"/instances/{instance_id}/kill")
    eventually(lambda: started.instances(id=instance_id) == [])
    assert refusal(fake.accept) is grpc.StatusCode.UNAUTHENTICATED


def test_a_stream_for_a_job_that_is_not_its_own_is_not_found(fake: FakeQueueWorker) -> None:
    assert refusal(lambda: fake.accept("no-such-job")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("what", ["CompleteJob", "RejectJob"])
def test_the_outcome_of_a_job_that_is_not_its_own_is_not_found(
    started: Simulator, fake: FakeQueueWorker, what: str
) -> None:
    job_id = started.submit({})
    assert refusal(lambda: fake.tell(what, job_id=job_id)) is grpc.StatusCode.NOT_FOUND
    assert started.job(job_id)["status"] == "pending"


def test_an_output_over_ten_megabytes_is_resource_exhausted(started: Simulator, fake: FakeQueueWorker) -> None:
    job_id = started.submit({})
    next_job(fake.accept())
    output = b"x" * (job_queue_protocol.MAX_MESSAGE_BYTES + 1)
    code = refusal(lambda: fake.tell("CompleteJob", job_id=job_id, output=output))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert started.job(job_id)["status"] == "running"


def test_a_stream_that_comes_back_in_time_keeps_its_job(started: Simulator, fake: FakeQueueWorker) -> None:
    job_id = started.submit({})
    stream = fake.accept()
    next_job(stream)
    stream.cancel()
    again = fake.accept(job_id)
    until = time.monotonic() + GRACE_SEC + 0.5
    while time.monotonic() < until:
        assert next(again).WhichOneof("message") == "heartbeat"
    fake.tell("CompleteJob", job_id=job_id, output=b"1")
    assert (started.job(job_id)["output"], attempts(started, job_id)) == (1, 1)


def test_a_stream_that_does_not_return_loses_its_job(started: Simulator, fake: FakeQueueWorker) -> None:
    job_id = started.submit({})
    stream = fake.accept()
    next_job(stream)
    stream.cancel()
    eventually(lambda: started.job(job_id)["status"] == "pending")
    assert attempts(started, job_id) == 1
    assert refusal(lambda: fake.accept(job_id)) is grpc.StatusCode.NOT_FOUND
    assert refusal(lambda: fake.tell("CompleteJob", job_id=job_id)) is grpc.StatusCode.NOT_FOUND


def test_a_queue_worker_that_has_forgotten_its_job_has_failed_it(started: Simulator, fake: FakeQueueWorker) -> None:
    job_id = started.submit({})
    next_job(fake.accept())
    assert next_job(fake.accept()).job_id == job_id
    assert attempts(started, job_id) == 2


def test_a_new_stream_ends_the_older_one_of_the_instance(started: Simulator, fake: FakeQueueWorker) -> None:
    older = fake.accept()
    next(older)
    newer = fake.accept()
    next(newer)
    assert all(message.WhichOneof("message") == "heartbeat" for message in older)  # it ends, without a job
    job_id = started.submit({})
    assert next_job(newer).job_id == job_id


def test_a_call_that_the_service_does_not_have_is_unimplemented(fake: FakeQueueWorker) -> None:
    call = fake.channel.unary_unary(f"/{job_queue_protocol.SERVICE}/Other", lambda _: b"", lambda data: data)
    assert refusal(lambda: call(None, timeout=10)) is grpc.StatusCode.UNIMPLEMENTED
