"""salad_webhook: what Salad's signed news and the workers' reports do to a job, and what forgeries do not."""

import json
from typing import Any

import pytest

from avatar_jobs.domain import signatures
from avatar_jobs.domain.errors import PERMANENT_JOB_ERRORS, JobErrorCode
from tests.functional.conftest import System
from tests.support.fake_salad import SALAD_JOB_ID
from tests.support.functions import BUCKET, CALLBACK_SECRET, PREFIX, TOKEN_SECRET, WEBHOOK_SECRET, Reply
from tests.support.scripted_server import Answer

SIZE = 123_456


def result(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A worker's answer that promises the job's file."""
    key = f"{PREFIX}{job['id']}.mp4"
    output = {
        "bucket": BUCKET, "key": key, "size_bytes": SIZE, "sha1": "a" * 40,
        "duration_sec": 2.96, "width": 512, "height": 512, "fps": 25.0, "frames": 74,
    }  # fmt: skip
    metrics = {"generation_time_sec": None, "frames": 74, "engine": "preview", "stages": {"engine": 1.5}}
    return {
        "status": "ok", "job_id": job["id"], "attempt": job["attempt"], "run_id": "run-1",
        "output_video_url": "https://evil.example/x.mp4", "output": output, "metrics": metrics, **changes,
    }  # fmt: skip


def webhook(system: System, job: dict[str, Any], output: Any, *, status: str = "succeeded", **changes: Any) -> Reply:
    """Salad's webhook for a job, as salad_webhook gets it."""
    data = {
        "id": SALAD_JOB_ID, "status": status, "output": output, "input": {},
        "metadata": {"job_id": job["id"], "attempt": job["attempt"], "request_id": "r"},
        "events": [{"type": "created", "time": "2026-01-01T00:00:00.0000000Z"}],
    }  # fmt: skip
    body = json.dumps(
        {"type": f"queue.job.{status}", "timestamp": "2026-01-01T00:00:00.0000000Z", "data": {**data, **changes}}
    ).encode()
    headers = signatures.signed_headers([WEBHOOK_SECRET], "msg_1", system.clock(), body)
    return system.function("salad_webhook").call("POST", "/v1/webhooks/salad", body=body, headers=headers)


def report(system: System, job: dict[str, Any], run_id: str = "run-1", seq: int = 0, **changes: Any) -> Reply:
    """A worker's report for the job's attempt."""
    body = {
        "schema_version": 1, "attempt": job["attempt"], "run_id": run_id, "seq": seq, "phase": "starting",
        "progress": 0.0, "stage_times": {}, "error": None, **changes,
    }  # fmt: skip
    token = signatures.report_token(TOKEN_SECRET, job["id"], job["attempt"])
    return system.function("salad_webhook").call(
        "POST", f"/v1/worker/jobs/{job['id']}/reports", json_body=body, headers={"Authorization": f"Bearer {token}"}
    )


def file_stands(system: System, size: int = SIZE) -> None:
    """From now on the bucket has the file."""
    system.bucket.default = Answer(200, b"", {"Content-Type": "video/mp4"})
    system.bucket.default = Answer(200, b"x" * size, {"Content-Type": "video/mp4"})


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
    signatures.verify([CALLBACK_SECRET], call.headers, call.body, system.clock())
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


def test_three_attempts_that_nobody_explains_are_attempts_exhausted(system: System) -> None:
    job = system.submit().json
    webhook(system, job, None, status="failed")
    system.salad.answers.extend(Answer(201, b'{"id": "salad-job-%d"}' % attempt) for attempt in (2, 3))
    for attempt in (2, 3):
        system.tick()
        webhook(system, {**job, "attempt": attempt}, None, status="failed", id=f"salad-job-{attempt}")
    failed = system.read(job["id"]).json
    assert failed["error"] == {
        "code": "attempts_exhausted", "message": "The GPU service gave the job up (failed).", "stage": "queue",
        "retryable": True,
    }  # fmt: skip


@pytest.mark.parametrize("code", sorted(set(JobErrorCode) - PERMANENT_JOB_ERRORS))
def test_a_retryable_error_that_a_worker_reported_is_the_last_word_of_a_job(system: System, code: JobErrorCode) -> None:
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
def test_rubbish_from_a_worker_is_a_new_attempt_and_never_a_success(system: System, output: Any) -> None:
    job = system.submit().json
    file_stands(system)

    assert webhook(system, job, output).status == 204
    assert system.read(job["id"]).json["attempt"] == 2


def test_a_result_that_speaks_of_another_job_or_file_is_rubbish(system: System) -> None:
    job = system.submit().json
    file_stands(system)
    output = result(job)["output"]

    webhook(system, job, result(job, job_id="f" * 32))
    assert system.read(job["id"]).json["attempt"] == 2
    second = {**job, "attempt": 2}
    webhook(system, second, result(second, output={**output, "key": f"{PREFIX}other.mp4"}))
    assert system.read(job["id"]).json["attempt"] == 3
    assert system.bucket.received == []


def test_broken_metrics_never_cost_a_video(system: System) -> None:
    job = system.submit().json
    file_stands(system)

    webhook(system, job, result(job, metrics={"frames": "many", "engine": "x" * 10_000}))

    done = system.read(job["id"]).json
    assert done["status"] == "succeeded"
    assert set(done["metrics"].values()) == {None}


def test_a_superseded_answer_and_news_of_strangers_change_nothing(system: System) -> None:
    job = system.submit().json

    assert webhook(system, job, result(job, status="superseded")).status == 204
    assert webhook(system, {"id": "e" * 32, "attempt": 1}, {}).status == 204
    assert webhook(system, job, {}, metadata={"theirs": 1}).status == 204
    assert system.read(job["id"]).json == system.read(job["id"]).json | {"phase": "dispatched", "attempt": 1}


def test_a_doubled_webhook_changes_nothing_and_calls_the_app_once(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    file_stands(system)
    for _ in range(2):
        assert webhook(system, job, result(job)).status == 204

    assert len(system.app.received) == 1
    assert webhook(system, job, None, status="failed").status == 204
    assert system.read(job["id"]).json["status"] == "succeeded"


def test_a_storage_that_is_away_leaves_the_claim_to_the_tick(system: System) -> None:
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


def test_a_report_after_the_end_is_told_to_stop(system: System) -> None:
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


def test_a_malformed_report_names_its_fields(system: System) -> None:
    job = system.submit().json
    reply = report(system, job, phase="dancing", progress=2)
    assert (reply.status, reply.json["code"]) == (422, "validation_error")
    assert [fault["field"] for fault in reply.json["errors"]] == ["phase", "progress"]
