"""The simulator's webhooks can be verified by a published library, are retried, and can have faults."""

import json
import re
import time
from collections.abc import Iterator

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from infra.local.salad_sim import spec
from tests.support.salad_sim import Receiver, Simulator, simulator
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def started() -> Iterator[Simulator]:
    with simulator() as running:
        running.call("create_queue", {"name": "jobs"})
        yield running


@pytest.fixture
def shared(started: Simulator) -> Simulator:
    started.control("POST", "/reset")
    return started


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def cancelled_job(simulator: Simulator, url: str) -> str:
    """Ends a job without any worker, and so makes a webhook."""
    job_id = simulator.submit({"a": 1}, metadata={"job_id": "ours"}, webhook=url)
    simulator.call("delete_queue_job", queue_job_id=job_id)
    return job_id


def verify(simulator: Simulator, headers: dict[str, str], body: bytes) -> None:
    """Raises WebhookVerificationError unless the current key has signed."""
    key = simulator.call("get_webhook_secret_key").json()["secret_key"]
    Webhook(f"whsec_{key}").verify(body, headers)


def test_a_finished_job_causes_one_signed_webhook_in_salads_form(shared: Simulator, receiver: Receiver) -> None:
    job_id = cancelled_job(shared, receiver.url)
    headers, body = receiver.wait(1)[0]
    verify(shared, headers, body)
    told = json.loads(body)
    assert told["type"] == "queue.job.canceled"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", told["timestamp"])
    job = told["data"]
    assert (job["id"], job["status"], job["metadata"]) == (job_id, "cancelled", {"job_id": "ours"})
    assert [event["type"] for event in job["events"]] == ["created", "cancelled"]
    assert spec.load().component_faults("QueueJob", job) == []
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    eventually(lambda: shared.state()["calls"].get("webhook") == 1)
    assert len(receiver.received) == 1


def test_a_server_error_is_retried_with_the_same_id_and_a_refusal_is_not(shared: Simulator, receiver: Receiver) -> None:
    receiver.statuses = [500, 503]
    cancelled_job(shared, receiver.url)
    ids = [headers["webhook-id"] for headers, _ in receiver.wait(3)]
    assert len(set(ids)) == 1
    receiver.received.clear()
    receiver.statuses = [401]
    cancelled_job(shared, receiver.url)
    receiver.wait(1)
    refused_id = receiver.received[0][0]["webhook-id"]
    cancelled_job(shared, receiver.url)  # whatever would be tried again comes before this one has been retried
    receiver.statuses = []
    receiver.wait(2)
    assert [headers["webhook-id"] for headers, _ in receiver.received].count(refused_id) == 1


def test_while_a_key_rotates_both_sign(shared: Simulator, receiver: Receiver) -> None:
    old = shared.call("get_webhook_secret_key").json()["secret_key"]
    new = shared.call("update_webhook_secret_key").json()["secret_key"]
    cancelled_job(shared, receiver.url)
    headers, body = receiver.wait(1)[0]
    assert len(headers["webhook-signature"].split(" ")) >= 2
    for key in (old, new):
        Webhook(f"whsec_{key}").verify(body, headers)


def test_a_lost_webhook_never_comes(shared: Simulator, receiver: Receiver) -> None:
    fault = shared.plan_fault("webhook", {"lose": True})
    lost = cancelled_job(shared, receiver.url)
    eventually(lambda: shared.happened(fault) == 1)
    later = cancelled_job(shared, receiver.url)
    receiver.wait(1)
    assert receiver.of_job(lost) == []
    assert len(receiver.of_job(later)) == 1


def test_a_doubled_webhook_comes_twice_under_one_id(shared: Simulator, receiver: Receiver) -> None:
    shared.plan_fault("webhook", {"double": True})
    job_id = cancelled_job(shared, receiver.url)
    receiver.wait(2)
    assert len({headers["webhook-id"] for headers, _ in receiver.of_job(job_id)}) == 1
    for headers, body in receiver.received:
        verify(shared, headers, body)


def test_a_late_webhook_comes_late_and_fresh(shared: Simulator, receiver: Receiver) -> None:
    shared.plan_fault("webhook", {"late_sec": 1.2})
    before = time.monotonic()
    cancelled_job(shared, receiver.url)
    headers, body = receiver.wait(1)[0]
    assert time.monotonic() - before >= 1.2
    verify(shared, headers, body)


def test_a_forged_webhook_is_unsigned_and_the_true_one_follows(shared: Simulator, receiver: Receiver) -> None:
    shared.plan_fault("webhook", {"forge": True})
    job_id = cancelled_job(shared, receiver.url)
    (lie, lie_body), (truth, truth_body) = receiver.wait(2)
    with pytest.raises(WebhookVerificationError):
        verify(shared, lie, lie_body)
    assert json.loads(lie_body)["type"] == "queue.job.succeeded"
    assert json.loads(lie_body)["data"]["id"] == job_id
    verify(shared, truth, truth_body)
    assert json.loads(truth_body)["type"] == "queue.job.canceled"
    assert lie["webhook-id"] != truth["webhook-id"]


@pytest.mark.parametrize(("fault", "received"), [({"status": 503}, 1), ({"cut": "before"}, 1), ({"cut": "after"}, 2)])
def test_a_broken_delivery_is_tried_again(
    shared: Simulator, receiver: Receiver, fault: dict[str, object], received: int
) -> None:
    planned = shared.plan_fault("webhook", fault)
    job_id = cancelled_job(shared, receiver.url)
    receiver.wait(received)
    eventually(lambda: shared.state()["calls"]["webhook"] == 2)
    assert shared.happened(planned) == 1
    assert len(receiver.of_job(job_id)) == received


def test_an_unavailable_receiver_is_tried_again_and_then_given_up(shared: Simulator) -> None:
    away = Receiver()
    away.close()
    cancelled_job(shared, away.url)
    eventually(lambda: shared.state()["calls"].get("webhook") == 3)  # the first and the two retries of the settings
