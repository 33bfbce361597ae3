"""salad_webhook: what workers' reports change in a job, and which reports a token allows."""

import pytest

from avatar_jobs.protocol import signatures
from tests.support.functions import TOKEN_SECRET
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.system import System


def test_reports_move_status_phase_and_progress_and_say_what_time_is_left(system: System) -> None:
    job = system.submit(system.body(run_timeout_seconds=600)).json

    first = report(system, job)
    assert first.json["cancel"] is False
    assert 595 <= first.json["remaining_seconds"] <= 600
    assert system.read(job["id"]).json["started_at"] is not None
    report(system, job, seq=1, phase="generating", progress=0.4)
    now = system.read(job["id"]).json
    assert (now["status"], now["phase"], now["progress"]) == ("running", "generating", 0.4)


def test_a_report_that_was_overtaken_or_comes_too_often_is_not_stored(system: System) -> None:
    job = system.submit().json
    report(system, job)
    report(system, job, seq=5, phase="generating", progress=0.4)

    report(system, job, seq=4, phase="downloading", progress=0.1)
    report(system, job, seq=6, phase="generating", progress=0.5)
    assert system.read(job["id"]).json["progress"] == 0.4
    system.move_clock(11)
    report(system, job, seq=7, phase="generating", progress=0.6)
    assert system.read(job["id"]).json["progress"] == 0.6


def test_the_newest_run_goes_on_and_the_older_one_is_told_to_stop(system: System) -> None:
    job = system.submit().json
    report(system, job, run_id="run-1")
    assert report(system, job, run_id="run-2").json["cancel"] is False
    assert report(system, job, run_id="run-1", seq=9, phase="uploading").json["cancel"] is True
    assert system.read(job["id"]).json["phase"] == "starting"


def test_a_report_after_the_end_is_answered_with_cancel(system: System) -> None:
    job = system.submit().json
    file_stands(system)
    webhook(system, job, result(job))

    assert report(system, job).json == {"cancel": True, "remaining_seconds": 0}


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Bearer rt1.1.AAAA", "Bearer rt1.\u0661.AAAA"])
def test_a_report_with_a_bad_token_is_a_401(system: System, authorization: str) -> None:
    job = system.submit().json
    reply = system.function("salad_webhook").call(
        "POST", f"/v1/worker/jobs/{job['id']}/reports", json_body={}, headers={"Authorization": authorization}
    )
    assert (reply.status, reply.json["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(("forwarded", "status"), [("rt1", 200), ("Bearer x", 401)])
def test_behind_a_proxy_with_its_own_identity_the_token_comes_in_the_forwarded_header(
    system: System, forwarded: str, status: int
) -> None:
    job = system.submit().json
    token = f"Bearer {signatures.report_token(TOKEN_SECRET, job['id'], 1)}" if forwarded == "rt1" else forwarded
    reply = system.function("salad_webhook").call(
        "POST",
        f"/v1/worker/jobs/{job['id']}/reports",
        json_body={"schema_version": 1, "attempt": 1, "run_id": "r", "seq": 0, "phase": "starting", "progress": 0},
        headers={"Authorization": "Bearer identity-of-the-front", "X-Forwarded-Authorization": token},
    )
    assert reply.status == status


def test_a_token_opens_its_own_job_and_attempt_alone_and_expires(system: System) -> None:
    mine, other = system.submit().json, system.submit().json
    token = signatures.report_token(TOKEN_SECRET, mine["id"], 1)
    body = {"schema_version": 1, "attempt": 1, "run_id": "r", "seq": 0, "phase": "starting", "progress": 0}

    def send(job_id: str, attempt: int) -> int:
        return (
            system.function("salad_webhook")
            .call(
                "POST",
                f"/v1/worker/jobs/{job_id}/reports",
                json_body={**body, "attempt": attempt},
                headers={"Authorization": f"Bearer {token}"},
            )
            .status
        )

    assert [send(mine["id"], 1), send(other["id"], 1), send(mine["id"], 2)] == [200, 401, 401]
    system.move_clock(3600 + 1800 + 15 * 60 + 1)
    assert send(mine["id"], 1) == 401


def test_a_report_with_an_expired_token_changes_nothing_and_costs_one_read(system: System) -> None:
    job = system.submit().json
    system.move_clock(3600 + 1800 + 15 * 60 + 1)
    before = system.store().get(job["id"])
    with system.watch.counting() as counted:
        assert report(system, job, run_id="run-of-a-thief").status == 401
    assert counted == {"get": 1}
    assert system.store().get(job["id"]) == before


def test_a_malformed_report_names_its_fields(system: System) -> None:
    job = system.submit().json
    reply = report(system, job, phase="dancing", progress=2)
    assert (reply.status, reply.json["code"]) == (422, "validation_error")
    assert [fault["field"] for fault in reply.json["errors"]] == ["phase", "progress"]
