"""Salad's webhook lost, doubled, late, forged, stale, out of order, and signed with a rotated key."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.e2e.faults import Faulty, faulty, faulty_rehearsal
from tests.e2e.rehearsals import Rehearsal
from tests.support.openapi import OpenApiValidator
from tests.support.scripted_server import Answer, scripted_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e
# Here a tick ends a job. Loading the storage client takes most of a second, and a tick works for 0.8 of its period.
TICK_SEC = 2


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One rehearsal for this file's tests."""
    with faulty_rehearsal(tmp_path_factory.mktemp("rehearsal"), replicas=2, tick_sec=TICK_SEC) as started:
        yield started


@pytest.fixture
def system(running: Rehearsal, openapi: OpenApiValidator) -> Iterator[Faulty]:
    """This test's view of it."""
    with faulty(running, openapi, tick_sec=TICK_SEC) as one:
        yield one


def delivered(system: Faulty) -> list[int]:
    """Returns the statuses that salad_webhook has answered since the start of the rehearsal."""
    return [line["status"] for line in system.log("gateway_request", path="/v1/webhooks/salad")]


def test_after_a_lost_webhook_salad_is_asked_at_the_deadline(system: Faulty) -> None:
    fault = system.order("webhook", {"lose": True})
    before = len(delivered(system))
    job = system.submit("reports=1", run_timeout_seconds=10)
    done = system.check_outcome(job)
    assert system.happened(fault) == 1
    assert len(delivered(system)) == before
    assert done["started_at"] is not None


def test_a_doubled_webhook_changes_nothing_the_second_time(system: Faulty) -> None:
    fault = system.order("webhook", {"double": True})
    before = len(delivered(system))
    job = system.submit()
    eventually(lambda: len(delivered(system)) == before + 2, what="both deliveries")
    system.check_outcome(job)
    assert system.happened(fault) == 1
    assert delivered(system)[before:] == [204, 204]


def test_a_late_webhook_still_ends_the_job(system: Faulty) -> None:
    fault = system.order("webhook", {"late_sec": 3})
    job = system.submit("reports=1")
    done = system.check_outcome(job)
    assert system.happened(fault) == 1
    (salad_job,) = system.salad_jobs(job["id"])
    (completed,) = system.log("salad_sim_job_completed", job_id=salad_job["id"])
    waited = datetime.fromisoformat(done["finished_at"]) - datetime.fromisoformat(completed["time"])
    assert waited >= timedelta(seconds=3), "it was running until the webhook came"


def test_a_forged_webhook_is_refused_and_the_true_one_counts(system: Faulty) -> None:
    fault = system.order("webhook", {"forge": True})
    before = len(delivered(system))
    job = system.submit()
    system.check_outcome(job)
    assert system.happened(fault) == 1
    assert delivered(system)[before:] == [401, 204]


def test_a_stale_webhook_is_refused_although_its_signature_is_right(system: Faulty) -> None:
    job = system.submit("order1=hold")
    system.held(job["id"])
    assert system.post_salad_webhook(job, "failed", age_sec=301) == 401
    assert system.log("signature_refused")[-1]["reason"] == "webhook-timestamp is more than five minutes off"
    assert not system.app.read(job["id"])["done"]
    system.release()
    system.check_outcome(job)


def test_a_failure_that_arrives_after_the_success_changes_nothing(system: Faulty) -> None:
    job = system.submit()
    done = system.check_outcome(job)
    assert system.post_salad_webhook(job, "failed") == 204
    assert system.post_salad_webhook(job, "cancelled") == 204
    again = system.check_outcome(job)
    assert {**again, "output_url": ""} == {**done, "output_url": ""}, "the link alone is made afresh"


def test_a_success_of_an_attempt_whose_failure_arrived_before_ends_the_job(system: Faulty) -> None:
    with scripted_server(Answer(delay_sec=60)) as second_gate:
        job = system.submit(f"order1=hold&order2=hold&gate2={second_gate.url}")
        system.held(job["id"])
        assert system.post_salad_webhook(job, "failed") == 204
        system.held(job["id"], count=2)
        system.release()
        done = system.app.finished(job["id"])
        assert [one["status"] for one in system.salad_jobs(job["id"])] == ["succeeded", "running"]
    assert [line["attempt"] for line in system.log("output_looked_at", job_id=job["id"])] == [1]
    eventually(lambda: len(system.log("salad_job_finished", job_id=job["id"])) == 3, what="the second attempt's news")
    assert system.check_outcome(job, attempt=2)["finished_at"] == done["finished_at"]


def test_a_webhook_signed_with_the_rotated_and_the_former_key_is_accepted(system: Faulty) -> None:
    """This must be the last test of the file: after a rotation the functions lack the new key."""
    former = "whsec_" + system.salad("GET", "/webhook-secret-key")["secret_key"]
    system.salad("POST", "/webhook-secret-key")
    present = "whsec_" + system.salad("GET", "/webhook-secret-key")["secret_key"]
    assert present != former
    before = len(delivered(system))

    job = system.submit()
    system.check_outcome(job)
    assert delivered(system)[before:] == [204], "the functions hold the former key, and Salad signs with both"
    assert system.post_salad_webhook(job, "failed", key=present) == 401, "the new key alone is not theirs yet"
    assert system.post_salad_webhook(job, "failed", key=former) == 204
