"""salad_webhook: what Salad's signed webhooks change in a job, and that forged ones change nothing."""

import json
from typing import Any

import pytest

from avatar_jobs.domain.errors import PERMANENT_JOB_ERRORS, JobErrorCode
from avatar_jobs.protocol import signatures
from tests.support.fake_salad import SALAD_JOB_ID
from tests.support.functions import BUCKET, CALLBACK_SECRET, PREFIX, WEBHOOK_SECRET
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System


def test_a_verified_success_ends_the_job_with_link_metrics_and_signed_callback(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done", metadata={"n": [[1]]})).json
    report(system, job)
    file_stands(system)

    assert webhook(system, job, result(job)).status == 204

    done = system.read(job["id"]).json
    assert (done["status"], done["phase"], done["progress"], done["done"]) == ("succeeded", None, 1.0, True)
    assert f"/{BUCKET}/{PREFIX}{job['id']}.mp4?" in done["output_url"]
    assert "X-Amz-Signature=" in done["output_url"]
    assert "evil" not in json.dumps(done)
    assert (done["metrics"]["engine"], done["metrics"]["generation_time_sec"]) == ("preview", None)
    assert done["webhook"] == {"state": "delivered", "attempts": 1, "last_status": 200, "next_attempt_at": None}
    (call,) = system.app.received
    signatures.verify_webhook([CALLBACK_SECRET], call.headers, call.body, system.clock())
    body = json.loads(call.body)
    assert (body["type"], body["id"], body["status"]) == ("avatar.job.succeeded", job["id"], "succeeded")
    assert call.headers["x-request-id"] == job["request_id"]
    schema = {"$ref": "#/components/schemas/CallbackBody"}
    system.validator.check_schema(schema, body, "callback")


def test_a_success_without_a_file_or_with_another_size_is_a_new_attempt(system: System) -> None:
    job = system.submit().json
    webhook(system, job, result(job))
    second = system.read(job["id"]).json
    assert (second["status"], second["phase"], second["attempt"]) == ("running", "requeued", 2)

    system.tick()
    file_stands(system, size=7)
    webhook(system, second, result(second), id="b" * 8)

    third = system.read(job["id"]).json
    assert (third["attempt"], third["output_url"]) == (3, None)
    assert [json.loads(call.body)["metadata"]["attempt"] for call in system.salad.sent] == [1, 2]


def test_after_three_attempts_the_job_fails_with_the_last_reported_code(system: System) -> None:
    job = system.submit().json
    for attempt in (1, 2, 3):
        current = {**job, "attempt": attempt}
        error = {"code": "gpu_out_of_memory", "message": "CUDA out of memory", "stage": "engine"}
        report(system, current, run_id=f"run-{attempt}", error=error)
        webhook(system, current, None, status="failed", id=SALAD_JOB_ID)
        system.move_clock(1)
        system.tick()

    failed = system.read(job["id"]).json
    assert (failed["status"], failed["attempt"]) == ("failed", 3)
    assert failed["error"] == {
        "code": "gpu_out_of_memory", "message": "CUDA out of memory", "stage": "engine", "retryable": True,
    }  # fmt: skip


@pytest.mark.parametrize("code", sorted(PERMANENT_JOB_ERRORS))
def test_a_permanent_verdict_ends_the_job_at_once_with_the_workers_sentence(system: System, code: str) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    verdict = {"code": code, "message": "The audio file has no\nsound.", "stage": "probe", "retryable": False}

    webhook(system, job, result(job, status="error", error=verdict, output=None))

    failed = system.read(job["id"]).json
    assert (failed["status"], failed["attempt"]) == ("failed", 1)
    assert failed["error"] == {**verdict, "message": "The audio file has no sound."}
    assert json.loads(system.app.received[0].body)["type"] == "avatar.job.failed"


@pytest.mark.parametrize("code", ["input_download_timeout", "run_timeout"])
def test_a_verdict_that_no_other_node_changes_ends_the_job_and_the_app_may_submit_again(
    system: System, code: str
) -> None:
    job = system.submit().json
    verdict = {"code": code, "message": "The server answered with 503.", "stage": "downloading", "retryable": False}
    webhook(system, job, result(job, status="error", error=verdict, output=None))
    failed = system.read(job["id"]).json
    assert (failed["status"], failed["attempt"], failed["error"]) == ("failed", 1, {**verdict, "retryable": True})


def test_three_failed_attempts_without_a_reported_reason_are_attempts_exhausted(system: System) -> None:
    job = system.submit().json
    webhook(system, job, None, status="failed")
    system.salad.answers.extend(Answer(201, b'{"id": "salad-job-%d"}' % attempt) for attempt in (2, 3))
    for attempt in (2, 3):
        system.tick()
        webhook(system, {**job, "attempt": attempt}, None, status="failed", id=f"salad-job-{attempt}")
    failed = system.read(job["id"]).json
    assert failed["error"] == {
        "code": "attempts_exhausted",
        "message": "The GPU service ended the job without a result (failed). Submit the job again.",
        "stage": "queue",
        "retryable": True,
    }


@pytest.mark.parametrize("code", sorted(set(JobErrorCode) - PERMANENT_JOB_ERRORS))
def test_the_last_retryable_error_that_a_worker_reported_is_the_jobs_error(system: System, code: JobErrorCode) -> None:
    job = system.submit(system.body(run_timeout_seconds=10)).json
    report(system, job, error={"code": code, "message": "m", "stage": "engine"})
    system.move_clock(11)
    webhook(system, job, None, status="failed")
    failed = system.read(job["id"]).json
    assert (failed["status"], failed["error"]["code"], failed["error"]["retryable"]) == ("failed", code, True)


@pytest.mark.parametrize(
    "output",
    [
        None,
        "not json",
        [],
        {"status": "ok"},
        {"status": "done", "job_id": "x", "attempt": 1},
    ],
)
def test_a_malformed_result_is_a_new_attempt_and_never_a_success(system: System, output: Any) -> None:
    job = system.submit().json
    file_stands(system)

    assert webhook(system, job, output).status == 204
    assert system.read(job["id"]).json["attempt"] == 2


def test_a_result_that_names_another_job_or_file_is_malformed(system: System) -> None:
    job = system.submit().json
    file_stands(system)
    output = result(job)["output"]

    webhook(system, job, result(job, job_id="f" * 32))
    assert system.read(job["id"]).json["attempt"] == 2
    second = {**job, "attempt": 2}
    webhook(system, second, result(second, output={**output, "key": f"{PREFIX}other.mp4"}))
    assert system.read(job["id"]).json["attempt"] == 3
    assert system.bucket.received == []


def test_a_video_with_malformed_metrics_still_counts(system: System) -> None:
    job = system.submit().json
    file_stands(system)

    webhook(system, job, result(job, metrics={"frames": "many", "engine": "x" * 10_000}))

    done = system.read(job["id"]).json
    assert done["status"] == "succeeded"
    assert set(done["metrics"].values()) == {None}


def test_webhooks_of_other_programs_and_of_older_attempts_change_nothing(system: System) -> None:
    first = system.submit().json
    webhook(system, first, None, status="failed")
    before = system.read(first["id"]).json
    assert before["attempt"] == 2

    assert webhook(system, first, result(first, status="superseded")).status == 204
    assert webhook(system, {"id": "e" * 32, "attempt": 1}, {}).status == 204
    assert webhook(system, first, {}, metadata={"theirs": 1}).status == 204
    assert system.read(first["id"]).json == before


def test_an_unrequested_superseded_answer_ends_its_attempt(system: System) -> None:
    """Also one of a hostile node: Salad's job is over, so nothing more comes of this attempt."""
    job = system.submit().json
    for attempt in (1, 2, 3):
        sent = {**job, "attempt": attempt}
        report(system, sent, run_id=f"run-{attempt}")
        webhook(
            system, sent, result(sent, status="superseded"), id=f"salad-job-{attempt}" if attempt > 1 else SALAD_JOB_ID
        )
        system.salad.answers.append(Answer(201, f'{{"id": "salad-job-{attempt + 1}"}}'.encode()))
        system.tick()
    failed = system.read(job["id"]).json
    assert (failed["status"], failed["attempt"]) == ("failed", 3)
    assert (failed["error"]["code"], failed["error"]["retryable"]) == ("worker_interrupted", True)


def test_a_doubled_webhook_changes_nothing_and_calls_the_app_once(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    file_stands(system)
    for _ in range(2):
        assert webhook(system, job, result(job)).status == 204

    assert len(system.app.received) == 1
    assert webhook(system, job, None, status="failed").status == 204
    assert system.read(job["id"]).json["status"] == "succeeded"


def test_a_claim_that_an_unavailable_storage_cannot_verify_is_left_to_the_tick(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    system.bucket.default = Answer(503, b"")
    webhook(system, job, result(job))
    claimed = system.read(job["id"]).json
    assert (claimed["status"], claimed["phase"], claimed["attempt"]) == ("running", "verifying", 1)

    file_stands(system)
    system.move_clock(20)
    assert system.tick().json["done"] == {"verified": 1}

    assert system.read(job["id"]).json["status"] == "succeeded"
    assert len(system.app.received) == 1


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"webhook-signature": "v1,AAAA"}, "no webhook-signature matches"),
        ({"webhook-signature": ""}, "no webhook-signature matches"),
        ({"webhook-signature": "v1,\u00e9"}, "no webhook-signature matches"),
        ({"webhook-timestamp": "1700000000"}, "more than five minutes off"),
        ({"webhook-timestamp": "9999999999"}, "more than five minutes off"),
        ({"webhook-timestamp": "soon"}, "missing or malformed"),
        ({"webhook-id": ""}, "missing or malformed"),
        ({"webhook-id": "msg_2"}, "no webhook-signature matches"),
    ],
)
def test_a_forged_or_stale_webhook_is_a_401_and_changes_nothing(
    system: System, change: dict[str, str], detail: str
) -> None:
    body = b'{"data": {}}'
    headers = signatures.signed_headers([WEBHOOK_SECRET], "msg_1", system.clock(), body) | change

    reply = system.function("salad_webhook").call("POST", "/v1/webhooks/salad", body=body, headers=headers)

    assert (reply.status, reply.json["code"]) == (401, "unauthenticated")
    assert detail in reply.json["detail"]
