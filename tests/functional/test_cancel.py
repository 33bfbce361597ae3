"""DELETE: the request is recorded at once, the status changes when it is certain, and no attempt keeps a GPU."""

from typing import Any

import pytest

from tests.support.fake_salad import SALAD_JOB_ID, problem
from tests.support.functions import API_KEY, OTHER_KEY, Reply
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System


def cancel(system: System, job: dict[str, Any], *, key: str = API_KEY) -> Reply:
    """DELETEs a job."""
    return system.function("job_status").call(
        "DELETE", f"/v1/avatar/jobs/{job['id']}", headers={"X-Internal-API-Key": key}
    )


def test_a_job_that_never_reached_salad_is_cancelled_at_once_and_the_app_gets_a_callback(system: System) -> None:
    system.salad.answers.append(Answer(429, b""))
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json

    reply = cancel(system, job)

    assert (reply.status, reply.json) == (
        202,
        {"detail": "Cancellation requested", "id": job["id"], "status": "cancelled"},
    )
    done = system.read(job["id"]).json
    assert (done["status"], done["done"], done["error"], done["output_url"]) == ("cancelled", True, None, None)
    assert done["cancel_requested_at"] is not None
    assert b'"avatar.job.cancelled"' in system.app.received[0].body
    system.move_clock(400)
    system.tick()
    assert len(system.salad.sent) == 1, "nothing is dispatched after a cancel"


def test_a_waiting_job_is_deleted_at_salad_and_cancelled_when_salad_says_so(system: System) -> None:
    job = system.submit().json

    assert cancel(system, job).json["status"] == "queued"
    asked = system.read(job["id"]).json
    assert (asked["status"], asked["phase"]) == ("queued", "cancelling")
    assert system.salad.looked() == [], "the public surface holds no Salad key"
    system.tick()
    assert system.salad.looked("DELETE") == [SALAD_JOB_ID]
    assert system.read(job["id"]).json["status"] == "queued", "never on Salad's 202 alone"
    system.move_clock(11)
    system.tick()
    assert system.read(job["id"]).json["status"] == "cancelled"


def test_a_running_worker_is_told_to_stop_at_its_next_report_and_its_answer_ends_the_job(system: System) -> None:
    job = system.submit().json
    report(system, job)
    system.salad.set_job("running", job_id=job["id"], attempt=1)
    cancel(system, job)

    assert report(system, job, seq=1, phase="generating").json["cancel"] is True
    system.tick()
    assert system.salad.looked("DELETE") == [], "a dispatched job is never deleted at Salad"
    webhook(system, job, result(job, status="superseded"))
    assert system.read(job["id"]).json["status"] == "cancelled"


def test_a_verified_success_that_arrives_first_wins(system: System) -> None:
    job = system.submit().json
    report(system, job)
    cancel(system, job)
    file_stands(system)
    webhook(system, job, result(job))

    done = system.read(job["id"]).json
    assert (done["status"], done["cancel_requested_at"] is not None) == ("succeeded", True)
    late = cancel(system, job)
    assert (late.status, late.json["code"]) == (409, "job_already_finished")


def test_a_silent_worker_is_given_up_after_a_minute(system: System) -> None:
    job = system.submit().json
    report(system, job)
    system.salad.set_job("running", job_id=job["id"], attempt=1)
    cancel(system, job)

    system.move_clock(50)
    system.tick()
    assert system.read(job["id"]).json["status"] == "running"
    system.move_clock(15)
    system.tick()
    assert system.read(job["id"]).json["status"] == "cancelled"


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_salads_webhook_confirms_a_cancel(system: System, status: str) -> None:
    job = system.submit().json
    cancel(system, job)
    webhook(system, job, None, status=status)
    assert system.read(job["id"]).json["status"] == "cancelled"


def test_a_job_that_salad_does_not_know_any_more_is_cancelled(system: System) -> None:
    job = system.submit().json
    cancel(system, job)
    system.salad.jobs.clear()
    system.tick()
    assert system.read(job["id"]).json["status"] == "cancelled"


def test_a_lost_dispatch_of_a_cancelled_job_is_not_sent_again(system: System) -> None:
    system.salad.answers.append(Answer(cut=True))
    job = system.submit().json
    cancel(system, job)
    assert system.read(job["id"]).json["status"] == "queued", "it may be at Salad"
    system.move_clock(61)
    system.tick()
    assert system.read(job["id"]).json["status"] == "cancelled"
    assert len(system.salad.sent) == 1


@pytest.mark.parametrize("listing", ["pending", "running", "absent", "refused"])
@pytest.mark.parametrize("reported", [True, False])
def test_a_cancel_of_a_job_whose_salad_id_is_unknown_ends_after_a_minute_of_silence(
    system: System, listing: str, reported: bool
) -> None:
    system.salad.answers.append(Answer(cut=True))
    job = system.submit().json
    if listing in ("pending", "running"):
        system.salad.set_job(listing, salad_job_id="unheard-of", job_id=job["id"], attempt=1)
    if listing == "refused":
        system.salad.listed = problem(500)
    if reported:
        report(system, job)
    cancel(system, job)
    for _ in range(7):
        system.tick()
        system.move_clock(10)
    system.tick()
    assert system.read(job["id"]).json["status"] == "cancelled"
    assert len(system.salad.sent) == 1
    if listing == "pending" and not reported:
        assert system.salad.jobs["unheard-of"]["status"] == "cancelled"


def test_a_salad_that_is_down_does_not_hold_up_a_cancel(system: System) -> None:
    job = system.submit().json
    cancel(system, job)
    system.salad.jobs.clear()
    system.salad.looks = problem(500)
    system.move_clock(50)
    system.tick()
    assert system.read(job["id"]).json["status"] == "queued"
    system.move_clock(11)
    system.tick()
    assert system.read(job["id"]).json["status"] == "cancelled"
    system.salad.set_job("pending", job_id=job["id"], attempt=1)
    system.move_clock(61)
    system.tick()
    assert system.salad.looked("DELETE") == [SALAD_JOB_ID], "what may still wait there is cleaned up"


def test_a_repeated_cancel_gets_the_same_answer_and_one_callback(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    system.salad.set_job("cancelled", job_id=job["id"], attempt=1)
    assert [cancel(system, job).status for _ in range(3)] == [202, 202, 202]
    system.tick()
    assert [cancel(system, job).json["status"] for _ in range(2)] == ["cancelled", "cancelled"]
    assert len(system.app.received) == 1


def test_another_client_cannot_cancel_and_an_unknown_id_is_a_404(system: System) -> None:
    job = system.submit().json
    assert cancel(system, job, key=OTHER_KEY).json["code"] == "job_not_found"
    assert cancel(system, {"id": "0" * 32}).json["code"] == "job_not_found"
    assert system.read(job["id"]).json["cancel_requested_at"] is None
