"""The wire: what is accepted, that every fault is named, and the exact shape of answers."""

import ast
from pathlib import Path
from typing import Any

import pytest

import gpu_worker
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.wire import failure_answer, identity_of, ok_answer, read_job, superseded_answer

INPUT = {
    "schema_version": 1,
    "job_id": "job_01",
    "attempt": 2,
    "request_id": "r-1",
    "video_url": "https://example.com/v.mp4",
    "audio_url": "https://example.com/a.wav",
    "aspect_ratio": "9:16",
    "resolution": "720p",
    "report_url": "https://example.com/reports",
    "report_token": "token",
    "run_timeout_seconds": 600,
    "expires_at": "2026-01-01T00:00:00.000Z",
    "upload": {"endpoint": "https://api.example.com", "key_id": "k", "app_key": "s", "bucket": "b", "prefix": "p/"},
    "params": {"bbox_shift": 0},
}


def test_a_full_input_is_read() -> None:
    job = read_job(INPUT)
    assert (job.job_id, job.attempt, job.aspect_ratio, job.run_timeout_seconds) == ("job_01", 2, "9:16", 600)
    assert job.upload is not None
    assert job.upload.prefix == "p/"
    assert job.params == {"bbox_shift": 0}


def test_upload_params_and_reports_may_be_null() -> None:
    job = read_job(INPUT | {"upload": None, "params": None, "report_url": None, "report_token": None})
    assert (job.upload, dict(job.params), job.report_url) == (None, {}, None)


@pytest.mark.parametrize("version", [1, 0])
def test_this_and_the_previous_schema_are_read(version: int) -> None:
    assert read_job(INPUT | {"schema_version": version}).job_id == "job_01"


def test_an_unknown_field_is_ignored() -> None:
    assert read_job(INPUT | {"new_field": 1}).job_id == "job_01"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"schema_version": True}, "schema_version"),
        ({"schema_version": "1"}, "schema_version"),
        ({"schema_version": None}, "schema_version"),
        ({"job_id": "../etc"}, "job_id"),
        ({"job_id": 7}, "job_id"),
        ({"attempt": 0}, "attempt"),
        ({"attempt": True}, "attempt"),
        ({"attempt": 1.5}, "attempt"),
        ({"video_url": None}, "video_url"),
        ({"audio_url": ""}, "audio_url"),
        ({"aspect_ratio": "3:2"}, "aspect_ratio"),
        ({"resolution": []}, "resolution"),
        ({"run_timeout_seconds": -1}, "run_timeout_seconds"),
        ({"run_timeout_seconds": "60"}, "run_timeout_seconds"),
        ({"run_timeout_seconds": float("nan")}, "run_timeout_seconds"),
        ({"report_token": None}, "report_token"),
        ({"upload": "b2"}, "upload"),
        ({"upload": {"key_id": "k"}}, "upload.app_key"),
        ({"params": []}, "params"),
    ],
)
def test_a_faulty_field_is_named_and_never_retried(change: dict[str, Any], named: str) -> None:
    with pytest.raises(JobError) as caught:
        read_job(INPUT | change)
    assert named in caught.value.message
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.INTERNAL, False)


@pytest.mark.parametrize("body", [None, [], "text", 7])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(JobError, match="object"):
        read_job(body)
    assert identity_of(body) == (None, None)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(JobError) as caught:
        read_job({"schema_version": 1})
    for name in ("job_id", "attempt", "video_url", "audio_url", "run_timeout_seconds"):
        assert name in caught.value.message


def test_an_ok_answer_has_its_fields() -> None:
    answer = ok_answer(read_job(INPUT), "run", "https://f/x.mp4", {"bucket": "b"}, {"frames": 1})
    assert answer.http_status == 200
    expected = {"status", "job_id", "attempt", "run_id", "output_video_url", "output", "metrics"}
    assert expected <= set(answer.body)
    assert answer.body["status"] == "ok"


def test_a_final_failure_is_200_and_a_retryable_one_503() -> None:
    final = failure_answer("j", 1, "run", JobError(ErrorCode.NO_VIDEO_STREAM, "none", stage="preparing"))
    passing = failure_answer("j", 1, "run", JobError(ErrorCode.UPLOAD_FAILED, "down"))
    assert (final.http_status, passing.http_status) == (200, 503)
    assert final.body["error"] == {
        "code": "no_video_stream",
        "message": "none",
        "stage": "preparing",
        "retryable": False,
    }
    assert passing.body["error"]["retryable"] is True


def test_a_run_out_of_time_is_final() -> None:
    assert failure_answer("j", 1, "run", JobError(ErrorCode.RUN_TIMEOUT, "late")).http_status == 200


def test_superseded_answer() -> None:
    answer = superseded_answer(read_job(INPUT), "run")
    assert (answer.http_status, answer.body["status"], answer.body["run_id"]) == (200, "superseded", "run")


# Fields that have no second meaning elsewhere in the worker; the sidecar is a format of its own.
WIRE_NAMES = {
    "schema_version", "job_id", "attempt", "run_id", "request_id", "report_url", "report_token", "run_timeout_seconds",
    "expires_at", "key_id", "app_key", "output_video_url", "reused", "retryable", "seq", "stage_times", "finished",
    "remaining_seconds", "cancel", "generation_time_sec", "script_wall_time_sec", "peak_ram_kb", "cost_usd", "ready",
    "live",
}  # fmt: skip
OWN_FORMATS = {"wire.py", "transfer/sidecar.py", "adapters/imds.py"}


def test_the_wires_field_names_are_only_in_the_wire_module() -> None:
    folder = Path(gpu_worker.__file__).parent
    for path in folder.rglob("*.py"):
        place = path.relative_to(folder).as_posix()
        texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert place in OWN_FORMATS or not texts & WIRE_NAMES, f"{place} names fields of the wire"
