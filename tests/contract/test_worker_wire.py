"""Functions and worker share no code: what one writes, the other reads, and recorded payloads stay readable."""

import json
from pathlib import Path
from typing import Any

import pytest

from avatar_jobs.domain.errors import PERMANENT_JOB_ERRORS
from avatar_jobs.domain.upload_keys import UploadKey
from avatar_jobs.protocol import worker_result
from avatar_jobs.protocol.worker_input import worker_input
from avatar_jobs.protocol.worker_report import checked_report
from gpu_worker import wire
from gpu_worker.domain import failures
from gpu_worker.domain.progress import Phase
from tests.support.factories import NOW, a_job

RECORDED = Path(__file__).with_name("recorded")


def recorded(name: str) -> Any:
    """One payload as it once went over the wire."""
    return json.loads((RECORDED / name).read_text())


def test_the_input_that_the_functions_write_is_the_recorded_one_and_the_worker_reads_it() -> None:
    job = a_job("0123456789abcdef0123456789abcdef", resolution="720p", aspect_ratio="9:16")
    written = worker_input(
        job,
        report_url="https://api.example/v1/worker/jobs/x/reports",
        report_token="rt1.1.x",
        upload=UploadKey("https://api.backblazeb2.com", "004abc", "secret-of-a-test", "videos", "musetalk/outputs/"),
    )
    assert written == recorded("worker_input.json")

    read = wire.read_job(json.loads(json.dumps(written)))
    assert (read.job_id, read.attempt, read.request_id) == (job.id, 1, "req-1")
    assert (read.video_url, read.resolution, read.report_token) == (job.input.video_url, "720p", "rt1.1.x")
    assert read.run_timeout_seconds == 1800
    assert read.upload == wire.UploadKey(
        "https://api.backblazeb2.com", "004abc", "secret-of-a-test", "videos", "musetalk/outputs/"
    )
    bare = worker_input(job, report_url="https://a.example/r", report_token="t", upload=None)
    assert wire.read_job(json.loads(json.dumps(bare))).upload is None
    assert written["expires_at"] == "2026-01-02T04:49:05.678Z"


@pytest.mark.parametrize("version", [0, 1])
def test_the_recorded_answer_of_a_success_is_read_as_a_claimed_success(version: int) -> None:
    answer = {**recorded("worker_ok.json"), "schema_version": version}
    meaning = worker_result.read_result(
        answer, job_id=answer["job_id"], attempt=1, bucket="avatar-outputs", key=answer["output"]["key"]
    )
    assert isinstance(meaning, worker_result.ClaimedSuccess)
    assert (meaning.output.frames, meaning.metrics.engine) == (74, "preview")
    assert meaning.metrics.stages is not None
    assert meaning.metrics.stages["generating"] > 0


def test_every_failure_of_a_worker_is_read_as_itself() -> None:
    for code in failures.ErrorCode:
        answer = wire.failure_answer("j" * 32, 1, "r", failures.JobError(code, "Say what to change.", retryable=False))
        meaning = worker_result.read_result(answer.body, job_id="j" * 32, attempt=1, bucket="b", key="k")
        assert answer.http_status == 200
        assert isinstance(meaning, worker_result.Refused)
        assert meaning.error.code == code.value
        final = code.value in PERMANENT_JOB_ERRORS | {"run_timeout", "input_download_timeout"}  # in an answer
        assert meaning.permanent == final


def test_the_worker_and_the_functions_agree_on_what_is_permanent() -> None:
    final = {code.value for code in failures.ErrorCode} - {code.value for code in failures.ANOTHER_NODE_MAY_HELP}
    assert final - {"run_timeout"} == {code.value for code in PERMANENT_JOB_ERRORS}


def test_a_superseded_answer_is_read_as_such() -> None:
    job = wire.read_job(recorded("worker_input.json"))
    body = wire.superseded_answer(job, "run").body
    meaning = worker_result.read_result(body, job_id=job.job_id, attempt=1, bucket="b", key="k")
    assert isinstance(meaning, worker_result.Superseded)


@pytest.mark.parametrize("name", ["report_started.json", "report_finished.json", "report_failed.json"])
@pytest.mark.parametrize("version", [0, 1])
def test_recorded_reports_are_read(name: str, version: int) -> None:
    report = checked_report({**recorded(name), "schema_version": version})
    assert (report.error is not None) == (name == "report_failed.json")


def of_a_newer_worker(value: Any) -> Any:
    """The same payload with an unknown field in each of its objects; names of stages are free."""
    if isinstance(value, dict):
        free = ("stages", "stage_times")
        return {"new": [1], **{key: inner if key in free else of_a_newer_worker(inner) for key, inner in value.items()}}
    return value


def test_fields_of_a_newer_side_are_ignored_and_never_stored() -> None:
    answer = of_a_newer_worker(recorded("worker_ok.json"))
    meaning = worker_result.read_result(
        answer, job_id=answer["job_id"], attempt=1, bucket="avatar-outputs", key=answer["output"]["key"]
    )
    assert isinstance(meaning, worker_result.ClaimedSuccess)
    assert "new" in answer["output"]
    assert "new" in answer["metrics"]
    assert "new" not in meaning.output.model_dump(), "a node is a stranger's computer"
    assert "new" not in meaning.metrics.model_dump()
    failed = checked_report(of_a_newer_worker(recorded("report_failed.json"))).event(NOW)
    assert failed.error
    assert "new" not in failed.error.model_dump()
    assert wire.read_job(of_a_newer_worker(recorded("worker_input.json"))).attempt == 1


def test_every_phase_of_the_worker_can_be_reported() -> None:
    for phase in Phase:
        checked_report({**recorded("report_started.json"), "phase": phase.value})
